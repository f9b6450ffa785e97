// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/xml"
	"fmt"
	"strings"
)

// The size of every plot: that of a phone, so that text is not shrunk there.
const (
	plotWidth = 400
	// The place of the axes.
	left, right, top = 64, 386, 58
)

// style has the colours for light and for dark pages. The hues are those of Okabe and Ito, who chose them
// for people who tell few colours apart; lines have marks of different forms besides.
const style = `
svg { font: 11px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif }
.page { fill: #ffffff; stroke: #d0d7de } text { fill: #1f2328 } .title { font-size: 14px; font-weight: 600 } .small { fill: #59636e }
.grid { stroke: #d8dee4; stroke-width: 1 } .line { fill: none; stroke-width: 2 } .mark { stroke-width: 2 } .peer { stroke-dasharray: 5 3 }
.c0 { stroke: #0072b2 } .c1 { stroke: #009e73 } .c2 { stroke: #a0407f } .c3 { stroke: #b45f00 } .c4 { stroke: #59636e } .c5 { stroke: #c1121f } .c6 { stroke: #3a5a99 }
.dot { stroke: none; fill-opacity: .35 }
.d0 { fill: #0072b2 } .d1 { fill: #009e73 } .d2 { fill: #a0407f } .d3 { fill: #b45f00 } .d4 { fill: #59636e } .d5 { fill: #c1121f } .d6 { fill: #3a5a99 }
@media (prefers-color-scheme: dark) {
.page { fill: #0d1117; stroke: #3d444d } text { fill: #f0f6fc } .small { fill: #9198a1 } .grid { stroke: #2f353d }
.c0 { stroke: #58a6ff } .c1 { stroke: #3fb98d } .c2 { stroke: #d890c0 } .c3 { stroke: #e69f00 } .c4 { stroke: #9198a1 } .c5 { stroke: #ff7b72 } .c6 { stroke: #a5b8e8 }
.d0 { fill: #58a6ff } .d1 { fill: #3fb98d } .d2 { fill: #d890c0 } .d3 { fill: #e69f00 } .d4 { fill: #9198a1 } .d5 { fill: #ff7b72 } .d6 { fill: #a5b8e8 }
}
`

// drawing is an SVG that grows.
type drawing struct {
	b strings.Builder
}

// draw makes an SVG of a height, with a title that also stands in it for who cannot see.
func draw(height int, title, about string, f func(*drawing)) string {
	d := &drawing{}
	fmt.Fprintf(&d.b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img"><title>%s</title><style>%s</style>`+"\n",
		plotWidth, height, plotWidth, height, escape(title), style)
	fmt.Fprintf(&d.b, `<rect class="page" x=".5" y=".5" width="%d" height="%d" rx="6"/>`+"\n", plotWidth-1, height-1)
	d.text(14, 24, "title", "start", title)
	d.text(14, 41, "small", "start", about)
	f(d)
	d.b.WriteString("</svg>\n")
	return d.b.String()
}

func (d *drawing) text(x, y float64, class, anchor, text string) {
	fmt.Fprintf(&d.b, `<text x="%.1f" y="%.1f" class="%s" text-anchor="%s">%s</text>`+"\n", x, y, class, anchor, escape(text))
}

func (d *drawing) line(x1, y1, x2, y2 float64, class string) {
	fmt.Fprintf(&d.b, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" class="%s"/>`+"\n", x1, y1, x2, y2, class)
}

// point is one of a line on the page.
type point struct{ x, y float64 }

func (d *drawing) path(points []point, class string) {
	var list []string
	for _, p := range points {
		list = append(list, fmt.Sprintf("%.1f,%.1f", p.x, p.y))
	}
	fmt.Fprintf(&d.b, `<polyline points="%s" class="line %s"/>`+"\n", strings.Join(list, " "), class)
}

func (d *drawing) dot(x, y float64, colour int) {
	fmt.Fprintf(&d.b, `<circle cx="%.1f" cy="%.1f" r="3" class="dot d%d"/>`+"\n", x, y, colour)
}

// mark is of one form for each colour.
func (d *drawing) mark(x, y float64, colour int) {
	const r = 3.5
	shape := [...]string{
		`<circle cx="%[1]f" cy="%[2]f" r="3.5"`,
		`<rect x="%[3]f" y="%[4]f" width="7" height="7"`,
		`<path d="M%[1]f %[4]fL%[5]f %[2]fL%[1]f %[6]fL%[3]f %[2]fZ"`,
		`<path d="M%[1]f %[4]fL%[5]f %[6]fL%[3]f %[6]fZ"`,
		`<path d="M%[3]f %[4]fL%[5]f %[6]fM%[5]f %[4]fL%[3]f %[6]f"`,
		`<path d="M%[3]f %[4]fL%[5]f %[4]fL%[1]f %[6]fZ"`,
		`<path d="M%[1]f %[4]fV%[6]fM%[3]f %[2]fH%[5]f"`,
	}[colour]
	text := fmt.Sprintf(shape+"%[7]s", x, y, x-r, y-r, x+r, y+r, "")
	fmt.Fprintf(&d.b, `%s class="mark c%d d%d"/>`+"\n", text, colour, colour)
}

// escape makes a text of XML.
func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a strings.Builder takes everything
	return b.String()
}
