// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"bufio"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// decide returns what the kernel does about a system call by the filter: the machine that runs it here
// is another implementation, which wants the words of struct seccomp_data as a network has them.
func decide(t *testing.T, arch, number uint32, arguments ...uint32) uint32 {
	t.Helper()
	vm, err := bpf.NewVM(filter(unknown, deadly))
	if err != nil {
		t.Fatal(err)
	}
	data := make([]byte, argumentAt+6*8)
	binary.BigEndian.PutUint32(data[numberAt:], number)
	binary.BigEndian.PutUint32(data[archAt:], arch)
	for i, a := range arguments {
		at := load(uint32(i)).(bpf.LoadAbsolute).Off
		binary.BigEndian.PutUint32(data[at:], a)
	}
	verdict, err := vm.Run(data)
	if err != nil {
		t.Fatal(err)
	}
	return uint32(verdict)
}

func TestFilter(t *testing.T) {
	if arch == 0 {
		t.Skip("SKIP: the system calls of this architecture are not known")
	}
	for name, tt := range map[string]struct {
		number    uint32
		arguments []uint32
		want      uint32
	}{
		"reads":                          {unix.SYS_READ, nil, allowed},
		"ends":                           {unix.SYS_EXIT_GROUP, nil, allowed},
		"begins a thread":                {unix.SYS_CLONE, []uint32{unix.CLONE_VM | unix.CLONE_THREAD, unix.CLONE_VM | unix.CLONE_THREAD}, allowed},
		"begins a process":               {unix.SYS_CLONE, []uint32{unix.CLONE_VM, unix.CLONE_VM}, refused},
		"asks a device's flags":          {unix.SYS_IOCTL, []uint32{3, unix.SIOCGIFFLAGS}, allowed},
		"sets a device's flags":          {unix.SYS_IOCTL, []uint32{3, unix.SIOCSIFFLAGS}, refused},
		"types into a terminal":          {unix.SYS_IOCTL, []uint32{0, unix.TIOCSTI}, refused},
		"signals a thread":               {unix.SYS_TGKILL, []uint32{uint32(os.Getpid())}, allowed},
		"signals another process":        {unix.SYS_TGKILL, []uint32{1}, refused},
		"makes memory readable":          {unix.SYS_MPROTECT, []uint32{0, 0, unix.PROT_READ}, allowed},
		"makes memory code":              {unix.SYS_MPROTECT, []uint32{0, 0, unix.PROT_READ | unix.PROT_EXEC}, refused},
		"runs a program":                 {unix.SYS_EXECVE, nil, deadly},
		"looks into a process":           {unix.SYS_PROCESS_VM_READV, nil, deadly},
		"connects":                       {unix.SYS_CONNECT, nil, unknown},
		"listens":                        {unix.SYS_LISTEN, nil, unknown},
		"makes a file another's":         {unix.SYS_FCHOWNAT, nil, unknown},
		"limits itself":                  {unix.SYS_SECCOMP, nil, unknown},
		"does what no kernel offers yet": {unix.SYS_READ + 3000, nil, unknown},
		"names memory":                   {unix.SYS_PRCTL, []uint32{unix.PR_SET_VMA}, allowed},
		"may be looked into again":       {unix.SYS_PRCTL, []uint32{unix.PR_SET_DUMPABLE}, refused},
	} {
		t.Run(name, func(t *testing.T) {
			if got := decide(t, arch, tt.number, tt.arguments...); got != tt.want {
				t.Errorf("%#x, want %#x", got, tt.want)
			}
		})
	}
	t.Run("on another architecture", func(t *testing.T) {
		if got := decide(t, arch^1, unix.SYS_READ); got != deadly {
			t.Errorf("%#x, want %#x", got, uint32(deadly))
		}
	})
}

func TestSockets(t *testing.T) {
	if !slices.ContainsFunc(checkedHere(), func(c call) bool { return c.number == unix.SYS_SOCKET }) {
		t.Skip("SKIP: Go makes sockets by socketcall here")
	}
	const flags = unix.SOCK_CLOEXEC | unix.SOCK_NONBLOCK
	for _, tt := range []struct {
		domain, kind, protocol uint32
		want                   uint32
	}{
		{unix.AF_PACKET, unix.SOCK_DGRAM | flags, 0, allowed},
		{unix.AF_PACKET, unix.SOCK_RAW, 0, refused},
		{unix.AF_UNIX, unix.SOCK_DGRAM | flags, 0, allowed},
		{unix.AF_UNIX, unix.SOCK_STREAM, 0, refused},
		{unix.AF_NETLINK, unix.SOCK_RAW | flags, unix.NETLINK_ROUTE, allowed},
		{unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_NETFILTER, allowed},
		{unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_XFRM, refused},
		{unix.AF_INET, unix.SOCK_STREAM, 0, refused},
		{unix.AF_INET, unix.SOCK_DGRAM, 0, refused},
		{unix.AF_INET6, unix.SOCK_DGRAM, 0, refused},
		{unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_RAW, refused},
		{unix.AF_ALG, unix.SOCK_SEQPACKET, 0, refused},
		{unix.AF_VSOCK, unix.SOCK_STREAM, 0, refused},
	} {
		if got := decide(t, arch, unix.SYS_SOCKET, tt.domain, tt.kind, tt.protocol); got != tt.want {
			t.Errorf("socket(%d, %d, %d): %#x, want %#x", tt.domain, tt.kind, tt.protocol, got, tt.want)
		}
	}
}

// TestRuntimeCallsAreOnTheList reads, of the Go that the tests run with, which system calls the assembly
// of its runtime knows, for each architecture that packages are built for: a new one has to be put on the
// list, or among those that the daemon never makes, with a reason.
func TestRuntimeCallsAreOnTheList(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("SKIP: there is no Go here whose source could be read")
	}
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(string(out[:len(out)-1]), "src", "runtime")
	here, err := filepath.Glob("list_*.go")
	if err != nil {
		t.Fatal(err)
	}
	common, seen := names(t, "list.go"), 0
	for _, file := range here {
		arch := strings.TrimSuffix(strings.TrimPrefix(file, "list_"), ".go")
		assembly := filepath.Join(folder, "sys_linux_"+arch+".s")
		if _, err := os.Stat(assembly); err != nil {
			continue // it is a part of another list, and sys_linux_mipsx.s is of mips and mipsle
		}
		seen++
		listed := append(names(t, file), common...)
		if arch == "386" || arch == "s390x" {
			listed = append(listed, "socketcall")
		}
		calls := used(t, assembly)
		if len(calls) < 20 {
			t.Errorf("%s: only %q were found", arch, calls)
		}
		for _, call := range calls {
			if _, never := before[call]; !never && !slices.Contains(listed, call) {
				t.Errorf("Go's runtime may make the system call %s on %s, which is not on the list", call, arch)
			}
		}
	}
	if seen < 7 {
		t.Errorf("only %d lists were compared", seen)
	}
}

// before are calls of the runtime that the daemon does not make once it runs, and why.
var before = map[string]string{
	"open":            "files of the kernel's that are read at the start",
	"access":          "Android's, at the start",
	"faccessat":       "Android's, at the start",
	"connect":         "Android's log",
	"socket":          "Android's log; see sockets",
	"socketcall":      "Android's log",
	"kill":            "a signal that a C program would have had",
	"tkill":           "the end by a signal, which is an end by exit_group without it",
	"setitimer":       "profiles of the CPU",
	"setittimer":      "as it is called on amd64",
	"timer_create":    "profiles of the CPU",
	"timer_delete":    "profiles of the CPU",
	"timer_settime":   "profiles of the CPU",
	"timer_settime64": "profiles of the CPU",
}

// used returns which calls an assembly file makes.
func used(t *testing.T, file string) []string {
	t.Helper()
	return find(t, file, regexp.MustCompile(`\$SYS_([a-z0-9_]+)`))
}

// names returns which calls a file of ours names, as the kernel calls them.
func names(t *testing.T, file string) []string {
	t.Helper()
	list := find(t, file, regexp.MustCompile(`unix\.SYS_([A-Z0-9_]+)`))
	for i, name := range list {
		list[i] = strings.ToLower(name)
	}
	return list
}

func find(t *testing.T, file string, what *regexp.Regexp) (list []string) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		for _, m := range what.FindAllStringSubmatch(lines.Text(), -1) {
			list = append(list, m[1])
		}
	}
	return list
}
