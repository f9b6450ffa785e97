// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// What publish writes, besides a block of README.md.
const (
	published = "testdata/bench/results"
	readme    = "README.md"
	beginMark = "<!-- bench: made by make bench-publish -->"
	endMark   = "<!-- end of bench -->"
)

// publish puts the last run into README.md, and its whole table, figures and plots beside this program.
func publish() error {
	r, err := open(jsonFile)
	if err != nil {
		return fmt.Errorf("%w (hint: make bench comes first)", err)
	}
	pictures := plots(r)
	if r.Short || r.Partial || len(pictures) < len(plotTexts) {
		return errors.New("the last run was not of everything (hint: make bench, without BENCH=short or single rows)")
	}
	text, err := os.ReadFile(readme)
	if err != nil {
		return err
	}
	with, err := replaceBlock(string(text), r.summary())
	if err != nil {
		return err
	}
	if err := os.MkdirAll(published, 0o755); err != nil {
		return err
	}
	files := map[string]string{"README.md": "# The last published run of `make bench`\n\n" + pictureLines("", plotTexts) + "\n" + r.markdown()}
	for name, svg := range pictures {
		files[name+".svg"] = svg
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(published, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return os.WriteFile(readme, []byte(with), 0o644)
}

// replaceBlock replaces what stands between the marks.
func replaceBlock(text, block string) (string, error) {
	before, rest, ok1 := strings.Cut(text, beginMark+"\n")
	_, after, ok2 := strings.Cut(rest, endMark+"\n")
	if !ok1 || !ok2 {
		return "", fmt.Errorf("%s has no lines %q and %q", readme, beginMark, endMark)
	}
	return before + beginMark + "\n" + block + endMark + "\n" + after, nil
}

// summary is what README.md has of a report: the peers side by side, and the plots.
func (r *report) summary() string {
	var b strings.Builder
	fmt.Fprintf(&b, "From one run of `make bench` on %s: %s. Ratios of one run mean something, absolute times do not.\n",
		r.Date.Format("2 January 2006"), r.Machine.line())
	for _, w := range r.Machine.warnings() {
		fmt.Fprintf(&b, "(%s%s.)\n", strings.ToUpper(w[:1]), w[1:])
	}
	b.WriteString("\n| | latchkeyd | knockd | fwknopd | the kernel alone |\n|---|---|---|---|---|\n")
	flood := func(what, name, kind string, f flood, rate float64) (figure, bool) {
		return r.find(figure{Row: rowFloods, What: what, Candidate: name, Knock: kind, Flood: f.name, Rate: rate})
	}
	// cells makes a row: of all kinds of ours together, and of each peer.
	cells := func(name string, cell func(s series) string) {
		var mine, each []string
		others := map[string]string{knockd: "-", fwknopd: "-", kernelOnly: "-"}
		for _, s := range blind {
			switch text := cell(s); {
			case text == "":
			case s.candidate != ours:
				others[s.candidate] = text
			default:
				mine, each = append(mine, text), append(each, s.knock+" "+text)
			}
		}
		own := strings.Join(each, "; ")
		if len(mine) > 1 && len(slices.Compact(mine)) == 1 {
			own = mine[0] + ", with each kind of knock"
		}
		row(&b, name, own, others[knockd], others[fwknopd], others[kernelOnly])
	}
	cells("last packet of a knock to open door, median", func(s series) string {
		f, ok := r.find(figure{Row: rowLatency, What: whatLatency, Candidate: s.candidate, Knock: s.knock})
		if !ok {
			return ""
		}
		disk, ok := r.find(figure{Row: rowLatency, What: whatDisk, Candidate: s.candidate, Knock: s.knock})
		if ok {
			return show(f.Value) + " (" + show(disk.Value) + " of it is the disk)"
		}
		return show(f.Value)
	})
	for _, rate := range []float64{10_000, 100_000, 250_000} {
		cells(fmt.Sprintf("honest knocks that open in a flood of %s packets a second", rateText(rate)), func(s series) string {
			f, ok := flood(whatOpened, s.candidate, s.knock, s.flood, rate)
			if !ok {
				return ""
			}
			if reached := r.reached(f); reached != rate {
				return counted(f) + " (at " + rateText(reached) + ")"
			}
			return counted(f)
		})
	}
	for _, rate := range []float64{10_000, 100_000} {
		cells(fmt.Sprintf("its CPU, share of a core, at %s a second", rateText(rate)), func(s series) string {
			f, ok := flood(whatCore, s.candidate, s.knock, s.flood, rate)
			if !ok {
				return ""
			}
			return three(100*f.Value) + " %"
		})
	}
	r.memorySummary(&b)
	r.plainSummary(&b)
	b.WriteString("\nThe floods are of a stranger who knows the ports: first steps of sequences; messages with a wrong hint; SYNs to the ports of messages; " +
		"random base64. A daemon that loses packets seems cheap.\n**In size we lose**: the runtime of Go alone is larger than knockd with its library. " +
		"[All figures](" + published + "/README.md), floods that are aimed at somebody, and which goals are met.\n\n")
	b.WriteString(pictureLines(published+"/", plotTexts[:3]))
	return b.String()
}

// plotTexts say what plots show to who cannot see them; the first three are in README.md.
var plotTexts = []struct{ name, alt string }{
	{"success", "Share of honest knocks that open against the rate of a flood"},
	{"cpu", "CPU of each daemon against the rate of a flood"},
	{"latency", "Latency of each knock, as dots"},
	{"aimed", "Share of honest knocks that open against the rate of a flood that is aimed at them"},
}

// pictureLines shows plots side by side, where there is room.
func pictureLines(folder string, list []struct{ name, alt string }) string {
	var b strings.Builder
	for _, p := range list {
		fmt.Fprintf(&b, "<img src=\"%s%s.svg\" alt=\"%s\" width=\"400\">\n", folder, p.name, p.alt)
	}
	return b.String()
}

// memorySummary has the least and the most of the kinds of knocks.
func (r *report) memorySummary(b *strings.Builder) {
	cell := func(name string) string {
		var rest, grown samples
		for _, f := range r.Figures {
			if f.Row == rowFloods && f.Candidate == name {
				switch f.What {
				case whatRest:
					rest = append(rest, f.Value)
				case whatPeak, whatAfter:
					grown = append(grown, f.Value)
				}
			}
		}
		if len(rest) == 0 {
			return "-"
		}
		return megabytes(slices.Min(rest)) + ", at most " + megabytes(slices.Max(grown)) + " MB"
	}
	row(b, "resident memory at rest, in and after any flood", cell(ours), cell(knockd), cell(fwknopd), "-")
}

// plainSummary has what does not depend on a knock.
func (r *report) plainSummary(b *strings.Builder) {
	line := func(name, row_, what string) {
		cells := []string{name}
		for _, c := range []string{ours, knockd, fwknopd} {
			cell := "-"
			if f, ok := r.find(figure{Row: row_, What: what, Candidate: c}); ok {
				cell = f.text(f.Value)
			}
			cells = append(cells, cell)
		}
		row(b, append(cells, "-")...)
	}
	line("start, until it listens", rowStart, whatReady)
	line("program with its own libraries, compressed", rowSize, whatPacked)
}
