// SPDX-License-Identifier: Apache-2.0

package config

import (
	"slices"
	"strconv"
	"strings"

	"github.com/latchkey/latchkey/pkgs/knock"
	"github.com/latchkey/latchkey/pkgs/wire"
)

// conceal gives an Outline to every problem whose words could reveal a secret. It does not trust
// whoever worded them: it goes by the place, and by the numbers that stand in the reason.
func (r *reader) conceal() {
	secret := r.secretNumbers()
	for i := range r.problems {
		p := &r.problems[i]
		kind, _, _ := strings.Cut(strings.TrimPrefix(p.Section, "@"), "[")
		holdsSecrets := kind == "client" || kind == "sequence"
		switch {
		case p.Outline != "":
		case kind == "sequence" && (p.Option == "step" || p.Option == "once"),
			slices.ContainsFunc(numbers(p.Reason), func(n uint16) bool { return secret[n] }):
			p.Outline = "is refused, latchkeyd check says why"
			if p.Warning {
				p.Outline = "is doubtful, latchkeyd check says why"
			}
			if p.Option != "" {
				p.Outline = "option '" + printable(p.Option) + "' " + p.Outline
			}
		case holdsSecrets && p.Value != "":
			// A key or a step may have been written into the wrong option.
			p.Outline = "option '" + printable(p.Option) + "' specifies an invalid value: " + p.Reason
		}
	}
}

// secretNumbers returns the ports and sizes of all steps, and the ports beside them: "beside port
// 7001" tells of 7000 or 7002. Bounded by the number of ports.
func (r *reader) secretNumbers() map[uint16]bool {
	secret := map[uint16]bool{}
	for i := range r.sequences {
		lists := [][]knock.Step{r.sequences[i].v.Steps}
		for _, text := range r.sequences[i].v.Once {
			lists = append(lists, parseSteps(text))
		}
		for _, s := range slices.Concat(lists...) {
			if s.Proto == wire.ICMP {
				secret[s.Size] = true
				continue
			}
			for _, n := range [...]uint16{s.Port - 1, s.Port, s.Port + 1} {
				secret[n] = true
			}
		}
	}
	return secret
}

// numbers returns those that stand in a text as words, as far as they can be ports.
func numbers(text string) []uint16 {
	var list []uint16
	for word := range strings.FieldsFuncSeq(text, func(c rune) bool { return !isNameRune(c) }) {
		if n, err := strconv.ParseUint(word, 10, 16); err == nil {
			list = append(list, uint16(n))
		}
	}
	return list
}
