// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// silence is after how long without a line from the guest it is taken for dead. There is no limit on how
// long it may take: a slow machine is no failure.
const silence = 30 * time.Minute

// console is the file of all that a guest says in its lives.
func (g guest) console() string { return filepath.Join(g.folder(), "console.log") }

// watch runs a guest until it says that it is done, and counts its verdicts.
func (g guest) watch(emulator *exec.Cmd, total *tally) error {
	log, err := os.OpenFile(g.console(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	said, console, err := os.Pipe()
	if err != nil {
		return err
	}
	defer said.Close()
	emulator.Stdout, emulator.Stderr = console, console
	if err := errors.Join(emulator.Start(), console.Close()); err != nil {
		return err
	}
	dead := time.AfterFunc(silence, func() { emulator.Process.Kill() })
	ended, began := false, time.Now()
	lines := bufio.NewScanner(said)
	lines.Buffer(nil, 1<<20)
	for !ended && lines.Scan() {
		dead.Reset(silence)
		line := strings.TrimRight(lines.Text(), "\r")
		fmt.Fprintln(log, line)
		told := total.read(line)
		switch {
		case strings.HasPrefix(line, begins):
			began = time.Now()
		case strings.HasPrefix(line, done):
			told += ", in " + time.Since(began).Round(time.Second).String() // of this machine's time
		}
		if told != "" {
			g.say("%s", told)
		}
		ended = strings.HasSuffix(line, ends)
	}
	alive := dead.Stop()
	emulator.Process.Kill()
	waitErr := emulator.Wait()
	switch {
	case ended:
		return nil
	case !alive:
		return fmt.Errorf("the guest said nothing for %s", silence)
	}
	return fmt.Errorf("the guest did not come to its end (%v)\n%s", errors.Join(lines.Err(), waitErr), total.tail())
}
