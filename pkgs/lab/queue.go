// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Tests among the hosts wait more than they work, and none can share its hosts. So the tests of a package are run in
// several labs at once: each is a process that is given the name of the next test when it has ended one.

// lastWord is the variable with the word by which such a process says that a test ended.
const lastWord = "LATCHKEY_LAB_LAST_WORD"

// labs returns how many labs run at once: as many as the variable LATCHKEY_LABS says, else by the number of processors.
func labs() int {
	if n, err := strconv.Atoi(os.Getenv("LATCHKEY_LABS")); err == nil && n > 0 {
		return n
	}
	return min(6, runtime.NumCPU())
}

// anyProcess are the flags with which tests may be run in several processes.
var anyProcess = []string{"test.v", "test.run", "test.short", "test.count", "test.parallel", "test.timeout", "test.paniconexit0", "test.testlogfile"}

// queued returns the tests that are to be run in several labs; none if all are to be run in one.
func queued(program string) ([]string, error) {
	flag.Parse()
	several := labs() > 1
	flag.Visit(func(f *flag.Flag) {
		several = several && slices.Contains(anyProcess, f.Name)
	})
	pattern := flag.Lookup("test.run").Value.String()
	if !several || strings.Contains(pattern, "/") {
		return nil, nil
	}
	if pattern == "" {
		pattern = "."
	}
	list := exec.Command(program, "-test.list", pattern)
	list.Env = append(os.Environ(), variable+"=only lists")
	out, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("list the tests: %w", err)
	}
	var names []string
	for name := range strings.Lines(string(out)) {
		if !strings.HasPrefix(name, "Benchmark") {
			names = append(names, strings.TrimSpace(name))
		}
	}
	if len(names) < 2 {
		return nil, nil
	}
	return names, nil
}

// queue is what the labs share.
type queue struct {
	names chan string
	word  string    // the last one
	end   time.Time // when go test's -timeout is over; zero = never

	mu   sync.Mutex // of what is printed, and of the rest
	code int        // the worst exit code so far
	lost []string   // names of tests that a lab was given and that did not begin
}

// runQueue runs the tests in several labs and returns the exit code.
func runQueue(program string, names []string) int {
	q := &queue{names: make(chan string, len(names)), word: rand.Text()}
	if limit := flag.Lookup("test.timeout").Value.(flag.Getter).Get().(time.Duration); limit > 0 {
		q.end = time.Now().Add(limit)
	}
	for _, name := range names {
		q.names <- name
	}
	close(q.names)
	var all sync.WaitGroup
	for range min(labs(), len(names)) {
		all.Go(func() {
			if err := q.serve(program); err != nil {
				q.ended(fmt.Appendf(nil, "lab: %v\n", err), 1)
			}
		})
	}
	all.Wait()
	for name := range q.names { // no lab is left
		q.lost = append(q.lost, name)
	}
	if len(q.lost) > 0 {
		// Who runs failed tests once more must not take it for success that these do not fail: gotestsum stops at a panic.
		q.ended(fmt.Appendf(nil, "panic: lab: %d tests were not run: %s\n", len(q.lost), strings.Join(q.lost, " ")), 1)
	}
	said := "PASS"
	if q.code != 0 {
		said = "FAIL"
	}
	fmt.Println(chatty() + said)
	return q.code
}

// chatty is what the lines of package testing begin with where a program reads them.
func chatty() string {
	if flag.Lookup("test.v").Value.String() == "test2json" {
		return "\x16"
	}
	return ""
}

// serve has one lab run tests as long as there are any, and no process of a lab has ended too early.
func (q *queue) serve(program string) error {
	tests, names, err := os.Pipe()
	if err != nil {
		return err
	}
	defer names.Close()
	said, out, err := os.Pipe()
	if err != nil {
		tests.Close()
		return err
	}
	defer said.Close()
	cmd := enter(program, slices.DeleteFunc(slices.Clone(os.Args[1:]), func(arg string) bool {
		return strings.HasPrefix(arg, "-test.testlogfile") // each would overwrite it
	}))
	cmd.Env = append(cmd.Env, lastWord+"="+q.word)
	cmd.ExtraFiles = []*os.File{tests}
	cmd.Stdout, cmd.Stderr = out, out
	runtime.LockOSThread() // see enter
	defer runtime.UnlockOSThread()
	err = cmd.Start()
	tests.Close()
	out.Close()
	if err != nil {
		return err
	}
	lines := bufio.NewReader(said)
	for name := range q.names {
		_, err := fmt.Fprintln(names, name, q.left())
		var text []byte
		code := 1
		if err == nil {
			text, code, err = q.read(lines)
		}
		q.ended(text, code)
		if err != nil { // the lab has ended
			if len(text) == 0 {
				q.lose(name)
			}
			break
		}
	}
	names.Close()
	rest, err := io.ReadAll(lines)
	if err != nil {
		return err
	}
	if err := cmd.Wait(); cmd.ProcessState == nil {
		return err
	}
	code := cmd.ProcessState.ExitCode()
	if code < 0 { // a signal
		code = 1
	}
	q.ended(rest, code)
	return nil
}

// left is how long the tests may still take, 0 = for ever.
func (q *queue) left() time.Duration {
	if q.end.IsZero() {
		return 0
	}
	return max(time.Until(q.end), time.Millisecond)
}

// lose notes a test that did not begin.
func (q *queue) lose(name string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.lost = append(q.lost, name)
}

// read returns what a test printed, and its exit code. The error is that the process ended first.
func (q *queue) read(lines *bufio.Reader) (text []byte, code int, err error) {
	for {
		line, err := lines.ReadBytes('\n')
		before, after, last := bytes.Cut(line, []byte(q.word))
		text = append(text, before...)
		if last {
			code, err := strconv.Atoi(string(bytes.TrimSpace(after)))
			if err != nil {
				code = 1
			}
			return text, code, err
		}
		if err != nil {
			return text, 1, err
		}
	}
}

// ended prints what a test said but for the verdict, which is that of all in the end.
func (q *queue) ended(text []byte, code int) {
	for _, verdict := range []string{"PASS\n", "FAIL\n"} {
		if rest, ok := bytes.CutSuffix(text, []byte(chatty()+verdict)); ok && (len(rest) == 0 || rest[len(rest)-1] == '\n') {
			text = rest
		}
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	os.Stdout.Write(text)
	q.code = max(q.code, code)
}

// work is the other side of serve, in a lab: it runs the tests whose names it reads, one after the other, each with
// what is left of the time for all.
func work(m *testing.M, word string) int {
	os.Unsetenv(lastWord) // nobody who is started by a test has a queue
	const tests = 3       // the first of exec.Cmd's ExtraFiles
	syscall.CloseOnExec(tests)
	flag.Parse()
	names := bufio.NewScanner(os.NewFile(tests, "names of tests"))
	for names.Scan() {
		name, left, _ := strings.Cut(names.Text(), " ")
		if err := errors.Join(flag.Set("test.run", "^"+name+"$"), flag.Set("test.timeout", left)); err != nil {
			fmt.Fprintf(os.Stderr, "lab: %v\n", err)
			return 1
		}
		fmt.Printf("%s %d\n", word, m.Run())
	}
	return 0
}
