// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"slices"
	"time"
)

// importance orders the rates of floods: that of the goals first.
var importance = []float64{100_000, 10_000, 250_000, 1000}

// tasks lists what is wanted and can be measured; what cannot is noted.
func (b *bench) tasks() (list []task) {
	rank := 0 // within a row: of the rate
	add := func(row string, cost time.Duration, run func() error, format string, args ...any) {
		if b.want.rows.has(row) {
			list = append(list, task{row, rank, row + ": " + fmt.Sprintf(format, args...), cost, run})
		}
	}
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
		n := time.Duration(b.want.n)
		setUp := time.Second + c.preparing*n
		one := longestPause/2 + 60*time.Millisecond
		priced := setUp + settle + time.Duration(b.windows)*window
		add(rowLatency, setUp+n*one*2, func() error { return b.latencies(c) }, "%s, %s", c.name, c.kind)
		for _, f := range c.floods {
			for _, rate := range b.want.rates {
				rank = slices.Index(importance, rate)
				if b.want.floods.has(f.name) {
					add(rowFloods, priced+n*crowdPause+patience, func() error { return b.besieged(c, f, rate) },
						"%s, %s: flood %s of %s a second", c.name, c.kind, f.name, rateText(rate))
				}
			}
		}
		rank = 0
		sizes := []int{1, many}
		if c.grows == 0 {
			sizes = sizes[:1]
		} else {
			for _, doors := range sizes {
				add(rowGrowth, priced+20*one, func() error { return b.growing(c, doors) }, "%s, %s, doors: %d", c.name, c.kind, doors)
			}
		}
		if seen[c.name] || c.name == kernelOnly {
			continue
		}
		seen[c.name] = true
		for _, doors := range sizes {
			add(rowUnrelated, priced+2*window, func() error { return b.ignoring(c, doors) }, "%s, doors: %d", c.name, doors)
			add(rowStart, time.Duration(b.starts)*200*time.Millisecond, func() error { return b.starting(c, doors) }, "%s, doors: %d", c.name, doors)
		}
		add(rowSize, time.Second, func() error { return b.weighing(c) }, "%s", c.name)
		if c.name != ours {
			continue
		}
		for _, grants := range []int{1, manyGrants} {
			add(rowGrowth, priced+20*one, func() error { return b.granting(c, grants) }, "%s, grants: %d", c.name, grants)
		}
		add(rowMicro, 25*time.Second, b.micro, "the way of a packet")
	}
	return list
}
