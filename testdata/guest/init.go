// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/control"
)

// How lines of the guest begin that count, and its last one.
const (
	passes = "ok "
	fails  = "not ok "
	ends   = "end of the tests"
)

// inGuest is the first process of the guest: it runs the tests and switches the guest off.
func inGuest() {
	if err := setUp(); err != nil {
		fmt.Printf("%s0 the guest is set up: %v\n", fails, err)
	} else {
		testClock(&tests{started: uptime()})
	}
	fmt.Println(ends)
	unix.Sync()
	if err := unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF); err != nil {
		fmt.Println("power off:", err)
	}
	select {}
}

// setUp makes of the bare kernel what programs expect.
func setUp() error {
	err := errors.Join(
		unix.Mount("proc", "/proc", "proc", 0, ""),
		unix.Mount("dev", "/dev", "devtmpfs", 0, ""),
		os.Setenv("PATH", "/bin:/usr/bin:/usr/sbin"),
		command("busybox", "--install", "-s", "/bin"),
		command("ip", "link", "set", "lo", "up"),
		os.WriteFile("/usr/sbin/ntpd-hotplug", []byte(ntpdHotplug), 0o755),
		os.WriteFile("/etc/latchkey.uci", []byte(configuration), 0o600),
	)
	for _, module := range []string{"libcrc32c", "nfnetlink", "nf_tables"} { // in the order of their needs
		f, openErr := os.Open("/modules/" + module + ".ko")
		if openErr != nil {
			continue // newer kernels have some of them built in
		}
		err = errors.Join(err, unix.FinitModule(int(f.Fd()), "", 0), f.Close())
	}
	return err
}

// ntpdHotplug is what OpenWrt's script of that name and procd do with ntpd's word, and keeps a list.
const ntpdHotplug = `#!/bin/busybox sh
read -r uptime rest </proc/uptime
echo "$uptime $1 $stratum" >>/events
export ACTION="$1"
for script in /etc/hotplug.d/ntp/*; do ( . "$script" ); done
`

const configuration = `
config latchkey 'main'
	option enabled '1'
	list device 'lo'
	option stun_port '41641'

config door 'web'
	option port '8443'

config client 'phone'
	option key 'AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8='
	list door 'web'
`

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

// that tells whether something holds.
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
func within(long time.Duration, holds func() error) error {
	for deadline := uptime() + long; ; time.Sleep(time.Second) {
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
