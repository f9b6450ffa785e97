// SPDX-License-Identifier: Apache-2.0

package pkgs_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestTroubleshootingKnowsEveryReason: who looks up the word of a refusal finds it, and no word that no
// router says.
func TestTroubleshootingKnowsEveryReason(t *testing.T) {
	source, _, _ := strings.Cut(read(t, "knock/knock.go"), "// Only of an Attempt")
	reasons := map[string]bool{}
	for _, m := range regexp.MustCompile(`Reason = "([a-z-]+)"`).FindAllStringSubmatch(source, -1) {
		reasons[m[1]] = m[1] != "ok"
	}
	if len(reasons) < 10 {
		t.Fatalf("only %d reasons were found in pkgs/knock", len(reasons))
	}
	text := read(t, "../TROUBLESHOOTING.md")
	_, table, _ := strings.Cut(text, "| reason |")
	table, _, _ = strings.Cut(table, "\n\n")
	told := map[string]bool{}
	for row := range strings.SplitSeq(table, "\n") {
		first, _, _ := strings.Cut(strings.TrimPrefix(row, "| "), " |")
		for _, m := range regexp.MustCompile("`([a-z-]+)`").FindAllStringSubmatch(first, -1) {
			told[m[1]] = true
		}
	}
	for reason, shown := range reasons {
		if shown && !told[reason] {
			t.Errorf("TROUBLESHOOTING.md does not explain reason %q", reason)
		}
	}
	for reason := range told {
		if !reasons[reason] {
			t.Errorf("TROUBLESHOOTING.md explains reason %q, which no knock is refused for", reason)
		}
	}
}

// TestTroubleshootingQuotesTheProgram: what it says that latchkeyd prints is in the program.
func TestTroubleshootingQuotesTheProgram(t *testing.T) {
	programs := read(t, "../cmd/latchkeyd/print.go") + read(t, "../cmd/latchkeyd/ask.go") + read(t, "control/client.go")
	_, table, _ := strings.Cut(read(t, "../TROUBLESHOOTING.md"), "| it says |")
	table, _, _ = strings.Cut(table, "\n\n")
	n := 0
	for row := range strings.SplitSeq(table, "\n") {
		first, _, _ := strings.Cut(strings.TrimPrefix(row, "| "), " |")
		for _, m := range regexp.MustCompile(`"([^"]+)"`).FindAllStringSubmatch(first, -1) {
			if n++; !strings.Contains(programs, m[1]) {
				t.Errorf("latchkeyd does not say %q", m[1])
			}
		}
	}
	if n < 5 {
		t.Errorf("only %d quotations were found", n)
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
