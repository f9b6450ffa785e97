// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/latchkey/latchkey/pkgs/lab"
)

// process is a daemon that runs; nil where the kernel does all.
type process struct {
	cmd   *exec.Cmd
	log   *os.File
	began time.Time
}

// begin starts a candidate for a household.
func (r *rig) begin(c *candidate, h *household) (*process, error) {
	cmd, err := c.start(r, h)
	if err != nil || cmd == nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(r.dir, "log"))
	if err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = log, log
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, log.Close())
	}
	return &process{cmd, log, began}, nil
}

func (p *process) stop() {
	if p != nil {
		_ = lab.Stop(p.cmd) // it is told to end, and peers call that an error
		p.log.Close()
	}
}

// logEnd returns the last lines that it wrote, as an error.
func (p *process) logEnd() error {
	if p == nil {
		return nil
	}
	b, err := os.ReadFile(p.log.Name())
	if err != nil || len(b) == 0 {
		return err
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return fmt.Errorf("its log ends: %s", strings.Join(lines[max(0, len(lines)-5):], " | "))
}

// usage is what a process used up to some time.
type usage struct {
	at    time.Time
	cpu   time.Duration
	wakes int
}

// usage sums up all threads: the first figure of /proc/PID/task/TID/schedstat, in nanoseconds
// (Documentation/scheduler/sched-stats.rst), and how often they slept until something woke them
// (proc_pid_status(5)).
func (p *process) usage() (u usage) {
	u.at = time.Now()
	if p == nil {
		return u
	}
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", p.cmd.Process.Pid))
	for _, t := range tasks { // one that has just ended has no files
		b, _ := os.ReadFile(filepath.Join(t, "schedstat"))
		if fields := strings.Fields(string(b)); len(fields) == 3 {
			ns, _ := strconv.ParseInt(fields[0], 10, 64)
			u.cpu += time.Duration(ns)
		}
		b, _ = os.ReadFile(filepath.Join(t, "status"))
		for line := range strings.Lines(string(b)) {
			var n int
			if _, err := fmt.Sscanf(line, "voluntary_ctxt_switches: %d", &n); err == nil {
				u.wakes += n
			}
		}
	}
	return u
}

// memory is zero for the kernel.
func (p *process) memory() lab.Memory {
	if p == nil {
		return lab.Memory{}
	}
	return lab.MemoryOf(p.cmd.Process.Pid)
}
