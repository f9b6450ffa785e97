// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/latchkey/latchkey/pkgs/lab"
)

// floodTime is how long a flood lasts whose price is measured: as long as a candidate remembers the
// first step of a sequence, so that its memory of strangers grows as far as it will.
const floodTime = 5 * time.Second

// rates are those of the floods, in packets per second.
var rates = [...]float64{1000, 10_000}

// result is what was measured of one candidate.
type result struct {
	candidate
	skipped error // why it was not measured, or not further
	daemon  bool
	latency []time.Duration           // of the knocks that opened, sorted
	cpu     [len(rates)]time.Duration // per packet of the flood
	honest  int                       // knocks that opened during a flood
	idle    lab.Memory
	after   lab.Memory // after the floods
}

// measure runs a candidate from its start to its end.
func (r *rig) measure(c candidate) (res result) {
	res = result{candidate: c}
	for _, p := range strings.Fields(c.programs) {
		if _, err := exec.LookPath(p); err != nil {
			res.skipped = fmt.Errorf("%s is not installed (hint: apt-get install --no-install-recommends %s)", p, c.packages)
			progress("  skipped: " + res.skipped.Error())
			return res
		}
	}
	if res.skipped = r.trial(&res); res.skipped != nil {
		progress("  given up: " + res.skipped.Error())
	}
	return res
}

// warmUps is how many knocks a daemon may miss while it starts.
const warmUps = 10

func (r *rig) trial(res *result) (err error) {
	next, err := res.knocks(r, 2*r.n+warmUps)
	if err != nil {
		return err
	}
	cmd, err := res.start(r)
	if err != nil {
		return err
	}
	pid := 0
	if cmd != nil {
		log, err := os.Create(filepath.Join(r.dir, "log"))
		if err != nil {
			return err
		}
		defer log.Close()
		cmd.Stdout, cmd.Stderr = log, log
		if err := cmd.Start(); err != nil {
			return err
		}
		defer lab.Stop(cmd)
		pid, res.daemon = cmd.Process.Pid, true
	}
	press := func(p *phone, probe time.Duration) (time.Duration, bool, error) {
		from := r.sender()
		return p.knock(next(from), from, probe)
	}
	if err := r.onPhone(func(p *phone) error { return warmUp(p, press) }); err != nil {
		return errors.Join(err, r.logEnd())
	}
	res.idle = lab.MemoryOf(pid)
	err = r.onPhone(func(p *phone) error {
		for range r.n {
			took, ok, err := press(p, res.probe)
			if err != nil {
				return err
			}
			if ok {
				res.latency = append(res.latency, took)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	slices.Sort(res.latency)
	progress(fmt.Sprintf("  %d of %d knocks opened, median %s", len(res.latency), r.n, show(quantile(res.latency, 0.5))))
	if res.kind != sequence { // now, because the disk's load changes
		disk, err := diskTimes(r.dir, r.n)
		if err != nil {
			return err
		}
		r.disk = append(r.disk, disk...)
	}
	if !res.daemon {
		return r.during(res, press)
	}
	for i, rate := range rates {
		if res.cpu[i], err = floodPrice(res.candidate, rate, pid); err != nil {
			return err
		}
	}
	res.after = lab.MemoryOf(pid)
	progress(fmt.Sprintf("  CPU per packet of a flood %s and %s", show(res.cpu[0]), show(res.cpu[1])))
	return r.during(res, press)
}

type presser func(p *phone, probe time.Duration) (took time.Duration, ok bool, err error)

// warmUp knocks until a knock opens.
func warmUp(p *phone, press presser) error {
	for range warmUps {
		if _, ok, err := press(p, time.Millisecond); ok || err != nil {
			return err
		}
	}
	return fmt.Errorf("none of %d knocks opened", warmUps)
}

// floodPrice returns the CPU time of a daemon for each packet of a flood that was sent.
func floodPrice(c candidate, rate float64, pid int) (time.Duration, error) {
	before := cpuTime(pid)
	ctx, over := context.WithTimeout(context.Background(), floodTime)
	defer over()
	sent, err := flood(ctx, c.flood, rate)
	if err != nil {
		return 0, err
	}
	return (cpuTime(pid) - before) / time.Duration(sent), nil
}

// during counts honest knocks that open while strangers flood.
func (r *rig) during(res *result, press presser) error {
	ctx, over := context.WithTimeout(context.Background(), time.Minute)
	ended := make(chan error)
	go func() {
		_, err := flood(ctx, res.flood, rates[len(rates)-1])
		ended <- err
	}()
	err := r.onPhone(func(p *phone) error {
		for range r.n {
			// Every millisecond: a faster probe would take the flood's CPU.
			_, ok, err := press(p, time.Millisecond)
			if err != nil {
				return err
			}
			if ok {
				res.honest++
			}
		}
		return nil
	})
	over()
	progress(fmt.Sprintf("  %d of %d knocks opened during a flood", res.honest, r.n))
	return errors.Join(err, <-ended)
}

// logEnd returns the last lines that the daemon wrote, as an error.
func (r *rig) logEnd() error {
	b, err := os.ReadFile(filepath.Join(r.dir, "log"))
	if err != nil || len(b) == 0 {
		return err
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return fmt.Errorf("its log ends: %s", strings.Join(lines[max(0, len(lines)-5):], " | "))
}

// cpuTime returns how long all threads of a process were on a CPU: the first figure of
// /proc/PID/task/TID/schedstat (Documentation/scheduler/sched-stats.rst), in nanoseconds.
func cpuTime(pid int) (sum time.Duration) {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	for _, f := range files {
		b, _ := os.ReadFile(f)
		if fields := strings.Fields(string(b)); len(fields) == 3 {
			ns, _ := strconv.ParseInt(fields[0], 10, 64)
			sum += time.Duration(ns)
		}
	}
	return sum
}

// diskTimes measures what latchkeyd does before it opens a door for a message, so that the message
// cannot be used again after a power cut: it replaces a small file durably. There are pauses as
// between knocks, because a disk that is kept busy is faster.
func diskTimes(dir string, n int) (list []time.Duration, err error) {
	path := filepath.Join(dir, "disk")
	for range n {
		time.Sleep(rand.N(200 * time.Millisecond))
		begin := time.Now()
		if err := replace(path, make([]byte, 100)); err != nil {
			return nil, err
		}
		list = append(list, time.Since(begin))
	}
	return list, nil
}

// replace is as rename(2) and fsync(2) want it: file, name, folder.
func replace(path string, text []byte) error {
	f, err := os.Create(path + ".new")
	if err != nil {
		return err
	}
	defer f.Close()
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer folder.Close()
	if _, err := f.Write(text); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return folder.Sync()
}

// quantile of sorted times, 0 if there are none: the smallest that a share q of them does not exceed.
func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	i := int(q*float64(len(sorted))+0.999999) - 1
	return sorted[max(0, min(i, len(sorted)-1))]
}
