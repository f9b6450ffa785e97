// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"math"
	"slices"
)

// series is one line of a plot: a candidate with one kind of knock in the flood that is aimed at it.
type series struct {
	candidate, knock string
	flood            flood
	colour           int // of style, and the form of its marks
}

// blind are the floods that a stranger can send who knows a router's ports.
var blind = []series{
	{ours, "sequence", firstSteps, 0},
	{ours, "stun", stunWrong, 1},
	{ours, "ports", slotSteps, 2},
	{ours, "fwknop", spaRandom, 3},
	{kernelOnly, "sequence", firstSteps, 4},
	{knockd, "sequence", firstSteps, 5},
	{fwknopd, "fwknop", spaRandom, 6},
}

// aimed are those that know or forge more.
var aimed = []series{
	{ours, "sequence", allSteps, 0},
	{ours, "stun", stunHint, 1},
	{ours, "fwknop", spaForged, 3},
	{kernelOnly, "sequence", allSteps, 4},
	{knockd, "sequence", allSteps, 5},
	{fwknopd, "fwknop", spaForged, 6},
}

func (s series) name(aim bool) string {
	if aim {
		return fmt.Sprintf("%s, %s: %s", s.candidate, s.knock, s.flood.name)
	}
	return s.candidate + ", " + s.knock
}

// plots returns SVGs by name, of what was measured.
func plots(r *report) map[string]string {
	list := map[string]string{}
	rates := r.floodRates()
	if len(rates) > 1 {
		list["success"] = successPlot(r, rates, blind, false, "Knocks that open during a flood")
		if slices.ContainsFunc(r.Figures, func(f figure) bool {
			return f.Row == rowFloods && slices.ContainsFunc(aimed, func(s series) bool { return s.flood.name == f.Flood })
		}) {
			list["aimed"] = successPlot(r, rates, aimed, true, "Knocks that open during an aimed flood")
		}
		list["cpu"] = cpuPlot(r, rates)
	}
	if _, ok := r.find(figure{Row: rowLatency, What: whatLatency}); ok {
		list["latency"] = latencyPlot(r)
	}
	return list
}

// scale maps values to places on the page.
type scale struct {
	from, to float64 // values
	at, end  float64 // places
	log      bool
}

func (s scale) place(v float64) float64 {
	from, to := s.from, s.to
	if s.log {
		v, from, to = math.Log10(v), math.Log10(from), math.Log10(to)
	}
	return s.at + (v-from)/(to-from)*(s.end-s.at)
}

const (
	bottom    = 256 // of the axes of plots against rates
	inset     = 12  // of the values between them
	legendRow = 17
)

// curves draws a plot against rates. value returns that of a series, the rate
// that the sender reached, and whether there is one. Lines lie so far
// beside each other that those of equal values are seen.
func curves(title, about string, rates []float64, list []series, aim bool, apart float64, y scale, ticks []float64, label func(float64) string, value func(s series, rate float64) (v, reached float64, ok bool)) string {
	height := bottom + 48 + legendRow*len(list)
	x := scale{rates[0] / 1.3, rates[len(rates)-1] * 1.3, left, right, true}
	y.at, y.end = bottom-inset, top+inset
	return draw(height, title, about, func(d *drawing) {
		for _, t := range ticks {
			d.line(left, y.place(t), right, y.place(t), "grid")
			d.text(left-6, y.place(t)+4, "small", "end", label(t))
		}
		for _, rate := range rates {
			d.line(x.place(rate), bottom, x.place(rate), bottom+4, "grid")
			d.text(x.place(rate), bottom+17, "small", "middle", rateText(rate))
		}
		d.text(right, bottom+32, "small", "end", "packets of the flood per second")
		for i, s := range list {
			beside := apart * (float64(i) - float64(len(list)-1)/2)
			var points []point
			for _, rate := range rates {
				if v, reached, ok := value(s, rate); ok {
					v = max(y.from, min(v, y.to))
					points = append(points, point{x.place(max(rates[0], reached)), y.place(v) + beside})
				}
			}
			class := fmt.Sprintf("c%d", s.colour)
			if s.candidate != ours {
				class += " peer"
			}
			d.path(points, class)
			for _, p := range points {
				d.mark(p.x, p.y, s.colour)
			}
			at := float64(bottom + 52 + legendRow*i)
			d.path([]point{{left - 24, at - 4}, {left + 4, at - 4}}, class)
			d.mark(left-10, at-4, s.colour)
			d.text(left+14, at, "", "start", s.name(aim))
		}
	})
}

func successPlot(r *report, rates []float64, list []series, aim bool, title string) string {
	return curves(title, "share of honest knocks that open within a second", rates, list, aim, 3, scale{from: 0, to: 100},
		[]float64{0, 25, 50, 75, 100}, func(v float64) string { return fmt.Sprintf("%.0f %%", v) },
		func(s series, rate float64) (float64, float64, bool) {
			f, ok := r.find(figure{Row: rowFloods, What: whatOpened, Candidate: s.candidate, Knock: s.knock, Flood: s.flood.name, Rate: rate})
			return 100 * f.Value / max(f.Of, 1), r.reached(f), ok
		})
}

// least is the smallest share of a core that is drawn: below, one window's is mostly noise.
const least = 0.01

func cpuPlot(r *report, rates []float64) string {
	return curves("CPU of the daemon during a flood", "share of one core; who loses packets seems cheap", rates, blind, false, 1,
		scale{from: least, to: 100, log: true}, []float64{least, 0.1, 1, 10, 100},
		func(v float64) string {
			if v == least {
				return fmt.Sprintf("≤ %g %%", v)
			}
			return fmt.Sprintf("%g %%", v)
		},
		func(s series, rate float64) (float64, float64, bool) {
			f, ok := r.find(figure{Row: rowFloods, What: whatCore, Candidate: s.candidate, Knock: s.knock, Flood: s.flood.name, Rate: rate})
			return 100 * f.Value, r.reached(f), ok
		})
}

// latencyPlot shows every knock as a dot.
func latencyPlot(r *report) string {
	var list []figure
	for _, c := range candidates {
		if f, ok := r.find(figure{Row: rowLatency, What: whatLatency, Candidate: c.name, Knock: c.kind}); ok {
			list = append(list, f)
		}
		if f, ok := r.find(figure{Row: rowLatency, What: whatDisk, Candidate: c.name, Knock: c.kind}); ok && c.kind == "fwknop" {
			f.Candidate, f.Knock = "the disk alone", ""
			list = append(list, f)
		}
	}
	const rowHeight = 38
	end := top + 6 + rowHeight*len(list)
	x := scale{10e-6, 1, 14, right - 8, true}
	return draw(end+26, "From a knock's last packet to the open door", "a dot is one knock, the bar their median; logarithmic", func(d *drawing) {
		for i, label := range []string{"10 µs", "100 µs", "1 ms", "10 ms", "100 ms", "1 s"} {
			at := x.place(x.from * math.Pow10(i))
			d.line(at, top-2, at, float64(end), "grid")
			anchor := "middle"
			if i == 0 {
				anchor = "start"
			}
			d.text(at, float64(end)+16, "small", anchor, label)
		}
		for i, f := range list {
			y := float64(top + 8 + rowHeight*i)
			name := f.Candidate
			if f.Knock != "" {
				name += ", " + f.Knock
			}
			colour := colourOf(f)
			for j, v := range f.Samples {
				d.dot(x.place(max(x.from, min(v, x.to))), y+15+float64(j*7%11)-5, colour)
			}
			at := x.place(max(x.from, min(f.Value, x.to)))
			d.line(at, y+7, at, y+23, fmt.Sprintf("mark c%d", colour))
			d.text(16, y+3, "", "start", name)
			d.text(right-8, y+3, "", "end", show(f.Value))
		}
	})
}

// colourOf is the same in all plots.
func colourOf(f figure) int {
	for _, s := range blind {
		if s.candidate == f.Candidate && s.knock == f.Knock {
			return s.colour
		}
	}
	return 4
}
