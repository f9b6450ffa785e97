// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"os"

	"golang.org/x/sys/unix"
)

// The lists say what the program still asks the kernel for while it runs, and why. What Go's runtime
// needs is from its source (runtime/sys_linux_*.s, os_linux*.go, internal/runtime/syscall/linux), the
// rest from what the daemon does; the tests run the daemon with a filter that is deadly to all others.
// What is not the same on all architectures is in the files list_*.go.

// plain are allowed whatever their arguments. Those of the way of a packet come first: the kernel goes
// through the list from its beginning.
var plain = []uint32{
	// packets, netlink, callers of the control socket, files: by descriptors that are open
	unix.SYS_READ, unix.SYS_RECVMMSG, unix.SYS_WRITE, unix.SYS_PREAD64, unix.SYS_RECVFROM,
	unix.SYS_SENDTO,

	// waiting, and the clock where it cannot be read without a call
	unix.SYS_PPOLL, unix.SYS_NANOSLEEP, unix.SYS_FUTEX, unix.SYS_EPOLL_PWAIT, unix.SYS_EPOLL_CTL, unix.SYS_CLOCK_NANOSLEEP,
	unix.SYS_SCHED_YIELD, unix.SYS_CLOCK_GETTIME, unix.SYS_GETTIMEOFDAY, unix.SYS_RESTART_SYSCALL,

	// devices that come and go, callers, the system log; bind is for packet sockets and netlink, as
	// no other kind of socket can be made that it could make reachable
	unix.SYS_ACCEPT4, unix.SYS_BIND, unix.SYS_GETSOCKNAME, unix.SYS_SETSOCKOPT, unix.SYS_GETSOCKOPT, unix.SYS_CLOSE, unix.SYS_FCNTL,

	// the configuration, NTP's word, the state, the events: Landlock says where
	unix.SYS_OPENAT, unix.SYS_FSTAT, unix.SYS_FSYNC, unix.SYS_LSEEK, unix.SYS_UNLINKAT, unix.SYS_RENAMEAT2,

	// whether the clock is right; setting it would need another right
	unix.SYS_ADJTIMEX,

	// the runtime's memory (it gives names to it by prctl, see checked), threads and signals, and its end
	unix.SYS_MUNMAP, unix.SYS_MADVISE, unix.SYS_BRK, unix.SYS_MINCORE,
	unix.SYS_RT_SIGACTION, unix.SYS_RT_SIGPROCMASK, unix.SYS_RT_SIGRETURN, unix.SYS_SIGALTSTACK,
	unix.SYS_GETPID, unix.SYS_GETTID, unix.SYS_UNAME, unix.SYS_EXIT, unix.SYS_EXIT_GROUP,
	unix.SYS_EPOLL_CREATE1, unix.SYS_EVENTFD2, unix.SYS_PIPE2,
	unix.SYS_SCHED_GETAFFINITY, // how many CPUs there are may change
	unix.SYS_GETRANDOM,

	// what a C library adds to a thread, where the program was linked with one
	unix.SYS_SET_ROBUST_LIST, unix.SYS_SET_TID_ADDRESS, unix.SYS_RSEQ, unix.SYS_MEMBARRIER,
}

// checked are allowed with some arguments.
func checked() []call {
	return []call{
		only(unix.SYS_TGKILL, 0, uint32(os.Getpid())), // the runtime's signals to its threads, to no other process
		// the number of a device, whether it is up, and when a packet came
		only(unix.SYS_IOCTL, 1, unix.SIOCGIFINDEX, unix.SIOCGIFFLAGS, unix.SIOCGSTAMPNS_OLD),
		only(unix.SYS_PRCTL, 0, unix.PR_SET_VMA),            // names of memory, in /proc/PID/maps
		with(unix.SYS_CLONE, cloneFlags, unix.CLONE_THREAD), // threads, no processes
		without(unix.SYS_MPROTECT, 2, unix.PROT_EXEC),       // no memory becomes code
	}
}

// takeover are calls by which somebody who took the daemon over would go on: other programs, and other
// programs' memory.
var takeover = []uint32{
	unix.SYS_EXECVE, unix.SYS_EXECVEAT, unix.SYS_PTRACE, unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV,
}

// hidden are calls that a C library tries first, and does without where they are not: it takes clone
// then, whose flags do not lie in memory, where a filter cannot look.
var hidden = []uint32{unix.SYS_CLONE3}
