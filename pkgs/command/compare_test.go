// SPDX-License-Identifier: Apache-2.0

package command

import (
	"bufio"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
)

// shell is one that runs until the fuzzer ends, so that a question costs no start of a program.
type shell struct {
	in  io.Writer
	out *bufio.Reader
}

func startShell(f *testing.F, cmd *exec.Cmd) *shell {
	if _, err := exec.LookPath(cmd.Args[0]); err != nil {
		f.Skipf("SKIP: %s is not installed", cmd.Args[0])
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		f.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		f.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			f.Error(err)
		}
	})
	return &shell{in, bufio.NewReader(out)}
}

func (s *shell) write(t testing.TB, text string) {
	if _, err := io.WriteString(s.in, text); err != nil {
		t.Fatal(err)
	}
}

// read returns what the shell printed up to a NUL.
func (s *shell) read(t testing.TB) string {
	text, err := s.out.ReadString(0)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(text, "\x00")
}

// begin makes it print the words of each command that the function p gets. They go to a file of their own,
// because a command may write its output elsewhere.
const begin = `exec 9>&1 1>/dev/null 2>/dev/null; set -f; unset HOME
p() { printf '%s\0' "$@" "END" >&9; return $status; }
`

// newShell starts a dash, which Debian has as /bin/sh.
func newShell(f *testing.F) *shell {
	cmd := exec.Command("dash")
	cmd.Dir = f.TempDir()             // what is written goes here
	cmd.Env = []string{"PATH=/empty"} // nothing is run
	s := startShell(f, cmd)
	s.write(f, begin)
	s.run(f, "", "0") // it is ready
	return s
}

// run returns the words of the commands that a script runs if each of them ends with a status, in the order
// of the alphabet: commands in a pipe run at once.
func (s *shell) run(t testing.TB, script, status string) (commands []string) {
	s.write(t, "( status="+status+"; eval '"+strings.ReplaceAll(script, "'", `'\''`)+"'; wait ) </dev/null; printf 'DONE\\0' >&9\n")
	for command := []string{}; ; {
		switch word := s.read(t); word {
		case "DONE":
			slices.Sort(commands)
			return commands
		case "END":
			commands = append(commands, strings.Join(command, "\x00"))
			command = nil
		default:
			command = append(command, word)
		}
	}
}

// harmless makes a line of which no part is the name of a program, of a file that matters or of a command
// of the shell. The white space of knockd.conf is that of its own lines.
func harmless(line string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', c == '/', c == '.':
			return 'x' + c%3
		case '4' <= c && c <= '9':
			return '0' + c%4
		case c == 0, unicode.IsSpace(c) && c != '\n': // a shell knows blanks and tabs, what reads knockd.conf the others
			return ' '
		}
		return c
	}, line)
}

// probe makes a script in which each command tells its words; ok is false if split does not claim to
// understand the line.
func probe(line string) (script string, ok bool) {
	commands, odd := split(line)
	if odd != "" {
		return "", false
	}
	for _, c := range commands {
		before, after, found := strings.Cut(line, c.text)
		if !found || c.odd != "" || strings.ContainsAny(before, "<>#") { // the text may be found in a redirection or a comment in front of it
			return "", false
		}
		script += before
		if c.group != "" {
			inner, ok := probe(c.group)
			if !ok || strings.Contains(strings.ReplaceAll(c.group, "&&", ""), "&") { // nobody waits for what a group leaves running
				return "", false
			}
			script += "(" + inner + c.text[len(c.group)+1:]
		} else {
			script += "p " + c.text
		}
		line = after
	}
	return script + line, true
}

// expected returns which commands of a line run if each of them ends with a status, by what split says, and
// with what status the line ends.
func expected(line string, fails bool) (ran []string, failed bool) {
	commands, _ := split(line)
	for i := 0; i < len(commands); {
		end := i + 1 // of the pipe
		for end < len(commands) && commands[end].glue == "|" {
			end++
		}
		if glue := commands[i].glue; glue != "&&" && glue != "||" || failed == (glue == "||") {
			for _, c := range commands[i:end] {
				if failed = fails; c.group == "" {
					ran = append(ran, strings.Join(c.words, "\x00"))
					continue
				}
				inner, innerFailed := expected(c.group, fails)
				ran, failed = append(ran, inner...), innerFailed
			}
		}
		i = end
	}
	slices.Sort(ran)
	return ran, failed
}

// FuzzShell compares how split reads a line with what a real shell runs.
func FuzzShell(f *testing.F) {
	for _, line := range []string{
		`a "b c" 'd;e' f\ g ""`, "a && b || c; d & e | f", "(a; b) && c", "a >b 2>&1", "a # b\nc", "a\\\nb", "'a\\\nb' \"c\\\nd\"", "a &&\n b", `"$" '$x' \$y "\$z"`,
		"a; ; b", "; a", "a &&", "''>x a", `"1">x`, "12>x", "a >&x", "a >", "a ~ b~", "(a \\) b)", "a b(", `("\")" "x)")`, "a >>b", "a >>>b", "a >|b", "(a)>b c", "a;\n\n b;", "a &\n& b", "()", "a $'b'",
		"a\tb\vc", "(a || b) || (c && d)", "a | b && c", "a & b && c", "x=y a", "! a", "{ a", "a 2>&- b", "a >&2>b", "a>>&1", ">&1 a", "# a", "a#b", "''#a", "(# )\n a)", "a 'b", `a "\x\"\\"`, "a ;b\\",
	} {
		f.Add(line)
	}
	sh := newShell(f)
	f.Fuzz(func(t *testing.T, line string) {
		line = harmless(line)
		script, ok := probe(line)
		if !ok || strings.Contains(line, "&>") || len(line) > 300 {
			return // dash reads &> as two, others as one; what is long may be printed in pieces, with others between
		}
		for status, fails := range map[string]bool{"0": false, "1": true} {
			want, _ := expected(line, fails)
			if diff := cmp.Diff(want, sh.run(t, script, status)); diff != "" {
				t.Errorf("%q, as %q with status %s (-ours +the shell's):\n%s", line, script, status, diff)
			}
		}
	})
}
