// SPDX-License-Identifier: Apache-2.0

// Command withstood compares SECURITY.md's table of faults and attacks with what the tests said in a
// log of `go test -v`, or writes it.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/latchkey/latchkey/pkgs/lab"
)

const (
	document = "SECURITY.md"
	begin    = "<!-- made by the tests: make faults -->\n"
	end      = "<!-- end of what the tests made -->\n"
)

func main() {
	update := flag.Bool("update", false, "write the table instead of comparing it")
	flag.Parse()
	if err := run(flag.Arg(0), *update); err != nil {
		fmt.Fprintf(os.Stderr, "withstood: error: %v\n", err)
		os.Exit(1)
	}
}

func run(log string, update bool) error {
	rows, err := read(log)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(document)
	if err != nil {
		return err
	}
	head, rest, found := strings.Cut(string(text), begin)
	old, tail, ended := strings.Cut(rest, end)
	if !found || !ended {
		return fmt.Errorf("%s has no place for the table, between %q and %q", document, begin, end)
	}
	made, err := table(rows)
	if err != nil {
		return err
	}
	if update {
		return os.WriteFile(document, []byte(head+begin+made+end+tail), 0o644)
	}
	return compare(old, made)
}

// compare tells the first line that differs. What knockd and fwknopd did is told and not held: it is not
// ours, and a busy machine may change it.
func compare(old, made string) error {
	was, is := strings.Split(old, "\n"), strings.Split(made, "\n")
	for i := range max(len(was), len(is)) {
		a, b := at(was, i), at(is, i)
		if withoutPeers(a) != withoutPeers(b) {
			return fmt.Errorf("%s's table of faults is not what the tests say (make faults writes it):\n- %s\n+ %s", document, a, b)
		}
	}
	return nil
}

func at(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return "(end)"
}

// withoutPeers is a line of the table up to its last two columns.
func withoutPeers(line string) string {
	cells := strings.Split(line, "|")
	return strings.Join(cells[:max(len(cells)-3, 1)], "|")
}

// row is one fault or attack: what happened here, and with knockd and fwknopd where they were tried.
type row struct {
	group, fault, outcome string
	tests                 []string
	peers                 map[string]string
}

// read collects the rows in a log.
func read(log string) ([]*row, error) {
	f, err := os.Open(log)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var rows []*row
	of := func(fault string) *row {
		for _, r := range rows {
			if r.fault == fault {
				return r
			}
		}
		r := &row{fault: fault, peers: map[string]string{}}
		rows = append(rows, r)
		return r
	}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		// What a test prints may stand behind what the one before left without an end of its line.
		_, line, found := strings.Cut(lines.Text(), "withstood: ")
		fields := strings.Split(line, "|")
		if !found || len(fields) != 4 {
			continue
		}
		first, fault, outcome, test := fields[0], fields[1], fields[2], fields[3]
		r := of(fault)
		switch {
		case !slices.Contains(lab.Groups, first):
			r.peers[first] = outcome
		case r.group != "" && (r.group != first || r.outcome != outcome):
			return nil, fmt.Errorf("fault %q: two tests say different things of it: %q and %q", fault, r.outcome, outcome)
		default:
			r.group, r.outcome = first, outcome
			if !slices.Contains(r.tests, test) {
				r.tests = append(r.tests, test)
			}
		}
	}
	return rows, lines.Err()
}

// table is the rows in Markdown, by group and fault.
func table(rows []*row) (string, error) {
	place := func(r *row) int { return slices.Index(lab.Groups, r.group) }
	slices.SortFunc(rows, func(a, b *row) int {
		if c := place(a) - place(b); c != 0 {
			return c
		}
		return strings.Compare(a.fault, b.fault)
	})
	var b strings.Builder
	b.WriteString("| | fault or attack | what happened | test | knockd | fwknopd |\n|---|---|---|---|---|---|\n")
	last := ""
	for _, r := range rows {
		if r.group == "" {
			return "", fmt.Errorf("fault %q: was tried on another program and not on ours", r.fault)
		}
		group := r.group
		if group == last {
			group = ""
		}
		last = r.group
		slices.Sort(r.tests)
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", group, r.fault, r.outcome, strings.Join(r.tests, ", "), r.peers["knockd"], r.peers["fwknopd"])
	}
	fmt.Fprintf(&b, "\n%d faults and attacks.\n", len(rows))
	return b.String(), nil
}
