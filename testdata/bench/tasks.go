// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"slices"
	"time"
)

// What is measured first, because it is quick or because a goal depends on it. Floods are ranked by rankOf.
const (
	rankLatency = iota
	rankSize
	rankStart
	rankMainFlood
	rankUnrelated
	rankSecondFlood
	rankGrowth
	rankMicro
	rankFlood // and the next ones
)

// byImportance are the rates of floods, that of the goals first; others come behind.
var byImportance = []float64{100_000, 10_000, 250_000, 1000}

// rankOf ranks a flood; usual ones are those that a stranger can send who knows no more than the ports.
func rankOf(rate float64, usual bool) int {
	i := slices.Index(byImportance, rate)
	switch {
	case i < 0:
		i = len(byImportance)
	case i == 0 && usual:
		return rankMainFlood
	case i == 1 && usual:
		return rankSecondFlood
	}
	if usual {
		return rankFlood + 2*i
	}
	return rankFlood + 2*i + 1
}

// plan is what there is to do.
type plan struct {
	want choice
	list []task
}

func (p *plan) add(row string, rank int, cost time.Duration, run func() error, format string, args ...any) {
	if p.want.rows.has(row) {
		p.list = append(p.list, task{rank, row + ": " + fmt.Sprintf(format, args...), cost, run})
	}
}

// tasks lists what is wanted and can be measured; what cannot is noted.
func (b *bench) tasks() []task {
	p := &plan{want: b.want}
	seen := map[string]bool{} // candidates whose rows that are not of one knock are listed
	for i := range candidates {
		c := &candidates[i]
		if !b.want.candidates.has(c.name) || !b.want.knocks.has(c.kind) {
			continue
		}
		if err := c.installed(); err != nil {
			b.out.miss(c.name+", "+c.kind, err)
			continue
		}
		b.planKnock(p, c)
		if !seen[c.name] && c.name != kernelOnly {
			seen[c.name] = true
			b.planDaemon(p, c)
		}
	}
	return p.list
}

// Costs that tasks have in common.
func (b *bench) settingUp(c *candidate) time.Duration {
	return time.Second + c.preparing*time.Duration(b.want.n)
}

func (b *bench) pricing(c *candidate) time.Duration {
	return b.settingUp(c) + settle + time.Duration(b.windows)*window
}

// oneKnock is how long one takes on average, with the pause before it.
const oneKnock = longestPause/2 + 60*time.Millisecond

// planKnock adds the rows of each kind of knock.
func (b *bench) planKnock(p *plan, c *candidate) {
	n := time.Duration(b.want.n)
	p.add(rowLatency, rankLatency, b.settingUp(c)+2*n*oneKnock, func() error { return b.latencies(c) }, "%s, %s", c.name, c.kind)
	for _, f := range c.floods {
		usual := f.blind()
		for _, rate := range b.want.rates {
			if b.want.floods.has(f.name) && b.worthwhile(f, rate) {
				p.add(rowFloods, rankOf(rate, usual), b.pricing(c)+n*crowdPause+patience, func() error { return b.underFlood(c, f, rate) },
					"%s, %s: %s of %s a second", c.name, c.kind, f.name, rateText(rate))
			}
		}
	}
	if c.grows == 0 {
		return
	}
	for _, doors := range []int{1, many} {
		p.add(rowGrowth, rankGrowth, b.pricing(c)+b.few()*oneKnock, func() error { return b.growing(c, doors) }, "%s, %s, doors: %d", c.name, c.kind, doors)
	}
}

// worthwhile reports whether a flood is measured at a rate: one that is aimed does nothing at the lowest, and if
// there is little time, the goals alone count.
func (b *bench) worthwhile(f flood, rate float64) bool {
	switch {
	case b.short:
		return f.blind() && (rate == 100_000 || f.name == firstSteps.name)
	case !b.want.partial() && rate < 10_000:
		return f.blind()
	}
	return true
}

// few is how many knocks are enough where many others are measured.
func (b *bench) few() time.Duration { return time.Duration(min(b.want.n, 20)) }

// planDaemon adds the rows of each program.
func (b *bench) planDaemon(p *plan, c *candidate) {
	sizes := []int{1}
	if c.grows != 0 {
		sizes = append(sizes, many)
	}
	unrelated := []string{rowUnrelated}
	if c.name == ours {
		unrelated = append(unrelated, rowRadar)
	}
	if b.short && c.name != ours {
		unrelated = nil
	}
	for _, doors := range sizes {
		for _, row := range unrelated {
			p.add(row, rankUnrelated, b.pricing(c)+settle+time.Duration(b.windows)*window,
				func() error { return b.ignoring(c, row, doors) }, "%s, doors: %d", c.name, doors)
		}
		p.add(rowStart, rankStart, time.Duration(b.starts)*200*time.Millisecond, func() error { return b.starting(c, doors) }, "%s, doors: %d", c.name, doors)
	}
	p.add(rowSize, rankSize, time.Second, func() error { return b.weighing(c) }, "%s", c.name)
	if c.name != ours {
		return
	}
	for _, grants := range []int{1, manyGrants} {
		p.add(rowGrowth, rankGrowth, b.pricing(c)+2*time.Second+b.few()*oneKnock, func() error { return b.granting(c, grants) }, "%s, grants: %d", c.name, grants)
	}
	p.add(rowMicro, rankMicro, 25*time.Second, b.micro, "the way of a packet")
	p.add(rowMicro, rankMicro, 50*time.Second, b.instructions, "the way of a packet on %s", emulatedArch)
}
