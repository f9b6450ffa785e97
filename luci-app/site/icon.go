// SPDX-License-Identifier: Apache-2.0

package site

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"strconv"
	"strings"
)

// drawing is a picture of the few SVG elements that an icon takes: filled <rect>, <circle> and <polygon>, in the order in
// which they are painted.
type drawing struct {
	side   float64 // of the square picture, in its own units
	shapes []shape
}

// shape is an area of one colour.
type shape struct {
	fill color.NRGBA
	has  func(x, y float64) bool
}

// parseDrawing reads an SVG file with a viewBox of "0 0 N N". An element or a fill that it does not know is an error.
func parseDrawing(svg []byte) (*drawing, error) {
	var file struct {
		ViewBox string `xml:"viewBox,attr"`
		Shapes  []struct {
			XMLName xml.Name
			Attrs   []xml.Attr `xml:",any,attr"`
		} `xml:",any"`
	}
	if err := xml.Unmarshal(svg, &file); err != nil {
		return nil, fmt.Errorf("icon: %w", err)
	}
	var d drawing
	if _, err := fmt.Sscanf(file.ViewBox, "0 0 %g", &d.side); err != nil || d.side <= 0 {
		return nil, fmt.Errorf("icon: viewBox %q is not \"0 0 N N\"", file.ViewBox)
	}
	for i, element := range file.Shapes {
		values := attributes{}
		for _, a := range element.Attrs {
			values[a.Name.Local] = a.Value
		}
		has, err := values.area(element.XMLName.Local)
		if err != nil {
			return nil, fmt.Errorf("icon: element %d: %w", i+1, err)
		}
		fill, err := values.fill()
		if err != nil {
			return nil, fmt.Errorf("icon: element %d: %w", i+1, err)
		}
		d.shapes = append(d.shapes, shape{fill, has})
	}
	return &d, nil
}

// attributes are those of one element.
type attributes map[string]string

// numbers returns the values of attributes, 0 for those that are not there.
func (a attributes) numbers(names ...string) ([]float64, error) {
	all := make([]float64, len(names))
	for i, name := range names {
		if a[name] == "" {
			continue
		}
		n, err := strconv.ParseFloat(a[name], 64)
		if err != nil {
			return nil, fmt.Errorf("%s %q is not a number", name, a[name])
		}
		all[i] = n
	}
	return all, nil
}

// area tells which points an element covers.
func (a attributes) area(element string) (func(x, y float64) bool, error) {
	switch element {
	case "rect":
		n, err := a.numbers("x", "y", "width", "height", "rx")
		if err != nil {
			return nil, err
		}
		return roundedRect(n[0], n[1], n[2], n[3], n[4]), nil
	case "circle":
		n, err := a.numbers("cx", "cy", "r")
		if err != nil {
			return nil, err
		}
		return roundedRect(n[0]-n[2], n[1]-n[2], 2*n[2], 2*n[2], n[2]), nil
	case "polygon":
		return parsePolygon(a["points"])
	}
	return nil, fmt.Errorf("<%s> is not rect, circle or polygon", element)
}

// fill returns the colour, written as #rrggbb.
func (a attributes) fill() (color.NRGBA, error) {
	text, hash := strings.CutPrefix(a["fill"], "#")
	n, err := strconv.ParseUint(text, 16, 32)
	if !hash || len(text) != 6 || err != nil {
		return color.NRGBA{}, fmt.Errorf("fill %q is not #rrggbb", a["fill"])
	}
	return color.NRGBA{uint8(n >> 16), uint8(n >> 8), uint8(n), 255}, nil
}

// roundedRect tells which points lie in a rectangle with corners of radius r.
func roundedRect(left, top, width, height, r float64) func(x, y float64) bool {
	return func(x, y float64) bool {
		x, y = x-left, y-top
		if x < 0 || y < 0 || x >= width || y >= height {
			return false
		}
		// How far the point lies within the square of a corner, from the corner's centre.
		dx, dy := max(r-x, x-(width-r), 0), max(r-y, y-(height-r), 0)
		return dx*dx+dy*dy <= r*r
	}
}

// parsePolygon reads "x,y x,y ..." and tells which points lie within: those from which a ray to the left crosses an odd
// number of sides.
func parsePolygon(text string) (func(x, y float64) bool, error) {
	type point struct{ x, y float64 }
	var points []point
	for _, word := range strings.Fields(text) {
		var p point
		if _, err := fmt.Sscanf(word, "%g,%g", &p.x, &p.y); err != nil {
			return nil, fmt.Errorf("point %q is not \"x,y\"", word)
		}
		points = append(points, p)
	}
	if len(points) < 3 {
		return nil, fmt.Errorf("points %q are fewer than 3", text)
	}
	return func(x, y float64) (within bool) {
		for i, a := range points {
			b := points[(i+1)%len(points)]
			if (a.y > y) != (b.y > y) && x > a.x+(y-a.y)/(b.y-a.y)*(b.x-a.x) {
				within = !within
			}
		}
		return within
	}, nil
}

// samples is how many points of a pixel are looked at in each direction, so that edges are smooth.
const samples = 4

// png draws the picture with side pixels a side. Corner is the radius of its corners, as a part of its side.
func (d *drawing) png(side int, corner float64) ([]byte, error) {
	picture := image.NewNRGBA(image.Rect(0, 0, side, side))
	within := roundedRect(0, 0, d.side, d.side, corner*d.side)
	step := d.side / float64(side*samples)
	for y := range side {
		for x := range side {
			var r, g, b, seen int
			for i := range samples * samples {
				px := (float64(x*samples+i%samples) + 0.5) * step
				py := (float64(y*samples+i/samples) + 0.5) * step
				if fill, ok := d.at(px, py); ok && within(px, py) {
					r, g, b, seen = r+int(fill.R), g+int(fill.G), b+int(fill.B), seen+1
				}
			}
			if seen > 0 {
				alpha := 255 * seen / (samples * samples)
				picture.SetNRGBA(x, y, color.NRGBA{uint8(r / seen), uint8(g / seen), uint8(b / seen), uint8(alpha)})
			}
		}
	}
	var out bytes.Buffer
	encoder := png.Encoder{CompressionLevel: png.BestCompression}
	if err := encoder.Encode(&out, picture); err != nil {
		return nil, fmt.Errorf("icon: %w", err)
	}
	return out.Bytes(), nil
}

// at returns the colour of a point: that of the last shape that covers it.
func (d *drawing) at(x, y float64) (fill color.NRGBA, ok bool) {
	for i := len(d.shapes) - 1; i >= 0; i-- {
		if d.shapes[i].has(x, y) {
			return d.shapes[i].fill, true
		}
	}
	return color.NRGBA{}, false
}
