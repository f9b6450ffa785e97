// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/latchkey/latchkey/pkgs/knock"
	"github.com/latchkey/latchkey/pkgs/send"
)

// stepsIn returns the steps among the arguments of a knock, nil if they name a door or nothing. One
// number alone is a door: a door's name may be one.
func stepsIn(words []string) []string {
	var steps []string
	signs, numbers := false, true
	for _, word := range words[1:] {
		signs = signs || strings.ContainsAny(word, "/:")
		for _, step := range splitSteps(word) {
			numbers = numbers && isNumber(step)
			steps = append(steps, step)
		}
	}
	if signs || numbers && len(steps) > 1 {
		return steps
	}
	return nil
}

func isNumber(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r < '0' || r > '9' })
}

// splitSteps takes a list with commas apart, as knockd.conf has it. The flags of a step have commas,
// too, but none of them begins like a step.
func splitSteps(word string) []string {
	var steps []string
	for piece := range strings.SplitSeq(word, ",") {
		begins := piece != "" && (isNumber(piece[:1]) || strings.HasPrefix(piece, "icmp:"))
		if last := len(steps) - 1; last >= 0 && !begins {
			steps[last] += "," + piece
		} else {
			steps = append(steps, piece)
		}
	}
	return steps
}

// parseStep reads a step as we write it, or as knockd does: 7000:tcp, 8000:udp, or 9000 for tcp.
func parseStep(text string) (knock.Step, error) {
	if port, rest, found := strings.Cut(text, ":"); found && isNumber(port) {
		text = port + "/" + strings.ToLower(rest)
	} else if isNumber(text) {
		text += "/tcp"
	}
	return knock.ParseStep(text)
}

// knockSequence sends a sequence and shows its progress.
func knockSequence(ctx context.Context, e env, host string, texts []string, family send.Family, gap time.Duration) error {
	const shortest, longest = 10 * time.Millisecond, 10 * time.Second
	if gap < shortest || gap > longest {
		return usageError{fmt.Errorf("--gap %s is not from %s to %s", gap, shortest, longest)}
	}
	var steps []knock.Step
	for _, text := range texts {
		s, err := parseStep(text)
		if err != nil {
			return usageError{err}
		}
		steps = append(steps, s)
	}
	if err := send.CheckSteps(steps); err != nil {
		return err
	}
	to, err := send.Resolve(ctx, host, nil, family)
	if err != nil {
		return err
	}
	fmt.Fprintf(e.out, "knocking at %s\n", at(host, to))
	results := send.Sequence(ctx, to, steps, gap, func(i int) {
		fmt.Fprintf(e.out, "  %d/%d  %s\n", i+1, len(steps), steps[i])
	})
	if err := conclude(e.out, results); err != nil {
		return err
	}
	fmt.Fprintln(e.out, sentOnly)
	return nil
}
