// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// task is one measurement, or a few that share a daemon.
type task struct {
	rank int // the least comes first, and is left out last
	name string
	// cost is how long it takes on a machine that is quick enough.
	cost time.Duration
	run  func() error
}

// The time for everything. A sixth of it is left for what no task is: the hosts, and reports.
const (
	wholeTime = 15 * time.Minute
	shortTime = 2 * time.Minute
)

// errNoTime is why a task was left out.
var errNoTime = errors.New("no time was left for it")

// budget shares out a time among tasks: they are done in the order of their importance, and one that would
// end too late is left out, so that shorter ones behind it may still have their turn.
type budget struct {
	left time.Duration
	slow float64 // how much longer than planned tasks take on this machine; 1 at the least
}

func newBudget(whole time.Duration) *budget { return &budget{left: whole - whole/6, slow: 1} }

// grant reports whether there is time for a task.
func (b *budget) grant(cost time.Duration) bool {
	return time.Duration(float64(cost)*b.slow) <= b.left
}

// spend notes how long a task took that was granted.
func (b *budget) spend(cost, took time.Duration) {
	b.left -= took
	const weight = 0.3 // of the newest task: one that was disturbed does not stand for all
	b.slow = max(1, (1-weight)*b.slow+weight*float64(took)/float64(max(cost, time.Second)))
}

// perform does the tasks, and notes what could not be measured.
func (b *budget) perform(tasks []task, out *report) {
	slices.SortStableFunc(tasks, func(x, y task) int { return x.rank - y.rank })
	for i, t := range tasks {
		if !b.grant(t.cost) {
			out.miss(t.name, errNoTime)
			continue
		}
		progress(fmt.Sprintf("%d of %d: %s (%s left)", i+1, len(tasks), t.name, b.left.Round(time.Second)))
		begin := time.Now()
		if err := t.run(); err != nil {
			out.miss(t.name, err)
		}
		b.spend(t.cost, time.Since(begin))
	}
}

// choice is what shall be measured; an empty list is everything.
type choice struct {
	rows, candidates, knocks, floods list
	rates                            rates
	n                                int // knocks of each measurement
}

// partial reports whether something was chosen.
func (c *choice) partial() bool {
	return len(c.rows)+len(c.candidates)+len(c.knocks)+len(c.floods) > 0
}

// check refuses what there is not.
func (c *choice) check() error {
	var names, kinds []string
	for _, c := range candidates {
		names, kinds = append(names, c.name), append(kinds, c.kind)
	}
	err := cmp.Or(c.rows.only("rows", rows), c.candidates.only("candidates", names), c.knocks.only("knocks", kinds), c.floods.only("floods", floodNames()))
	if err == nil && (c.n < 5 || c.n > 60) {
		err = fmt.Errorf("-n is %d, but must be from 5 to 60: fwknop packets made beforehand get too old", c.n)
	}
	return err
}

// list is a flag of names with commas between.
type list []string

func (l *list) String() string { return strings.Join(*l, ",") }

// Set implements flag.Value.
func (l *list) Set(s string) error { *l = strings.Split(s, ","); return nil }

// has reports whether a list has a name, or names nothing.
func (l list) has(name string) bool { return len(l) == 0 || slices.Contains(l, name) }

// only refuses names that a list cannot have.
func (l list) only(what string, known []string) error {
	for _, s := range l {
		if !slices.Contains(known, s) {
			return fmt.Errorf("-%s: %q is none of %s", what, s, strings.Join(known, ", "))
		}
	}
	return nil
}

// rates are packets per second, such as 500 or 10k.
type rates []float64

func (r *rates) String() string {
	var texts []string
	for _, f := range *r {
		texts = append(texts, rateText(f))
	}
	return strings.Join(texts, ",")
}

// Set implements flag.Value.
func (r *rates) Set(s string) error {
	*r = nil
	for text := range strings.SplitSeq(s, ",") {
		number, thousands := strings.CutSuffix(text, "k")
		f, err := strconv.ParseFloat(number, 64)
		if thousands {
			f *= 1000
		}
		if err != nil || !(f >= 1 && f <= 10e6) {
			return fmt.Errorf("%q is no number of packets per second from 1 to 10000k, such as 10k", text)
		}
		*r = append(*r, f)
	}
	return nil
}

func rateText(f float64) string {
	if f >= 1000 {
		return strconv.FormatFloat(f/1000, 'f', -1, 64) + "k"
	}
	return strconv.FormatFloat(f, 'f', -1, 64)
}
