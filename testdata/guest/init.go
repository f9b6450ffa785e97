// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/control"
)

// How lines of the guest begin that count, and its last one.
const (
	passes     = "ok "
	fails      = "not ok "
	skips      = "skipped: "
	leaves     = "left out: "
	figure     = "figure: "
	begins     = "=> begins: "
	mutantMark = " (a mutant)"
	done       = "=> ended: "
	ends       = "=> end of the guest"
)

// inGuest is the first process of the guest: it does what the plan says and switches the guest off.
func inGuest() {
	if err := live(); err != nil {
		fmt.Printf("%s0 the guest is set up: %v\n", fails, err)
	}
	fmt.Println(ends)
	unix.Sync()
	if err := unix.Reboot(unix.LINUX_REBOOT_CMD_RESTART); err != nil { // with -no-reboot QEMU ends
		fmt.Println("switch off:", err)
	}
	select {}
}

func live() error {
	var p plan
	text, err := os.ReadFile("/plan")
	if err == nil {
		err = json.Unmarshal(text, &p)
	}
	if err = errors.Join(err, unix.Mount("dev", "/dev", "devtmpfs", 0, ""), loadModules()); err != nil {
		return err
	}
	if p.Clock {
		if err := setUpClock(); err != nil {
			return err
		}
		testClock(&tests{started: uptime()})
		return nil
	}
	if err := enterDisk(); err != nil {
		return err
	}
	for _, s := range p.Steps {
		s.do(p.Tree)
	}
	return nil
}

// loadModules loads what build.go put there, in the order of its names.
func loadModules() error {
	files, err := filepath.Glob("/modules/*.ko")
	for _, name := range files {
		f, openErr := os.Open(name)
		if openErr != nil {
			return openErr
		}
		if loadErr := unix.FinitModule(int(f.Fd()), "", 0); loadErr != nil && !errors.Is(loadErr, unix.EEXIST) {
			err = errors.Join(err, fmt.Errorf("module %s: %w", name, loadErr))
		}
		f.Close()
	}
	return err
}

func command(name string, args ...string) error {
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return nil
}

// process is a program that runs until it is ended.
type process struct{ cmd *exec.Cmd }

func begin(name string, args ...string) (*process, error) {
	cmd := exec.Command(name, args...)
	cmd.Stderr = os.Stdout
	return &process{cmd}, cmd.Start()
}

// end kills it, as a crash would.
func (p *process) end() {
	p.cmd.Process.Kill()
	p.cmd.Wait()
}

func startDaemon() (*process, error) {
	return begin("latchkeyd", "run", "--config", "/etc/latchkey.uci")
}

// ask returns the daemon's status.
func ask() (s control.Status, err error) {
	c, err := control.Dial(control.Socket)
	if err != nil {
		return s, err
	}
	defer c.Close()
	return s, c.Call(control.Request{Method: "status"}, &s)
}

// tests prints what holds and what does not. Times are those since the guest's start.
type tests struct {
	started time.Duration
	count   int
}

// that reports whether something holds.
func (t *tests) that(what string, err error) bool {
	t.count++
	if err != nil {
		fmt.Printf("%s%d %s (at %s): %v\n", fails, t.count, what, uptime(), err)
		return false
	}
	fmt.Printf("%s%d %s (at %s)\n", passes, t.count, what, uptime())
	return true
}

// within asks until it holds, at most so long.
func within(long, every time.Duration, holds func() error) error {
	for deadline := uptime() + long; ; time.Sleep(every) {
		err := holds()
		if err == nil || uptime() > deadline {
			return err
		}
	}
}

// throughout asks again and again whether it holds for so long.
func throughout(long, every time.Duration, holds func() error) error {
	for until := uptime() + long; uptime() < until; time.Sleep(every) {
		if err := holds(); err != nil {
			return err
		}
	}
	return nil
}

// uptime is the time since the start by a clock that is neither set nor slewed.
func uptime() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC_RAW, &t); err != nil {
		panic(err)
	}
	return time.Duration(t.Nano()).Round(time.Millisecond)
}
