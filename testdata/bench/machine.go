// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// busy is the load average per CPU from which on figures are not to be believed.
const busy = 0.5

// machine is what figures were measured on.
type machine struct {
	Kernel     string     `json:"kernel"`
	Arch       string     `json:"arch"`
	Processor  string     `json:"processor"`
	CPUs       int        `json:"cpus"`
	Pinned     bool       `json:"pinned"`     // sender and daemon have a CPU each
	Precedence bool       `json:"precedence"` // and have it before everything else on the machine (SCHED_RR)
	Before     [3]float64 `json:"load_before"`
	After      [3]float64 `json:"load_after"`
}

func newMachine(c cpus) machine {
	m := machine{CPUs: len(c.all), Pinned: c.sender != c.daemon, Precedence: c.precedence, Before: load()}
	var u unix.Utsname
	if err := unix.Uname(&u); err == nil {
		m.Kernel, m.Arch = unix.ByteSliceToString(u.Release[:]), unix.ByteSliceToString(u.Machine[:])
	}
	m.Processor = processor()
	return m
}

// processor returns what /proc/cpuinfo calls it; processors of other kinds have other names for it, or none.
func processor() string {
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return ""
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if name, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// line says it in one, as far as figures depend on it.
func (m machine) line() string {
	return fmt.Sprintf("%d CPUs (%s), Linux %s %s, load average %.1f before and %.1f after", m.CPUs, m.Processor, m.Kernel, m.Arch, m.Before[0], m.After[0])
}

// warnings are why figures may be worse than they are.
func (m machine) warnings() (list []string) {
	if m.Before[0] > busy*float64(m.CPUs) {
		list = append(list, "the machine was busy with something else: differences below 2 x are noise, and more may be")
	}
	if !m.Pinned {
		list = append(list, "one CPU: sender and daemon took turns, so every latency is too long")
	}
	if !m.Precedence {
		list = append(list, "no SCHED_RR (it needs root): other programs disturbed sender and daemon")
	}
	return list
}

// load returns the three averages of proc_loadavg(5).
func load() (l [3]float64) {
	b, _ := os.ReadFile("/proc/loadavg")
	for i, s := range strings.Fields(string(b)) {
		if i < len(l) {
			l[i], _ = strconv.ParseFloat(s, 64)
		}
	}
	return l
}

// versions asks the candidates.
func versions() map[string]string {
	list := map[string]string{}
	for name, command := range map[string][]string{ours: {latchkeyd, "version"}, "knockd": {"knockd", "-V"}, "fwknopd": {"fwknopd", "-V"}} {
		if out, err := exec.Command(command[0], command[1:]...).Output(); err == nil {
			list[name], _, _ = strings.Cut(string(out), "\n")
		}
	}
	return list
}
