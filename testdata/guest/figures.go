// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// figures measures how long latchkeyd takes from its start to its first answer, and what it leaves of
// the memory. The times are the guest's: each instruction of its processor takes 2 ns.
func figures() {
	for _, dir := range []string{"/etc/latchkey", "/run/latchkey"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			fmt.Printf("%s0 %v\n", fails, err)
			return
		}
	}
	t := &tests{started: uptime()}
	t.that("latchkeyd has its configuration", os.WriteFile("/etc/latchkey.uci", []byte(configuration), 0o600))
	for _, start := range []string{"first", "second"} {
		began := uptime()
		daemon, err := startDaemon()
		if !t.that("latchkeyd starts", err) {
			return
		}
		answers := t.that("latchkeyd answers", within(time.Minute, 10*time.Millisecond, func() error { _, err := ask(); return err }))
		took := uptime() - began
		if answers {
			fmt.Printf("%s%s after its %s start latchkeyd answers, with %s resident, and %s of %s of memory are free\n", figure, took, start,
				read(fmt.Sprintf("/proc/%d/status", daemon.cmd.Process.Pid), "VmRSS:"), read("/proc/meminfo", "MemAvailable:"), read("/proc/meminfo", "MemTotal:"))
		}
		daemon.end()
	}
}

// read returns what a file of /proc says of something.
func read(file, what string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, what); ok {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}
