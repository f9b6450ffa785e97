// SPDX-License-Identifier: Apache-2.0

package site

import (
	"bytes"
	"image/color"
	"image/png"
	"strings"
	"testing"
)

const (
	red   = `fill="#ff0000"`
	green = `fill="#00ff00"`
)

func draw(t *testing.T, elements string) func(x, y int) color.NRGBA {
	t.Helper()
	d, err := parseDrawing([]byte(`<svg viewBox="0 0 10 10"><rect width="10" height="10" fill="#000000"/>` + elements + `</svg>`))
	if err != nil {
		t.Fatal(err)
	}
	content, err := d.png(100, 0)
	if err != nil {
		t.Fatal(err)
	}
	picture, err := png.Decode(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	return func(x, y int) color.NRGBA { return color.NRGBAModel.Convert(picture.At(x, y)).(color.NRGBA) }
}

func TestDrawingPaintsWhatSVGMeans(t *testing.T) {
	black, red1, green1 := color.NRGBA{0, 0, 0, 255}, color.NRGBA{255, 0, 0, 255}, color.NRGBA{0, 255, 0, 255}
	for name, c := range map[string]struct {
		elements string
		x, y     int
		want     color.NRGBA
	}{
		"inside a rectangle":            {`<rect x="2" y="3" width="4" height="5" ` + red + `/>`, 21, 31, red1},
		"left of a rectangle":           {`<rect x="2" y="3" width="4" height="5" ` + red + `/>`, 19, 31, black},
		"below a rectangle":             {`<rect x="2" y="3" width="4" height="5" ` + red + `/>`, 21, 80, black},
		"a round corner":                {`<rect width="10" height="10" rx="4" ` + red + `/>`, 5, 5, black},
		"beside a round corner":         {`<rect width="10" height="10" rx="4" ` + red + `/>`, 40, 1, red1},
		"inside a circle":               {`<circle cx="5" cy="5" r="3" ` + red + `/>`, 50, 21, red1},
		"in the corner of a circle":     {`<circle cx="5" cy="5" r="3" ` + red + `/>`, 25, 25, black},
		"inside a polygon":              {`<polygon points="0,0 10,0 0,10" ` + red + `/>`, 30, 30, red1},
		"on a polygon's other side":     {`<polygon points="0,0 10,0 0,10" ` + red + `/>`, 70, 70, black},
		"in the notch of a polygon":     {`<polygon points="0,0 5,5 10,0 10,10 0,10" ` + red + `/>`, 50, 20, black},
		"what is painted last is above": {`<rect width="10" height="10" ` + red + `/><circle cx="5" cy="5" r="3" ` + green + `/>`, 50, 50, green1},
	} {
		if got := draw(t, c.elements)(c.x, c.y); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	edge := draw(t, `<rect x="0" y="0" width="5.05" height="10" `+red+`/>`)(50, 50)
	if edge.R < 100 || edge.R > 150 {
		t.Errorf("a pixel that is half red is %v", edge)
	}
}

func TestDrawingRefusesWhatItDoesNotPaint(t *testing.T) {
	for elements, want := range map[string]string{
		`<path d="M0 0" ` + red + `/>`:                    "element 1: <path> is not rect, circle or polygon",
		`<rect width="1" height="1" fill="url(#light)"/>`: `element 1: fill "url(#light)" is not #rrggbb`,
		`<rect width="1em" height="1" ` + red + `/>`:      `element 1: width "1em" is not a number`,
		`<polygon points="0,0 1,1" ` + red + `/>`:         `element 1: points "0,0 1,1" are fewer than 3`,
		`<polygon points="0,0 1,1 ten" ` + red + `/>`:     `element 1: point "ten" is not "x,y"`,
		`<rect width="1" height="1" ` + red + `/><g></g>`: `element 2: <g> is not rect, circle or polygon`,
	} {
		_, err := parseDrawing([]byte(`<svg viewBox="0 0 10 10">` + elements + `</svg>`))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", elements, err, want)
		}
	}
	if _, err := parseDrawing([]byte(`<svg viewBox="1 0 10 10"/>`)); err == nil || !strings.Contains(err.Error(), "viewBox") {
		t.Errorf("a viewBox that does not begin at 0: error %v", err)
	}
}
