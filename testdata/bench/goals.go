// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"math"
	"slices"
)

// goal is what latchkeyd shall reach, mostly a ratio of two figures of one run. Nothing fails if it does not.
type goal struct {
	Name    string  `json:"name"`
	Limit   float64 `json:"limit"`
	AtLeast bool    `json:"at_least"` // the limit is the least, else the most
	Unit    string  `json:"unit,omitempty"`
	Known   bool    `json:"known"` // whether all that it takes was measured
	Value   float64 `json:"value"`
	Why     string  `json:"why,omitempty"` // it may be missed, and what it would take
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
	if g.Why != "" {
		by += ": " + g.Why
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

// aim is a goal before it is known what was reached.
type aim struct {
	name    string
	value   measure
	atLeast bool
	limit   float64
	unit    string
	note    func(*report) string // behind the name; nil = nothing
	why     string
}

// Why goals were missed, and what it would take, as traces of the kernel's scheduler and heap profiles have it.
const (
	whyLatency = "the kernel alone opens where the packet comes in. A daemon is woken first, a tenth of its latency on a CPU that was halted; a third is the kernel's transaction, " +
		"and nearly half is our code while no cache has it. It would take a reader that never sleeps, on a CPU of its own"
	whyKnockd = "knockd waits for its 50 ms timer, and its median swings with the phase of that"
	whyDisk   = "a sequence, which waits for no disk, takes longer than this limit by itself. It would take what the latency of a sequence would take"
	whyCPU    = "half of it is the step itself (Sequence/first_step), the rest is reading and decoding. It would take a program in the kernel that drops most of a flood before it is read"
	whyMemory = "a flood fills tables that have no pages at rest: 1.4 MB for sequences. It would take smaller ones, which lose more honest senders"
	whyDoors  = "in a run of this row alone it was 1.04 x, and in a whole one its spread is wide, for a reason that was not found"
	whyPair   = "3.5 kB of it are in use; the rest is the work room of Go's collector, which a smaller limit makes run while packets wait"
)

// goals compares a report with what latchkeyd shall reach.
func goals(r *report) (list []goal) {
	for _, a := range slices.Concat(latencyAims(), trafficAims(), floodAims(), openAims(), memoryAims(), growthAims()) {
		value, known := a.value(r)
		if !known || math.IsNaN(value) || math.IsInf(value, 0) { // JSON has no such numbers
			value, known = 0, false
		}
		if a.note != nil {
			a.name += a.note(r)
		}
		list = append(list, goal{a.name, a.limit, a.atLeast, a.unit, known, value, a.why})
	}
	return list
}

// measure takes a value from a report; false if not all that it takes was measured.
type measure func(*report) (float64, bool)

// of computes a value from those of some figures.
func of(compute func(v []float64) float64, figures ...figure) measure {
	return func(r *report) (float64, bool) {
		v := make([]float64, len(figures))
		for i, pattern := range figures {
			f, ok := r.find(pattern)
			if !ok {
				return 0, false
			}
			v[i] = f.Value
		}
		return compute(v), true
	}
}

func ratio(a, b figure) measure {
	return of(func(v []float64) float64 { return v[0] / v[1] }, a, b)
}

func scaled(by float64, f figure) measure {
	return of(func(v []float64) float64 { return v[0] * by }, f)
}

func latencyAims() []aim {
	latency := func(name, kind string) figure {
		return figure{Row: rowLatency, What: whatLatency, Candidate: name, Knock: kind}
	}
	list := []aim{
		{name: "latency of a sequence, against the kernel alone", limit: 2.5, unit: " x", why: whyLatency,
			value: ratio(latency(ours, "sequence"), latency(kernelOnly, "sequence"))},
		{name: "latency of knockd, against a sequence", atLeast: true, limit: 100, unit: " x", why: whyKnockd,
			value: ratio(latency(knockd, "sequence"), latency(ours, "sequence"))},
	}
	for _, kind := range []string{"stun", "ports", "fwknop"} {
		list = append(list, aim{name: "latency of " + kind + ", beyond the disk's own", limit: 0.2, unit: " ms", why: whyDisk,
			value: scaled(1000, latency(ours, kind).of(whatBeyond))})
	}
	return list
}

// trafficAims are of traffic that is nobody's knock: without the radar, beyond what the daemon does without any
// packet, and with it all that it does.
func trafficAims() (list []aim) {
	for _, doors := range []int{1, many} {
		at := figure{Row: rowUnrelated, Candidate: ours, Doors: doors}
		list = append(list,
			aim{name: fmt.Sprintf("wake-ups by unrelated traffic, doors: %d", doors), limit: 0, unit: " a second",
				value: of(func(v []float64) float64 { return max(0, math.Round(v[0]*v[1]-v[2])) }, at.of(whatWakes), at.of(whatOffered), at.of(whatIdle))},
			aim{name: fmt.Sprintf("CPU of unrelated traffic, doors: %d", doors), limit: 1, unit: " ms per million packets",
				value: of(func(v []float64) float64 { return max(0, v[0]-v[1]) / v[2] * 1e9 }, at.of(whatCore), at.of(whatIdleCore), at.of(whatOffered))})
	}
	for _, doors := range []int{1, many} {
		at := figure{Row: rowRadar, Candidate: ours, Doors: doors}
		list = append(list,
			aim{name: fmt.Sprintf("wake-ups with the radar, %s unrelated packets a second, doors: %d", rateText(unrelatedRate), doors), limit: radarWakes, unit: " a second",
				value: of(func(v []float64) float64 { return v[0] * v[1] }, at.of(whatWakes), at.of(whatOffered))},
			aim{name: fmt.Sprintf("CPU with the radar then, doors: %d", doors), limit: 0.5, unit: " % of a core",
				value: scaled(100, at.of(whatCore))})
	}
	return list
}

func floodAims() []aim {
	cpu := func(name, kind string, f flood, rate float64) figure {
		return figure{Row: rowFloods, Candidate: name, Knock: kind, Flood: f.name, What: whatCPU, Rate: rate}
	}
	return []aim{
		{name: "CPU of knockd, against ours, flood steps of 10k a second", atLeast: true, limit: 12, unit: " x",
			value: ratio(cpu(knockd, "sequence", firstSteps, 10_000), cpu(ours, "sequence", firstSteps, 10_000))},
		{name: "CPU, flood steps of 100k a second", limit: 8, unit: " % of a core", why: whyCPU,
			value: scaled(100_000*100, cpu(ours, "sequence", firstSteps, 100_000))},
		{name: "CPU, flood stun-wrong", limit: 1, unit: " ms per million packets",
			value: scaled(1e9, cpu(ours, "stun", stunWrong, 100_000))},
	}
}

// openAims are how many knocks open in each flood.
func openAims() (list []aim) {
	opened := func(c *candidate, flood string, rate, share float64) {
		at := figure{Row: rowFloods, Candidate: c.name, Knock: c.kind, Flood: flood, What: whatOpened, Rate: rate}
		list = append(list, aim{
			name: fmt.Sprintf("%s that open, flood %s of %s a second", c.kind, flood, rateText(rate)), atLeast: true, limit: 100 * share, unit: " %",
			value: func(r *report) (float64, bool) {
				got, ok := r.find(at)
				return 100 * got.Value / got.Of, ok
			},
			note: func(r *report) string {
				got, ok := r.find(at)
				if reached := r.reached(got); ok && reached != rate {
					return fmt.Sprintf(" (%s reached)", rateText(reached))
				}
				return ""
			},
		})
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
	return list
}

func memoryAims() []aim {
	return []aim{
		{name: "memory at rest", limit: 6, unit: " MB", value: memoryAtRest},
		{name: "memory in or after any flood, against rest", limit: 1.5, unit: " x", value: memoryGrown, why: whyMemory},
	}
}

// memoryAtRest is the median before all floods, in MB.
func memoryAtRest(r *report) (float64, bool) {
	var rest samples
	for _, f := range r.Figures {
		if f.Row == rowFloods && f.Candidate == ours && f.What == whatRest {
			rest = append(rest, f.Value)
		}
	}
	return newSamples(rest).median() / 1e6, len(rest) > 0
}

// memoryGrown is the most that it was in or after a flood, as a multiple of what it was before it.
func memoryGrown(r *report) (grown float64, known bool) {
	for _, f := range r.Figures {
		if f.Row != rowFloods || f.Candidate != ours || f.What != whatPeak && f.What != whatAfter {
			continue
		}
		if rest, ok := r.find(f.of(whatRest)); ok {
			grown = max(grown, f.Value/rest.Value)
		}
	}
	return grown, grown > 0
}

func growthAims() (list []aim) {
	growth := func(kind, what string, doors int) figure {
		return figure{Row: rowGrowth, Candidate: ours, Knock: kind, What: what, Doors: doors}
	}
	for _, kind := range []string{"sequence", "stun"} {
		list = append(list, aim{name: fmt.Sprintf("CPU per packet with %d doors and clients, against 1, %s", many, kind), limit: 1.3, unit: " x", why: whyDoors,
			value: ratio(growth(kind, whatCPU, many), growth(kind, whatCPU, 1))})
	}
	list = append(list, aim{name: "memory for a door with its client and sequence", limit: 8, unit: " kB", why: whyPair,
		value: of(func(v []float64) float64 { return (v[0] - v[1]) / (many - 1) / 1e3 }, growth("stun", whatRest, many), growth("stun", whatRest, 1))})
	for _, what := range []string{whatPath, whatLatency} {
		all, one := growth("sequence", what, 0), growth("sequence", what, 0)
		all.Grants, one.Grants = manyGrants, 1
		list = append(list, aim{name: fmt.Sprintf("%s with %d grants, against 1", what, manyGrants), limit: 1.2, unit: " x", value: ratio(all, one)})
	}
	return list
}
