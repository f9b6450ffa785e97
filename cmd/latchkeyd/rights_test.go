// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestControlSocketIsForItsOwnersOnly(t *testing.T) {
	d := start(t, home)
	info, err := os.Stat(d.socket)
	if err != nil || info.Mode() != os.ModeSocket|0o660 {
		t.Errorf("mode %v, %v, want 0660", info.Mode(), err)
	}
}

// sockets returns the numbers of the sockets that a process has, as /proc/net lists them.
func sockets(t *testing.T, pid int) (list []string) {
	t.Helper()
	fds, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	if err != nil || len(fds) == 0 {
		t.Fatalf("%d open files, %v", len(fds), err)
	}
	for _, fd := range fds {
		if to, err := os.Readlink(fd); err == nil {
			if number, ok := strings.CutPrefix(to, "socket:["); ok {
				list = append(list, strings.TrimSuffix(number, "]"))
			}
		}
	}
	return list
}

// What can be reached from a network is a socket of the protocols that these files list.
func TestDaemonHasNoNetworkSocketAndNoChild(t *testing.T) {
	d := start(t, home)
	d.knock("phone", router, toNAS...)
	d.settle()
	// The process is one that ip netns exec began, or it is that itself.
	pid := d.cmd.Process.Pid
	own := sockets(t, pid)
	if len(own) == 0 {
		t.Fatal("no socket at all, not even the one for control")
	}
	unix := 0
	for _, kind := range []string{"tcp", "tcp6", "udp", "udp6", "udplite", "udplite6", "raw", "raw6", "icmp", "icmp6", "unix"} {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", pid, kind))
		if err != nil {
			continue // a protocol that this kernel does not have
		}
		for line := range bytes.Lines(text) {
			for _, word := range strings.Fields(string(line)) {
				if !slices.Contains(own, word) {
					continue
				}
				if kind == "unix" {
					unix++
					continue
				}
				t.Errorf("it has a socket of %s: %s", kind, line)
			}
		}
	}
	if unix == 0 {
		t.Error("its control socket is not in the list: the test looks at the wrong process")
	}
	// Each thread has children of its own.
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil || len(threads) == 0 {
		t.Skip("SKIP: this kernel does not list the children of threads (CONFIG_PROC_CHILDREN)")
	}
	for _, thread := range threads {
		if children, err := os.ReadFile(thread); err == nil && len(children) > 0 {
			t.Errorf("%s: %s", thread, children)
		}
	}
}
