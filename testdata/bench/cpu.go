// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/lab"
)

// cpus says who has which CPU. On veth, what the kernel does with a packet is done by its sender.
type cpus struct {
	all            []int
	sender, daemon int
	precedence     bool // over everything else on the machine
}

// precede gives this process SCHED_RR (sched(7)), where that is allowed: outside of the lab, which has no
// rights over the machine. Programs that this one starts have it, too. All have the same priority, and take
// turns: the Go runtime waits for its own threads by trying again, and with SCHED_FIFO that may be for ever.
func precede() {
	runtime.LockOSThread() // this thread is the one that becomes the next program
	attr := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_RR, Priority: 10}
	_ = unix.SchedSetAttr(0, &attr, 0) // divide reports whether it was allowed
}

// divide gives this process the first CPU that it may use, and the daemons the last.
func divide() cpus {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return cpus{all: []int{0}}
	}
	var c cpus
	for i := range len(set) * 64 {
		if set.IsSet(i) {
			c.all = append(c.all, i)
		}
	}
	c.sender, c.daemon = c.all[0], c.all[len(c.all)-1]
	if attr, err := unix.SchedGetAttr(0, 0); err == nil {
		c.precedence = attr.Policy == unix.SCHED_RR
	}
	var first unix.CPUSet
	first.Set(c.sender)
	tasks, _ := filepath.Glob("/proc/self/task/*")
	for _, t := range tasks { // threads to come have it from these
		id, _ := strconv.Atoi(filepath.Base(t))
		_ = unix.SchedSetaffinity(id, &first) // one that ended
	}
	debug.SetGCPercent(-1) // see collect
	runtime.GOMAXPROCS(4)  // who sleeps in a system call need not wait for another's turn
	return c
}

// onDaemonCPU returns a command on the router that has the daemons' CPU.
func (r *rig) onDaemonCPU(program string, args ...string) *exec.Cmd {
	return lab.On("router", "taskset", append([]string{"-c", strconv.Itoa(r.cpus.daemon), program}, args...)...)
}

// anywhere returns a command that has all CPUs, and no precedence.
func (r *rig) anywhere(program string, args ...string) *exec.Cmd {
	var all []string
	for _, n := range r.cpus.all {
		all = append(all, strconv.Itoa(n))
	}
	cmd := exec.Command("taskset", append([]string{"-c", strings.Join(all, ","), "chrt", "-o", "0", program}, args...)...)
	cmd.Env = os.Environ()
	return cmd
}

// collect frees memory, which happens by itself at no other time: not while something is measured.
func collect() { runtime.GC() }
