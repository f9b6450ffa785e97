// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"math"
)

// goal is what latchkeyd shall reach, mostly a ratio of two figures of one run. Nothing fails if it does not.
type goal struct {
	Name    string  `json:"name"`
	Limit   float64 `json:"limit"`
	AtLeast bool    `json:"at_least"` // the limit is the least, else the most
	Unit    string  `json:"unit,omitempty"`
	Known   bool    `json:"known"` // whether all that it takes was measured
	Value   float64 `json:"value"`
}

// met reports whether it was reached.
func (g goal) met() bool {
	if g.AtLeast {
		return g.Value >= g.Limit
	}
	return g.Value <= g.Limit
}

// verdict says so, and how far from the limit it is.
func (g goal) verdict() string {
	if !g.Known {
		return "not measured"
	}
	by := ""
	if g.Limit != 0 {
		by = fmt.Sprintf(" by %.0f %%", 100*math.Abs(g.Value-g.Limit)/g.Limit)
	}
	if g.met() {
		return "met" + by
	}
	return "**missed**" + by
}

// text is "2.4 x, at most 2.5 x".
func (g goal) text() (value, limit string) {
	most := "≤ "
	if g.AtLeast {
		most = "≥ "
	}
	value = "-"
	if g.Known {
		value = three(g.Value) + g.Unit
	}
	return value, most + three(g.Limit) + g.Unit
}

// radarWakes is how many wake-ups a second the radar may have: it looks four times a second, which takes some
// threads of the Go runtime.
const radarWakes = 25

// goals compares a report with what latchkeyd shall reach.
func goals(r *report) (list []goal) {
	add := func(name string, value float64, known bool, atLeast bool, limit float64, unit string) {
		if !known || math.IsNaN(value) || math.IsInf(value, 0) { // JSON has no such numbers
			value, known = 0, false
		}
		list = append(list, goal{name, limit, atLeast, unit, known, value})
	}
	// value and ratio of figures that were measured.
	value := func(p figure) (float64, bool) { f, ok := r.find(p); return f.Value, ok }
	ratio := func(a, b figure) (float64, bool) {
		x, ok1 := value(a)
		y, ok2 := value(b)
		return x / y, ok1 && ok2
	}
	latency := func(name, kind string) figure {
		return figure{Row: rowLatency, What: whatLatency, Candidate: name, Knock: kind}
	}
	flood := func(name, kind, flood, what string, rate float64) figure {
		return figure{Row: rowFloods, Candidate: name, Knock: kind, Flood: flood, What: what, Rate: rate}
	}

	v, ok := ratio(latency(ours, "sequence"), latency(kernelOnly, "sequence"))
	add("latency of a sequence, against the kernel alone", v, ok, false, 2.5, " x")
	v, ok = ratio(latency(knockd, "sequence"), latency(ours, "sequence"))
	add("latency of knockd, against a sequence", v, ok, true, 100, " x")
	for _, kind := range []string{"stun", "ports", "fwknop"} {
		v, ok := value(latency(ours, kind).of(whatBeyond))
		add("latency of "+kind+", beyond the disk's own", 1000*v, ok, false, 0.2, " ms")
	}

	for _, row := range []string{rowUnrelated, rowRadar} {
		for _, doors := range []int{1, many} {
			of := func(what string) float64 {
				v, ok := value(figure{Row: row, Candidate: ours, Doors: doors, What: what})
				if !ok {
					return math.NaN()
				}
				return v
			}
			wakes, core := of(whatWakes)*of(whatOffered), of(whatCore)
			if row == rowRadar { // all that the daemon does
				add(fmt.Sprintf("wake-ups with the radar, %s unrelated packets a second, doors: %d", rateText(unrelatedRate), doors), wakes, true, false, radarWakes, " a second")
				add(fmt.Sprintf("CPU with the radar then, doors: %d", doors), 100*core, true, false, 0.5, " % of a core")
				continue
			}
			// Beyond what it does without any packet.
			add(fmt.Sprintf("wake-ups by unrelated traffic, doors: %d", doors), max(0, math.Round(wakes-of(whatIdle))), true, false, 0, " a second")
			add(fmt.Sprintf("CPU of unrelated traffic, doors: %d", doors), max(0, core-of(whatIdleCore))/of(whatOffered)*1e9, true, false, 1, " ms per million packets")
		}
	}

	v, ok = ratio(flood(knockd, "sequence", firstSteps.name, whatCPU, 10_000), flood(ours, "sequence", firstSteps.name, whatCPU, 10_000))
	add("CPU of knockd, against ours, flood steps of 10k a second", v, ok, true, 12, " x")
	v, ok = value(flood(ours, "sequence", firstSteps.name, whatCPU, 100_000))
	add("CPU, flood steps of 100k a second", v*100_000*100, ok, false, 8, " % of a core")
	v, ok = value(flood(ours, "stun", stunWrong.name, whatCPU, 100_000))
	add("CPU, flood stun-wrong", v*1e9, ok, false, 1, " ms per million packets")

	opened := func(c *candidate, f string, rate, share float64) {
		got, ok := r.find(flood(c.name, c.kind, f, whatOpened, rate))
		name := fmt.Sprintf("%s that open, flood %s of %s a second", c.kind, f, rateText(rate))
		if reached := r.reached(got); ok && reached != rate {
			name += fmt.Sprintf(" (%s reached)", rateText(reached))
		}
		add(name, 100*got.Value/got.Of, ok, true, 100*share, " %")
	}
	for i := range candidates {
		c := &candidates[i]
		if c.name != ours {
			continue
		}
		for _, f := range c.floods {
			switch f.name {
			case allSteps.name, spaForged.name, stunHint.name: // what no limit can hold is shown, but is no goal
			case spaRandom.name:
				opened(c, f.name, 100_000, 0.9)
			default:
				opened(c, f.name, 100_000, 1)
				opened(c, f.name, 250_000, 0.9)
			}
		}
	}

	var rest samples
	grown := 0.0
	for _, f := range r.Figures {
		if f.Row != rowFloods || f.Candidate != ours {
			continue
		}
		same := f
		switch f.What {
		case whatRest:
			rest = append(rest, f.Value)
		case whatPeak, whatAfter:
			same.What = whatRest
			if v, ok := value(same); ok {
				grown = max(grown, f.Value/v)
			}
		}
	}
	add("memory at rest", newSamples(rest).median()/1e6, len(rest) > 0, false, 6, " MB")
	add("memory in or after any flood, against rest", grown, grown > 0, false, 1.5, " x")

	growth := func(kind, what string, doors int) figure {
		return figure{Row: rowGrowth, Candidate: ours, Knock: kind, What: what, Doors: doors}
	}
	for _, kind := range []string{"sequence", "stun"} {
		v, ok := ratio(growth(kind, whatCPU, many), growth(kind, whatCPU, 1))
		add(fmt.Sprintf("CPU per packet with %d doors and clients, against 1, %s", many, kind), v, ok, false, 1.3, " x")
	}
	most, ok1 := value(growth("stun", whatRest, many))
	least, ok2 := value(growth("stun", whatRest, 1))
	add("memory for a door with its client and sequence", (most-least)/(many-1)/1e3, ok1 && ok2, false, 8, " kB")
	for _, what := range []string{whatPath, whatLatency} {
		a, b := growth("sequence", what, 0), growth("sequence", what, 0)
		a.Grants, b.Grants = manyGrants, 1
		v, ok := ratio(a, b)
		add(fmt.Sprintf("%s with %d grants, against 1", what, manyGrants), v, ok, false, 1.2, " x")
	}
	return list
}
