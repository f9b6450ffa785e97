// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"github.com/mdlayher/packet"
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

// socket is an AF_PACKET socket that is bound to one device.
type socket struct {
	device string
	conn   *packet.Conn
	raw    syscall.RawConn
	reader reader
	broken atomic.Bool // reading ended by an error
}

// permission adds what the user can do to an error about rights.
func permission(err error) error {
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		return fmt.Errorf("%w (hint: needs CAP_NET_RAW)", err)
	}
	return err
}

// mayListen tells whether this process may open packet sockets at all.
func mayListen() error {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("packet socket: %w", permission(err))
	}
	return unix.Close(fd)
}

// openSocket starts to listen on a device. Packets count from the moment when it returns. Attach gives
// it a filter; until then it hands over nothing.
func openSocket(device string, index int) (*socket, error) {
	// The socket drops everything until its options are set, and so from before it is bound: no
	// packet gets in that the filter does not want. Cooked (Datagram): packets begin with the
	// IP header on Ethernet, PPPoE and tunnels alike.
	nothing, err := bpf.Assemble([]bpf.Instruction{drop})
	if err != nil {
		return nil, err
	}
	conn, err := packet.Listen(&net.Interface{Index: index, Name: device}, packet.Datagram, unix.ETH_P_ALL,
		&packet.Config{Filter: nothing})
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", device, permission(err))
	}
	s := &socket{device: device, conn: conn}
	if err := s.prepare(); err != nil {
		conn.Close()
		return nil, fmt.Errorf("listen on %s: %w", device, err)
	}
	return s, nil
}

func (s *socket) prepare() error {
	raw, err := s.conn.SyscallConn()
	if err != nil {
		return err
	}
	s.raw = raw
	var failed error
	err = raw.Control(func(fd uintptr) {
		// Needs CAP_NET_ADMIN; without, net.core.rmem_max is the limit, and that has to do.
		if unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveBuffer) != nil {
			failed = os.NewSyscallError("set SO_RCVBUF",
				unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, receiveBuffer))
		}
		// What we or our LAN send is no knock. Since Linux 4.20.
		if err := unix.SetsockoptInt(int(fd), unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1); err != nil {
			failed = os.NewSyscallError("set PACKET_IGNORE_OUTGOING", err)
		}
		waited(fd) // from now on the kernel notes when packets come
	})
	if err := errors.Join(err, failed); err != nil {
		return err
	}
	s.reader.init()
	return nil
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
	err = s.conn.SetBPF(first.code)
	if err == nil {
		return first.because(fmt.Sprintf("no more than %d instructions are allowed (BPF_MAXINSNS)", maxInstructions)), nil
	}
	if !errors.Is(err, unix.ENOMEM) {
		return "", fmt.Errorf("filter: %w", err)
	}
	if err := s.raw.Control(func(fd uintptr) {
		// It fails where there is none, which is as good.
		unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0)
	}); err != nil {
		return "", err
	}
	for n := 0; ; n++ {
		p, more, failed := programs.at(n)
		if failed != nil {
			return "", failed
		}
		if !more {
			return compiled{lost: "with no filter at all"}.because(scarce()), err
		}
		if err = s.conn.SetBPF(p.code); !errors.Is(err, unix.ENOMEM) {
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

// boundTo tells whether the kernel still has this socket on the device with this index. A device
// that was deleted leaves its sockets with index -1, also if a new one gets its old number.
func (s *socket) boundTo(index int) bool {
	bound := false
	err := s.raw.Control(func(fd uintptr) {
		address, err := unix.Getsockname(int(fd))
		ll, ok := address.(*unix.SockaddrLinklayer)
		bound = err == nil && ok && ll.Ifindex == index
	})
	return err == nil && bound
}

// dropped returns how many packets the kernel dropped since the last call because the queue was
// full.
func (s *socket) dropped() uint64 {
	stats, err := s.conn.Stats()
	if err != nil {
		return 0 // closed, or emulated: nothing to tell
	}
	return uint64(stats.Drops)
}

func (s *socket) failed() bool { return s.broken.Load() }

func (s *socket) close() { s.conn.Close() }

// run reads until the socket is closed, or broken by an error. A broken one is replaced at the next
// poll, not at once: an error that lasts must not keep the CPU busy.
func (s *socket) run(handler Handler, turn *sync.Mutex) {
	for {
		came, packets, err := s.reader.next(s.raw)
		if len(packets) > 0 {
			turn.Lock()
			handler(came, s.device, packets)
			turn.Unlock()
		}
		switch {
		case err == nil, errors.Is(err, unix.ENETDOWN):
			// ENETDOWN is told once when a device goes down (packet(7)); the socket lives on.
		default:
			s.broken.Store(!errors.Is(err, os.ErrClosed))
			return
		}
		if s.reader.rest {
			// Not time.Sleep, which wakes more threads of the runtime: with it, a flood of 10,000 to
			// 100,000 packets per second took 1.2 to 2 times the CPU. A signal may end it early.
			rest := unix.NsecToTimespec(paceRest.Nanoseconds())
			_ = unix.Nanosleep(&rest, nil)
		}
	}
}

// A packet that waited longer than overdue was not read at once: this process was stopped, or had no CPU. It
// comes alone, with the time when it came. One that seems to have waited longer than implausible came
// before somebody set the clock, by which the kernel tells when it came.
const (
	overdue     = time.Second
	implausible = time.Hour
)

// reader reads packets in batches into buffers that it uses again and again.
type reader struct {
	memory  []byte   // batch * snapPayload
	packets [][]byte // what the last read filled
	err     error
	pace    pace
	waited  time.Duration              // how long the packets waited, if that is overdue
	busy    bool                       // something was read since the pace was asked
	rest    bool                       // sleep before next
	fill    func(fd uintptr) (ok bool) // method value, made once: making it allocates
}

func (r *reader) init() {
	r.memory = make([]byte, batch*snapPayload)
	r.packets = make([][]byte, 0, batch)
	r.fill = r.read
}

// next waits for packets and returns as many as there are, at most a batch, or none and r.rest, and when
// they came. It allocates nothing.
func (r *reader) next(raw syscall.RawConn) (came time.Time, packets [][]byte, err error) {
	r.packets, r.err, r.rest, r.waited = r.packets[:0], nil, false, 0
	if err := raw.Read(r.fill); err != nil {
		return time.Now(), nil, err
	}
	return time.Now().Add(-r.waited), r.packets, r.err
}

// read fills the batch until the queue is empty. It returns false to be called again when there
// are packets. The socket does not block.
func (r *reader) read(fd uintptr) bool {
	for len(r.packets) < batch && r.err == nil {
		buffer := r.memory[len(r.packets)*snapPayload:][:snapPayload]
		n, err := unix.Read(int(fd), buffer)
		switch err {
		case nil:
			r.packets = append(r.packets, buffer[:n])
			r.busy = true
			if len(r.packets) > 1 {
				continue // those behind the first one waited less
			}
			if r.waited = waited(fd); r.waited > 0 {
				return true
			}
		case unix.EINTR:
		case unix.EAGAIN:
			if len(r.packets) > 0 {
				return true
			}
			r.rest = !r.pace.wait(time.Now(), r.busy)
			r.busy = false
			return r.rest
		default:
			r.err = err
		}
	}
	return true
}

// waited tells how long the packet that was read last waited to be read, 0 if not for longer than overdue
// (socket(7), SIOCGSTAMP). The kernel notes the times of packets from the first call on.
func waited(fd uintptr) time.Duration {
	var came unix.Timespec
	// The old number is the one whose seconds are as long as those of unix.Timespec.
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, fd, unix.SIOCGSTAMPNS_OLD, uintptr(unsafe.Pointer(&came)))
	wait := time.Since(time.Unix(came.Unix())) // by the clock on the wall, as came is
	if errno != 0 || wait <= overdue || wait > implausible {
		return 0
	}
	return wait
}
