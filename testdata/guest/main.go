// SPDX-License-Identifier: Apache-2.0

// Command guest runs latchkeyd on an emulated router, where it may set the clock: with BusyBox's
// ntpd, Debian's kernel, and the package's own hotplug script.
//
// The same program is the test on this machine and the first process in the guest. The guest's time
// is not ours: QEMU counts instructions (-icount), and skips the time in which the guest sleeps. So
// hours pass in a minute, and no limit of the test is broken by a slow machine.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// folder is where parts.sh puts the kernel and BusyBox's ntpd.
const folder = "build/guest"

// silence is after how long without a line from the guest it is taken for dead.
const silence = 10 * time.Minute

func main() {
	if os.Getpid() == 1 {
		inGuest()
	}
	switch result, err := run(); {
	case errors.Is(err, errSkip):
		fmt.Println("SKIP:", err)
	case err != nil:
		fmt.Fprintln(os.Stderr, "guest: error:", err)
		os.Exit(1)
	default:
		fmt.Println(result)
	}
}

// errSkip says that what the test needs is not here.
var errSkip = errors.New("the guest cannot be made here")

// run boots a guest and returns its result.
func run() (result string, err error) {
	emulator, err := exec.LookPath("qemu-system-x86_64")
	if err != nil {
		return "", fmt.Errorf("%w: no qemu-system-x86_64 (Debian: qemu-system-x86)", errSkip)
	}
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		return "", fmt.Errorf("%w: no busybox (Debian: busybox-static)", errSkip)
	}
	kernel, ntpd := filepath.Join(folder, "vmlinuz"), filepath.Join(folder, "ntpd")
	for _, part := range []string{kernel, ntpd} {
		if _, err := os.Stat(part); err != nil {
			return "", fmt.Errorf("%w: testdata/guest/parts.sh did not make %s", errSkip, part)
		}
	}
	temp, err := os.MkdirTemp("", "latchkey-guest")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(temp)
	began := time.Now()
	initrd := filepath.Join(temp, "initrd")
	if err := makeRoot(filepath.Join(temp, "root"), initrd, busybox, ntpd); err != nil {
		return "", err
	}
	passed, failed, err := boot(exec.Command(emulator, "-M", "q35", "-m", "256", "-nodefaults", "-display", "none", "-no-reboot",
		"-icount", "shift=0,sleep=off", "-rtc", "base="+wakesUp+",clock=vm",
		"-kernel", kernel, "-initrd", initrd, "-append", "console=ttyS0 quiet panic=-1", "-serial", "stdio"))
	result = fmt.Sprintf("RESULT guest: %d passed, %d failed, in %s", passed, failed, time.Since(began).Round(time.Second))
	switch {
	case err != nil:
		return "", fmt.Errorf("%w\n%s", err, result)
	case failed > 0 || passed == 0:
		return "", errors.New(result)
	}
	return result, nil
}

// makeRoot makes the guest's first file system: this program, latchkeyd, BusyBox and what the
// package puts on a router.
func makeRoot(root, initrd, busybox, ntpd string) error {
	files := map[string]string{
		busybox:                               "bin/busybox",
		ntpd:                                  "bin/ntpd",
		"openwrt/latchkey/files/latchkey.ntp": "etc/hotplug.d/ntp/30-latchkey",
	}
	modules, err := filepath.Glob(filepath.Join(folder, "*.ko"))
	if err != nil {
		return err
	}
	for _, m := range modules {
		files[m] = "modules/" + filepath.Base(m)
	}
	for _, dir := range []string{"bin", "dev", "etc/hotplug.d/ntp", "etc/latchkey", "modules", "proc", "usr/bin", "usr/sbin", "var/run/latchkey"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			return err
		}
	}
	for from, to := range files {
		b, err := os.ReadFile(from)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(root, to), b, 0o755); err != nil {
			return err
		}
	}
	for program, source := range map[string]string{"init": "./testdata/guest", "usr/bin/latchkeyd": "./cmd/latchkeyd"} {
		build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", filepath.Join(root, program), source)
		build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("go build %s: %w\n%s", source, err, out)
		}
	}
	pack := exec.Command("sh", "-c", `cd "$1" && find . | "$2" cpio -o -H newc >"$3"`, "sh", root, busybox, initrd)
	if out, err := pack.CombinedOutput(); err != nil {
		return fmt.Errorf("cpio: %w\n%s", err, out)
	}
	return nil
}

// boot runs a guest to its end, shows what it says, and counts its verdicts.
func boot(guest *exec.Cmd) (passed, failed int, err error) {
	said, console, err := os.Pipe()
	if err != nil {
		return 0, 0, err
	}
	defer said.Close()
	guest.Stdout, guest.Stderr = console, console
	if err := errors.Join(guest.Start(), console.Close()); err != nil {
		return 0, 0, err
	}
	dead := time.AfterFunc(silence, func() { guest.Process.Kill() })
	ended := false
	lines := bufio.NewScanner(said)
	for lines.Scan() {
		dead.Reset(silence)
		line := strings.TrimSpace(lines.Text())
		fmt.Println("guest:", line)
		switch {
		case strings.HasPrefix(line, passes):
			passed++
		case strings.HasPrefix(line, fails):
			failed++
		case line == ends:
			ended = true
		}
	}
	if err := lines.Err(); err != nil && !errors.Is(err, io.EOF) {
		return passed, failed, err
	}
	if err := guest.Wait(); err != nil {
		return passed, failed, fmt.Errorf("guest: %w", err)
	}
	if !dead.Stop() || !ended {
		return passed, failed, errors.New("guest did not come to its end")
	}
	return passed, failed, nil
}
