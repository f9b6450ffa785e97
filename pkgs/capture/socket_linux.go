// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

const (
	// batch is how many packets are read before the handler is called.
	batch = 32

	// receiveBuffer is what the kernel may queue for us, in bytes of its own accounting (it
	// doubles the number, socket(7)). A short packet counts for 0.8 to 2.3 kB there, so that
	// 2 MiB are 900 to 2600 packets: 9 to 26 ms of a flood of 100,000 per second.
	receiveBuffer = 1 << 20
)

// socket is an AF_PACKET socket that is bound to one device. Whoever has one and does not use it any more
// closes it; run gives back what it takes.
//
// It is in no poller of Go's runtime, as sockets of package net are: there each packet of a flood would wake a
// thread, whether anybody waits for packets or not.
type socket struct {
	device string
	fd     int
	stop   int // eventfd(2) that can be read once closed is true
	source source
	closed atomic.Bool
	broken atomic.Bool // reading ended by an error
}

// source is how the packets of a socket are read.
type source interface {
	// next returns packets that came, at most a batch, and when: nothing is waited for. EAGAIN is that
	// there are no more. The packets are good until next is called again. It allocates nothing.
	next() (came time.Time, packets [][]byte, err error)
	close()
}

// newSource makes a source for a socket that is not bound yet. After an error the socket is of no use.
type newSource func(fd int) (source, error)

// permission adds what the user can do to an error about rights.
func permission(err error) error {
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		return fmt.Errorf("%w (hint: needs CAP_NET_RAW)", err)
	}
	return err
}

// mayListen reports whether this process may open packet sockets at all.
func mayListen() error {
	fd, err := packetSocket()
	if err != nil {
		return fmt.Errorf("packet socket: %w", permission(err))
	}
	return unix.Close(fd)
}

// packetSocket makes a socket that is not bound yet. Cooked (SOCK_DGRAM): packets begin with the IP header on
// Ethernet, PPPoE and tunnels alike. Without a protocol nothing comes before it is bound.
func packetSocket() (fd int, err error) {
	return unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
}

// queueUpTo says how much the kernel may queue for a socket: twice as many bytes of its accounting, see
// receiveBuffer. It needs CAP_NET_ADMIN; without, net.core.rmem_max is the limit, and that has to do.
func queueUpTo(fd, size int) error {
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, size) == nil {
		return nil
	}
	return os.NewSyscallError("set SO_RCVBUF", unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, size))
}

// bind makes packets of a device come to a socket.
func bind(fd, index int) error {
	// packet(7) wants the protocol in the order of the network.
	all := binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, unix.ETH_P_ALL))
	return os.NewSyscallError("bind", unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: index}))
}

// isBound reports whether the kernel still has a socket on the device with this index. A device that was
// deleted leaves its sockets with index -1, also if a new one gets its old number.
func isBound(fd, index int) bool {
	address, err := syscall.Getsockname(fd)
	ll, ok := address.(*syscall.SockaddrLinklayer)
	return err == nil && ok && ll.Ifindex == index
}

// ignoreOutgoing says whether what this machine sends, or passes on to the device, stays away from a socket.
// Since Linux 4.20.
func ignoreOutgoing(fd int, ignore int) error {
	return os.NewSyscallError("set PACKET_IGNORE_OUTGOING", unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, ignore))
}

// setFilter replaces the filter of a socket.
func setFilter(fd int, code []bpf.RawInstruction) error {
	// bpf.RawInstruction and unix.SockFilter are both struct sock_filter of <linux/filter.h>.
	program := unix.SockFprog{Len: uint16(len(code)), Filter: (*unix.SockFilter)(unsafe.Pointer(&code[0]))}
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &program)
}

// openSocket starts to listen on a device by the first of these sources that can be had. Packets count from the
// moment when it returns. Attach gives it a filter; until then it hands over nothing.
func openSocket(device string, index int, sources []newSource) (*socket, error) {
	var failed error
	for _, make := range sources {
		fd, err := packetSocket()
		if err != nil {
			return nil, fmt.Errorf("listen on %s: %w", device, permission(err))
		}
		s := &socket{device: device, fd: fd, stop: -1}
		if failed = s.prepare(index, make); failed == nil {
			return s, nil
		}
		s.free()
	}
	return nil, fmt.Errorf("listen on %s: %w", device, permission(failed))
}

func (s *socket) prepare(index int, make newSource) (err error) {
	if s.stop, err = unix.Eventfd(0, unix.EFD_CLOEXEC); err != nil {
		return os.NewSyscallError("eventfd", err)
	}
	if err := queueUpTo(s.fd, receiveBuffer); err != nil {
		return err
	}
	// What we or our LAN send is no knock.
	if err := ignoreOutgoing(s.fd, 1); err != nil {
		return err
	}
	if s.source, err = make(s.fd); err != nil {
		return err
	}
	// From before it is bound it drops everything, so that no packet gets in that the filter does not want.
	nothing, err := bpf.Assemble([]bpf.Instruction{drop})
	if err != nil {
		return err
	}
	if err := setFilter(s.fd, nothing); err != nil {
		return os.NewSyscallError("set SO_ATTACH_FILTER", err)
	}
	return bind(s.fd, index)
}

// attach gives the socket the first of the programs that the kernel has room for, and says why that is not
// the first of all. After an error it may be called again.
//
// The kernel charges filters to the socket: net.core.optmem_max is 10 kB on 32-bit kernels before 6.8, 20 kB
// on 64-bit ones, 128 kB since. During a swap it charges the old one and the new one both. If the two do not
// fit together, the old one goes first: for some microseconds the handler may then get packets that no filter
// wants, but none is lost. It stays so where there is no room at all: hearing all of it beats being deaf.
func (s *socket) attach(programs *programs) (coarse string, err error) {
	first, _, err := programs.at(0)
	if err != nil {
		return "", err
	}
	err = setFilter(s.fd, first.code)
	if err == nil {
		return first.because(fmt.Sprintf("no more than %d instructions are allowed (BPF_MAXINSNS)", maxInstructions)), nil
	}
	if !errors.Is(err, unix.ENOMEM) {
		return "", fmt.Errorf("filter: %w", err)
	}
	// It fails where there is none, which is as good.
	_ = unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0)
	for n := 0; ; n++ {
		p, more, failed := programs.at(n)
		if failed != nil {
			return "", failed
		}
		if !more {
			return compiled{lost: "with no filter at all"}.because(scarce()), err
		}
		if err = setFilter(s.fd, p.code); !errors.Is(err, unix.ENOMEM) {
			return p.because(scarce()), err
		}
	}
}

// RoomFile shows how much memory the kernel has for the filter of a socket, in bytes.
const RoomFile = "/proc/sys/net/core/optmem_max"

// scarce says what the kernel has too little of, and how to give it more.
func scarce() string {
	is := "is too small"
	// Kernels before 6.8 show it only outside of network namespaces.
	if limit, err := os.ReadFile(RoomFile); err == nil {
		is = "is " + strings.TrimSpace(string(limit))
	}
	return "net.core.optmem_max " + is + " (hint: sysctl -w net.core.optmem_max=131072)"
}

// dropped returns how many packets the kernel dropped since the last call because there was no room for them.
func (s *socket) dropped() uint64 {
	stats, err := unix.GetsockoptTpacketStats(s.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err != nil {
		return 0 // emulated: nothing to report
	}
	return uint64(stats.Drops)
}

func (s *socket) failed() bool { return s.broken.Load() }

// close makes run return. Nothing else may be done with the socket afterwards.
func (s *socket) close() {
	_, _ = unix.Write(s.stop, binary.NativeEndian.AppendUint64(nil, 1)) // the counter of an eventfd has room for it
	s.closed.Store(true)                                                // last: run gives s.stop back once it sees this
}

// free gives back what the socket has of the kernel.
func (s *socket) free() {
	if s.source != nil {
		s.source.close()
	}
	for _, fd := range []int{s.fd, s.stop} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}

// run reads until the socket is closed. One that an error broke is replaced at the next poll, not at once: an
// error that lasts must not keep the CPU busy.
func (s *socket) run(handler Handler, turn *sync.Mutex) {
	defer s.free()
	if s.read(handler, turn) != nil {
		s.broken.Store(true)
		only := [...]unix.PollFd{{Fd: int32(s.stop), Events: unix.POLLIN}}
		for !s.closed.Load() {
			_, _ = unix.Ppoll(only[:], nil, nil)
		}
	}
}

func (s *socket) read(handler Handler, turn *sync.Mutex) error {
	var pace pace
	wait := [...]unix.PollFd{{Fd: int32(s.fd), Events: unix.POLLIN}, {Fd: int32(s.stop), Events: unix.POLLIN}}
	busy := false // something was read since the pace was asked
	for !s.closed.Load() {
		came, packets, err := s.source.next()
		if len(packets) > 0 {
			turn.Lock()
			handler(came, s.device, packets)
			turn.Unlock()
			busy = true
		}
		if err == unix.EAGAIN {
			if pace.wait(time.Now(), busy) {
				err = s.wait(wait[:])
			} else {
				rest()
				err = nil
			}
			busy = false
		}
		switch err {
		case nil, unix.EINTR, unix.ENETDOWN:
			// ENETDOWN is reported once when a device goes down (packet(7)); the socket lives on.
		default:
			return err
		}
	}
	return nil
}

// wait returns when there are packets, when the socket is closed, or with an error that the socket has.
func (s *socket) wait(list []unix.PollFd) error {
	if _, err := unix.Ppoll(list, nil, nil); err != nil {
		return err
	}
	if list[0].Revents&unix.POLLERR == 0 {
		return nil
	}
	// Asking takes it from the socket. A source may have met it before: then it is 0.
	code, err := unix.GetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && code != 0 {
		err = unix.Errno(code)
	}
	return err
}

// rest sleeps for paceRest, or until a signal comes. It keeps others of the program from the processor of the
// runtime that it has, and lets them have it once afterwards: with time.Sleep or unix.Nanosleep, between which
// threads of the runtime hand it to each other, a flood of 10,000 to 80,000 packets per second took 1.3 to 1.5
// times the CPU.
func rest() {
	long := unix.NsecToTimespec(paceRest.Nanoseconds())
	_, _, _ = unix.RawSyscall(unix.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&long)), 0, 0)
	runtime.Gosched()
}

// A packet that waited longer than overdue was not read at once: this process was stopped, or had no CPU. It
// comes alone, with the time when it came. One that seems to have waited longer than implausible came
// before somebody set the clock, by which the kernel says when it came.
const (
	overdue     = time.Second
	implausible = time.Hour
)

// late returns how long a packet waited that came at a time of the clock on the wall, 0 if not for longer than
// overdue.
func late(came unix.Timespec) time.Duration {
	wait := time.Since(time.Unix(came.Unix()))
	if wait <= overdue || wait > implausible {
		return 0
	}
	return wait
}
