// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// markdown is a report for people, in the format of README.md.
func (r *report) markdown() string {
	var b strings.Builder
	r.head(&b)
	r.latencyTable(&b)
	r.floodTable(&b)
	r.memoryTable(&b)
	r.otherTable(&b)
	r.growthTable(&b)
	r.microTable(&b)
	r.goalTable(&b)
	if len(r.Missing) > 0 {
		b.WriteString("\n**Not measured**, or not as it was meant:\n\n")
		for _, m := range r.Missing {
			fmt.Fprintf(&b, "- %s: %s\n", m.What, strings.ReplaceAll(m.Why, "\n", " "))
		}
	}
	return b.String()
}

func (r *report) head(b *strings.Builder) {
	fmt.Fprintf(b, "%s, %s; took %s.\n", r.Date.Format("2 January 2006"), r.Machine.line(), time.Duration(r.Took*float64(time.Second)))
	var list []string
	for _, v := range r.Versions {
		list = append(list, v)
	}
	slices.Sort(list)
	fmt.Fprintf(b, "%s.\n", strings.Join(list, ", "))
	for _, w := range r.Machine.warnings() {
		fmt.Fprintf(b, "\n**WARNING:** %s.\n", w)
	}
}

// table begins one with its heading.
func table(b *strings.Builder, about string, columns ...string) {
	fmt.Fprintf(b, "\n%s\n\n| %s |\n|%s\n", about, strings.Join(columns, " | "), strings.Repeat("---|", len(columns)))
}

func row(b *strings.Builder, cells ...string) { fmt.Fprintf(b, "| %s |\n", strings.Join(cells, " | ")) }

func (r *report) latencyTable(b *strings.Builder) {
	if _, ok := r.find(figure{Row: rowLatency}); !ok {
		return
	}
	table(b, "**Latency**: from the last packet of a knock to the first SYN that is let in; nobody else sends anything.",
		"knock", "candidate", "opened", "median", "10 % to 90 %", "x kernel", "x ours", "the disk alone", "beyond it")
	kernel, _ := r.find(figure{Row: rowLatency, What: whatLatency, Candidate: kernelOnly})
	for _, c := range candidates {
		at := figure{Row: rowLatency, Candidate: c.name, Knock: c.kind}
		opened, ok := r.find(at.of(whatOpened))
		if !ok {
			continue
		}
		f, _ := r.find(at.of(whatLatency))
		our, _ := r.find(figure{Row: rowLatency, What: whatLatency, Candidate: ours, Knock: c.kind})
		disk, beyond := "-", "-"
		if d, ok := r.find(at.of(whatDisk)); ok {
			disk = show(d.Value)
		}
		if d, ok := r.find(at.of(whatBeyond)); ok {
			beyond = show(d.Value)
		}
		row(b, c.kind, c.name, counted(opened), show(f.Value), show(f.Low)+" to "+show(f.High), times(f.Value, kernel.Value), times(f.Value, our.Value), disk, beyond)
	}
	b.WriteString("\nBefore latchkeyd opens for a message or a fwknop packet, its state is on the disk; a sequence has none, and fwknopd does not wait for its disk. " +
		"*The disk alone* is what the same writing took just after each knock, seen by the same sender; *beyond it* is the median of the differences.\n")
}

// of is the same of something else.
func (f figure) of(what string) figure { f.What = what; return f }

// floodRates are those of a report, ascending.
func (r *report) floodRates() (list []float64) {
	for _, f := range r.Figures {
		if f.Row == rowFloods && !slices.Contains(list, f.Rate) {
			list = append(list, f.Rate)
		}
	}
	slices.Sort(list)
	return list
}

func (r *report) floodTable(b *strings.Builder) {
	list := r.floodRates()
	if len(list) == 0 {
		return
	}
	columns := []string{"flood", "knock", "candidate"}
	for _, rate := range list {
		columns = append(columns, rateText(rate)+" packets/s")
	}
	r.floodRows(b, "**Floods** of a stranger who knows the ports, from forged senders: honest knocks that open meanwhile; "+
		"the daemon's CPU for each packet, and the share of a core that it takes.", columns, list, true)
	r.floodRows(b, "**Aimed floods**: their senders know more, or do what only these knocks bear. No limit holds all of them.", columns, list, false)
	b.WriteString("\nWho loses packets seems cheap: look at what opens, too. Every packet's way through the router's kernel is on the sender's CPU: " +
		"*reached* is as fast as that was here. Beside a daemon, the kernel drops those of more than 100k a second before it tracks them, " +
		"and after the daemon saw them. The floods:\n\n")
	for _, f := range allFloods() {
		fmt.Fprintf(b, "- %s: %s\n", f.name, f.about)
	}
}

// floodRows is the table of floods that are blind, or of the others.
func (r *report) floodRows(b *strings.Builder, about string, columns []string, rates []float64, blind bool) {
	begun := false
	for _, f := range allFloods() {
		for _, c := range candidates {
			cells, any := []string{f.name, c.kind, c.name}, false
			for _, rate := range rates {
				cell := r.floodCell(figure{Row: rowFloods, Candidate: c.name, Knock: c.kind, Flood: f.name, Rate: rate})
				cells, any = append(cells, cell), any || cell != "-"
			}
			if !any || f.blind() != blind {
				continue
			}
			if !begun {
				table(b, about, columns...)
				begun = true
			}
			row(b, cells...)
		}
	}
}

func (r *report) floodCell(at figure) string {
	opened, ok := r.find(at.of(whatOpened))
	if !ok {
		return "-"
	}
	cell := "**" + counted(opened) + "**"
	cpu, ok1 := r.find(at.of(whatCPU))
	core, ok2 := r.find(at.of(whatCore))
	if ok1 && ok2 {
		cell += fmt.Sprintf(" %s, %s %%", show(cpu.Value), three(100*core.Value))
	}
	if reached := r.reached(at); reached != at.Rate {
		cell += fmt.Sprintf(" (%s reached)", rateText(reached))
	}
	return cell
}

func (r *report) memoryTable(b *strings.Builder) {
	begun := false
	for _, c := range candidates {
		at := figure{Row: rowFloods, Candidate: c.name, Knock: c.kind}
		rest, ok := r.find(at.of(whatRest))
		if !ok {
			continue
		}
		if !begun {
			table(b, "**Memory**, resident, in MB: at rest, and the most that it was in and after any flood. *Own* is what no other program shares.",
				"knock", "candidate", "at rest", "in floods", "after floods", "own, at rest", "own, in floods")
			begun = true
		}
		most := func(what string) float64 {
			top := 0.0
			for _, f := range r.Figures {
				if f.Row == rowFloods && f.Candidate == c.name && f.Knock == c.kind && f.What == what {
					top = max(top, f.Value)
				}
			}
			return top
		}
		own, _ := r.find(at.of(whatOwn))
		row(b, c.kind, c.name, megabytes(rest.Value), megabytes(most(whatPeak)), megabytes(most(whatAfter)), megabytes(own.Value), megabytes(most(whatOwnPeak)))
	}
}

func (r *report) otherTable(b *strings.Builder) {
	begun := false
	for _, f := range r.Figures {
		if !slices.Contains([]string{rowUnrelated, rowRadar, rowStart, rowSize}, f.Row) || f.What == whatOffered {
			continue
		}
		if !begun {
			table(b, "**Unrelated traffic, start, size.** *Unrelated* is with latchkeyd's radar switched off, *radar* the same with it: it looks at a sample of that traffic.", "of", "candidate", "doors", "what", "median", "10 % to 90 %")
			begun = true
		}
		what := f.What
		if f.Rate != 0 {
			what += fmt.Sprintf(", %s a second", rateText(r.reached(f)))
		}
		row(b, f.Row, f.Candidate, fmt.Sprint(max(f.Doors, 1)), what, f.text(f.Value), f.spread())
	}
}

func (r *report) growthTable(b *strings.Builder) {
	begun := false
	for _, f := range r.Figures {
		if f.Row != rowGrowth {
			continue
		}
		if !begun {
			table(b, "**Growth**: of 10 000 grants, nearly all are elements of one more set that the kernel's rules of the door ask, since its owner may open a door to 32 addresses by hand.", "candidate", "knock", "doors and clients", "grants", "what", "median", "10 % to 90 %")
			begun = true
		}
		what := f.What
		if f.Flood != "" {
			what += fmt.Sprintf(", flood %s of %s a second", f.Flood, rateText(f.Rate))
		}
		row(b, f.Candidate, f.Knock, fmt.Sprint(max(f.Doors, 1)), fmt.Sprint(max(f.Grants, 1)), what, f.text(f.Value), f.spread())
	}
}

func (r *report) microTable(b *strings.Builder) {
	begun := false
	for _, f := range r.Figures {
		if f.Row != rowMicro || f.What != whatMicro {
			continue
		}
		if !begun {
			table(b, "**The way of a packet**: Reader waits for one packet and reads it, Packets takes a batch of 64, Open is one grant. Instructions are those of a router without FPU, AES and 64 bits ("+emulatedArch+"), counted under QEMU.", "benchmark", "time", "allocations", "instructions")
			begun = true
		}
		allocations, _ := r.find(f.of(whatAllocs))
		instructions := "–"
		if n, ok := r.find(f.of(whatInstructions)); ok {
			instructions = three(n.Value)
		}
		row(b, f.Knock, show(f.Value), three(allocations.Value), instructions)
	}
}

func (r *report) goalTable(b *strings.Builder) {
	table(b, "**Goals**", "goal", "limit", "here", "")
	for _, g := range r.Goals {
		if r.Partial && !g.Known {
			continue
		}
		value, limit := g.text()
		row(b, g.Name, limit, value, g.verdict())
	}
}

// counted is "48 of 50".
func counted(f figure) string { return fmt.Sprintf("%.0f of %.0f", f.Value, f.Of) }

// text is a value with its unit.
func (f figure) text(v float64) string {
	switch f.Unit {
	case "s":
		return show(v)
	case "bytes":
		return megabytes(v) + " MB"
	case "CPUs":
		return three(100*v) + " % of a core"
	}
	return three(v) + " " + f.Unit
}

// spread is nothing where there is one sample only.
func (f figure) spread() string {
	if len(f.Samples) < 2 {
		return ""
	}
	return f.text(f.Low) + " to " + f.text(f.High)
}

func megabytes(bytes float64) string { return fmt.Sprintf("%.2f", bytes/1e6) }

// times is a ratio; none if there is nothing to compare with.
func times(a, b float64) string {
	if a == 0 || b == 0 {
		return "-"
	}
	return three(a / b)
}

// three writes a number with three digits at the most.
func three(f float64) string {
	switch size := math.Abs(f); {
	case size >= 99.95 || f == math.Trunc(f):
		return fmt.Sprintf("%.0f", f)
	case size >= 9.995:
		return fmt.Sprintf("%.1f", f)
	case size >= 0.0995:
		return fmt.Sprintf("%.2f", f)
	}
	return fmt.Sprintf("%.2g", f)
}

// show writes a time of so many seconds with three digits: "29.0 ms".
func show(s float64) string {
	if s < 0 {
		return "-" + show(-s)
	}
	for _, unit := range []struct {
		size float64
		name string
	}{{1, "s"}, {1e-3, "ms"}, {1e-6, "µs"}} {
		if s >= 0.9995*unit.size {
			return three(s/unit.size) + " " + unit.name
		}
	}
	return three(s*1e9) + " ns"
}
