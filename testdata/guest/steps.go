// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// programs is where the guest has latchkeyd, latchkey and the test programs.
const programs = "/usr/local/bin"

// enterDisk makes the guest's disk its root, and of the bare kernel what programs expect.
func enterDisk() error {
	var err error
	for range 100 { // the driver finds it when it does
		if err = unix.Mount("/dev/vda", "/root", "ext4", 0, ""); !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ENXIO) {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if err != nil {
		return fmt.Errorf("disk: %w", err)
	}
	if err := errors.Join(os.Chdir("/root"), unix.Mount("/dev", "dev", "", unix.MS_MOVE, ""), unix.Mount(".", "/", "", unix.MS_MOVE, ""),
		unix.Chroot("."), os.Chdir("/")); err != nil {
		return fmt.Errorf("enter the disk: %w", err)
	}
	return errors.Join(
		unix.Mount("proc", "/proc", "proc", 0, ""),
		loadTUN(),
		unix.Mount("sys", "/sys", "sysfs", 0, ""),
		unix.Mount("run", "/run", "tmpfs", 0, ""),
		os.Mkdir("/dev/pts", 0o755),
		unix.Mount("pts", "/dev/pts", "devpts", 0, "ptmxmode=0666"),
		os.Mkdir("/dev/shm", 0o1777),
		unix.Mount("shm", "/dev/shm", "tmpfs", 0, ""),
		os.Symlink("/proc/self/fd", "/dev/fd"),
		os.Chmod("/tmp", 0o1777),
		os.Setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
		os.Setenv("HOME", "/root"),
		os.Setenv("LATCHKEY_PROGRAMS", programs),
		setLibraries(),
		command("ip", "link", "set", "lo", "up"),
	)
}

// loadTUN makes /dev/net/tun, which elsewhere udev does. A kernel without modules has it, or has not.
func loadTUN() error {
	if _, err := exec.LookPath("/usr/sbin/modprobe"); err != nil {
		return nil
	}
	return command("/usr/sbin/modprobe", "tun")
}

// setLibraries says where nmap finds libraries that Debian's packages link to when they are installed.
func setLibraries() error {
	var folders []string
	for _, name := range []string{"libblas.so.3", "liblapack.so.3"} {
		files, err := filepath.Glob("/usr/lib/*/*/" + name)
		if err != nil {
			return err
		}
		for _, f := range files {
			folders = append(folders, filepath.Dir(f))
		}
	}
	return os.Setenv("LD_LIBRARY_PATH", strings.Join(folders, ":"))
}

// do runs a step, and tells how it ended.
func (s step) do(tree string) {
	mark := ""
	if s.Mutant {
		mark = mutantMark
	}
	fmt.Println(begins + s.Name + mark)
	former, err := setAll(s.Sysctl)
	exit := ""
	switch _, missing := exec.LookPath(s.Needs); {
	case s.Needs != "" && missing != nil:
		fmt.Println(skips + "this guest has no " + s.Needs)
	case err != nil:
		exit = err.Error()
	case s.Package == "":
		figures()
	default:
		left, err := s.leaveOut()
		if err != nil {
			exit = err.Error()
			break
		}
		cmd := exec.Command(filepath.Join(programs, s.program()), "-test.v", "-test.short", "-test.timeout=0", "-test.run="+s.Run, "-test.skip="+left)
		cmd.Dir = filepath.Join(tree, s.Package)
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stdout
		if err := cmd.Run(); err != nil {
			exit = err.Error()
		}
	}
	if _, err := setAll(former); err != nil {
		exit = strings.TrimSpace(exit + " " + err.Error())
	}
	fmt.Println(done + exit)
}

// leaveOut says which tests of a whole package shall not run here, for go test -skip, and tells of each why.
func (s step) leaveOut() (tests string, err error) {
	if s.Run != "" {
		return "", nil
	}
	var patterns []string
	for _, e := range elsewhere {
		list := exec.Command(filepath.Join(programs, s.program()), "-test.list="+e.tests)
		list.Env = append(os.Environ(), "LATCHKEY_LAB=not for a list")
		out, err := list.Output()
		if err != nil {
			return "", fmt.Errorf("%s: %w", list, err)
		}
		for range strings.Lines(string(out)) {
			fmt.Println(leaves + "not in a guest, since " + e.why)
		}
		patterns = append(patterns, e.tests)
	}
	return strings.Join(patterns, "|"), nil
}

// setAll sets kernel parameters such as net.core.bpf_jit_enable=0, and returns what they were.
func setAll(settings []string) (former []string, err error) {
	for _, setting := range settings {
		name, value, _ := strings.Cut(setting, "=")
		file := "/proc/sys/" + strings.ReplaceAll(name, ".", "/")
		was, err := os.ReadFile(file)
		if err != nil {
			fmt.Printf("%sthis kernel has no %s\n", figure, name)
			continue
		}
		if err := os.WriteFile(file, []byte(value), 0); err != nil {
			return former, err
		}
		former = append(former, name+"="+strings.TrimSpace(string(was)))
	}
	return former, nil
}
