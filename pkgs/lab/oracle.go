// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"testing"
)

// Oracle is another program that a test compares with: it answers each line of its input by one line,
// both JSON, after a line that says it is ready. It runs until its input ends, so a question costs no start of
// a program: the fuzzer gives an input ten seconds.
type Oracle struct {
	questions *json.Encoder
	answers   *bufio.Reader
}

// NewOracle starts a program, which ends with the test. Where there is none of this name it skips.
func NewOracle(t testing.TB, program string, args ...string) *Oracle {
	t.Helper()
	Need(t, program)
	cmd := exec.Command(program, args...)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("%s: %v", program, err)
		}
	})
	o := &Oracle{json.NewEncoder(in), bufio.NewReader(out)}
	if _, err := o.answers.ReadBytes('\n'); err != nil {
		t.Fatalf("%s does not begin: %v", program, err)
	}
	return o
}

// Ask sends a question and reads the answer into a pointer.
func (o *Oracle) Ask(t testing.TB, answer any, question ...any) {
	t.Helper()
	if err := o.questions.Encode(question); err != nil {
		t.Fatalf("%.200v: %v", question, err)
	}
	line, err := o.answers.ReadBytes('\n')
	if err != nil {
		t.Fatalf("no answer to %.200v: %v", question, err)
	}
	if err := json.Unmarshal(line, answer); err != nil {
		t.Fatalf("the answer to %.200v is %.200q: %v", question, line, err)
	}
}
