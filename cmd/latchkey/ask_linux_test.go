// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/lab"
)

// newTerminal returns the two ends of a pseudo-terminal: the program's, and the person's.
func newTerminal(t *testing.T) (program, person *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { person.Close() })
	number, err := unix.IoctlGetInt(int(person.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(int(person.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { program.Close() })
	return program, person
}

// paste runs latchkey add at a terminal where a person answers its question with keys. It returns the
// exit code, what was printed, and what the terminal itself shows.
func paste(t *testing.T, keys string) (code int, out, said, shown string) {
	t.Helper()
	program, person := newTerminal(t)
	var screen, o bytes.Buffer
	var watching sync.WaitGroup
	watching.Go(func() { _, _ = io.Copy(&screen, person) })

	asks, says := io.Pipe()
	ended := make(chan int)
	go func() {
		ended <- latchkey([]string{"add"}, env{program, &o, says, &o})
	}()
	asked := make([]byte, 4096)
	n, err := asks.Read(asked)
	if err != nil || !strings.HasSuffix(string(asked[:n]), "press Enter: ") {
		t.Fatalf("asked %q, %v", asked[:n], err)
	}
	var rest bytes.Buffer
	watching.Go(func() { _, _ = io.Copy(&rest, asks) })
	lab.Wait(t, "the terminal shows nothing", func() bool { return !echoes(t, program) })
	if _, err := io.WriteString(person, keys); err != nil {
		t.Fatal(err)
	}
	code = <-ended
	if !echoes(t, program) {
		t.Error("the terminal is left without echo")
	}
	says.Close()
	program.Close()
	person.Close()
	watching.Wait()
	return code, o.String(), rest.String(), screen.String()
}

// echoes reports whether a terminal shows what is typed.
func echoes(t *testing.T, terminal *os.File) bool {
	t.Helper()
	state, err := unix.IoctlGetTermios(int(terminal.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return state.Lflag&unix.ECHO != 0
}

// A pasted link is not shown, and may be longer than the lines that a terminal puts together (4095 bytes).
func TestAddDoesNotShowWhatIsPasted(t *testing.T) {
	ownHome(t)
	link := laptopLink + "&z=" + strings.Repeat("x", 4096-len(laptopLink)-len("&z="))
	code, out, said, shown := paste(t, link+"\r")
	if code != exitOK || out != "added home with door nas\n" {
		t.Errorf("returned %d, printed %q and %q", code, out, said)
	}
	if strings.Contains(shown+said, "3q2") || strings.Contains(shown+said, "xxx") {
		t.Errorf("the terminal shows %q and %q", shown, said)
	}
}

func TestAddEndsWithControlC(t *testing.T) {
	ownHome(t)
	code, out, said, _ := paste(t, laptopLink[:40]+"\x03")
	if code != exitError || out != "" || !strings.Contains(said, "error: standard input: nothing was added") {
		t.Errorf("returned %d, printed %q and %q", code, out, said)
	}
}
