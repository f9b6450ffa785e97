// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"encoding/binary"
	"errors"
	"runtime"
	"slices"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// What becomes of a system call that is not allowed.
const (
	// allowed lets it be made.
	allowed = unix.SECCOMP_RET_ALLOW

	// unknown is for those on no list. ENOSYS is what an older kernel says, and so Go's runtime and
	// library, also of later versions, go another way then, where they have one; a program that was
	// ended would be a router that nobody gets into, which is worse than a call that somebody who took
	// the daemon over may try.
	unknown = unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)

	// refused is for allowed ones with arguments that are not.
	refused = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)

	// deadly is for what no code of this program ever does, whatever happens: who does it has taken the
	// daemon over, which ends by it and is started again by procd, as itself.
	deadly = unix.SECCOMP_RET_KILL_PROCESS

	// trapped is unknown for tests.
	trapped = unix.SECCOMP_RET_TRAP
)

// Where struct seccomp_data (linux/seccomp.h) has what a filter looks at. Of arguments, which have 64
// bits, it looks at the lower half: the kernel takes an int of each that is looked at here.
const (
	numberAt   = 0
	archAt     = 4
	argumentAt = 16
)

// load reads an argument.
func load(argument uint32) bpf.Instruction {
	at := argumentAt + 8*argument
	if binary.NativeEndian.Uint16([]byte{0, 1}) == 1 { // big endian
		at += 4
	}
	return bpf.LoadAbsolute{Off: at, Size: 4}
}

// limitCalls forbids all system calls but those on the lists, for all threads.
func limitCalls(strict bool) error {
	if arch == 0 {
		return errors.New("the system calls of " + runtime.GOARCH + " are not known")
	}
	otherwise, never := uint32(unknown), uint32(deadly)
	if strict {
		otherwise = trapped
	}
	if _, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_GET_ACTION_AVAIL, 0, uintptr(unsafe.Pointer(&never))); errno != 0 {
		never = refused // before Linux 4.14 it would end one thread, and the others would wait for it
	}
	program, err := bpf.Assemble(filter(otherwise, never))
	if err != nil {
		return err
	}
	list := make([]unix.SockFilter, len(program))
	for i, p := range program {
		list[i] = unix.SockFilter{Code: p.Op, Jt: p.Jt, Jf: p.Jf, K: p.K}
	}
	f := unix.SockFprog{Len: uint16(len(list)), Filter: &list[0]}
	thread, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&f)))
	switch {
	case errno == unix.ENOSYS, errno == unix.EINVAL:
		return errors.New("this kernel has no seccomp")
	case errno != 0:
		return errno
	case thread != 0:
		return errors.New("a thread has a filter of its own")
	}
	return nil
}

// filter returns the program that the kernel runs at each system call.
func filter(otherwise, never uint32) []bpf.Instruction {
	// Another architecture's numbers mean other calls; programs for it run, too, on some kernels.
	program := []bpf.Instruction{
		bpf.LoadAbsolute{Off: archAt, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: arch, SkipTrue: 1},
		bpf.RetConstant{Val: never},
		bpf.LoadAbsolute{Off: numberAt, Size: 4},
	}
	program = append(program, anyOf(slices.Concat(plain, plainHere), bpf.RetConstant{Val: allowed})...)
	for _, c := range slices.Concat(checked(), checkedHere()) {
		program = append(program, bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: c.number, SkipTrue: uint8(len(c.check))})
		program = append(program, c.check...)
	}
	program = append(program, anyOf(takeover, bpf.RetConstant{Val: never})...)
	program = append(program, anyOf(hidden, bpf.RetConstant{Val: unknown})...)
	return append(program, bpf.RetConstant{Val: otherwise})
}

// anyOf does then, which must be a return, if what is loaded is among these, at most 255, values.
func anyOf(values []uint32, then bpf.Instruction) []bpf.Instruction {
	var list []bpf.Instruction
	for i, v := range values {
		list = append(list, bpf.JumpIf{Cond: bpf.JumpEqual, Val: v, SkipTrue: uint8(len(values) - i)})
	}
	return append(list, bpf.Jump{Skip: 1}, then)
}

// call is a system call that is allowed with certain arguments only.
type call struct {
	number uint32
	check  []bpf.Instruction // decides, at most 255 instructions
}

// only allows a call if one of its arguments is one of these.
func only(number, argument uint32, values ...uint32) call {
	check := append([]bpf.Instruction{load(argument)}, anyOf(values, bpf.RetConstant{Val: allowed})...)
	return call{number, append(check, bpf.RetConstant{Val: refused})}
}

// without allows a call if its argument has none of these bits.
func without(number, argument, bits uint32) call {
	return call{number, []bpf.Instruction{
		load(argument),
		bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: bits, SkipFalse: 1},
		bpf.RetConstant{Val: refused},
		bpf.RetConstant{Val: allowed},
	}}
}

// with allows a call if its argument has one of these bits.
func with(number, argument, bits uint32) call {
	return call{number, []bpf.Instruction{
		load(argument),
		bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: bits, SkipTrue: 1},
		bpf.RetConstant{Val: refused},
		bpf.RetConstant{Val: allowed},
	}}
}

// sockets allows the kinds of sockets that the daemon opens while it runs: one of a device for knocks,
// one for the system log, and netlink for devices, addresses, nftables and sessions.
func sockets(number uint32) call {
	const kind = 0xf // of the socket; the other bits of the argument are SOCK_CLOEXEC and SOCK_NONBLOCK
	return call{number, []bpf.Instruction{
		load(0), // domain
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.AF_NETLINK, SkipTrue: 5},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.AF_PACKET, SkipTrue: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.AF_UNIX, SkipTrue: 6},
		load(1), // type
		bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: kind},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.SOCK_DGRAM, SkipTrue: 4, SkipFalse: 3},
		load(2), // protocol, of netlink
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.NETLINK_ROUTE, SkipTrue: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.NETLINK_NETFILTER, SkipTrue: 1},
		bpf.RetConstant{Val: refused},
		bpf.RetConstant{Val: allowed},
	}}
}
