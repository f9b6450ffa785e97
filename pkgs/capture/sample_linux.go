// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"fmt"
	"math/bits"
	"os"
	"slices"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/wire"
)

// Sampler looks at a part of what strangers send to devices. However much comes, it wakes nobody: the kernel
// queues the beginning of packets, drops what does not fit there, and counts all. Whoever calls Read now and
// then finds what there is.
type Sampler struct {
	mu      sync.Mutex
	query   query
	samples []*sample
	reads   uint64
	packet  wire.Packet

	parts    [batch]unix.Iovec
	messages [batch]message
	names    [batch]unix.RawSockaddrLinklayer
	memory   [batch * snapSample]byte
}

const (
	// sampleRoom is how much memory the queues of all devices may have, in bytes of the kernel's accounting: 50
	// to 160 packets, see receiveBuffer. One packet more is let in. It is taken while there are packets only.
	sampleRoom = 128 << 10

	// How long to wait between two calls of Read: when something came before it, and when nothing did.
	sampleBusy  = 250 * time.Millisecond
	sampleQuiet = time.Second

	// Where more than tooMany packets came between two calls, half of enough to enough shall come the next
	// time; where less than the fourth part of enough did, more.
	tooMany = 192
	enough  = 96

	mostShift = 12 // one of 4096

	// mostCounted is how many packets between two calls are counted at the most, so that with as many as a
	// queue has room for all numbers have 32 bits: 2 million a second.
	mostCounted = 1 << 19

	// outgoingOnce is how many calls of Read there are from one time that what leaves is looked at to the
	// next: the kernel makes a copy of each packet for that.
	outgoingOnce = 8

	// mostBut is how many ports of ours are left out at a device, the newest ones, for butOnce calls of Read.
	mostBut = 32
	butOnce = 4096
)

// sample is a socket that is bound to one device. It is in no poller, which each packet would wake, also if
// nobody waits.
type sample struct {
	device string
	index  int // of the device that it is bound to; 0 = there is no socket
	fd     int
	shift  uint8    // one of 1 << shift packets comes in
	but    []uint16 // ports of ours that are left out
	stale  bool     // the filter has not got all of them
}

// NewSampler starts without any device. It needs CAP_NET_RAW from then on.
func NewSampler() (*Sampler, error) {
	q, err := newQuery()
	s := &Sampler{query: q}
	for i := range s.messages {
		s.messages[i].into(&s.parts[i], s.memory[i*snapSample:][:snapSample])
		s.messages[i].Name = (*byte)(unsafe.Pointer(&s.names[i]))
	}
	return s, err
}

// Watch says which devices to look at from now on. One that is not there is waited for.
func (s *Sampler) Watch(devices []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.samples {
		d.close()
	}
	s.samples = nil
	for _, name := range devices {
		s.samples = append(s.samples, &sample{device: name})
	}
}

// Close ends it.
func (s *Sampler) Close() {
	s.Watch(nil)
	s.query.close()
}

// Read hands over what is there, and returns how long to wait until the next call. After an error, not every
// device was looked at.
//
// A packet that came in stands for as many as were not looked at, besides itself. Of one that was sent, of is
// 0; these are looked at in one call out of outgoingOnce. Look returns whether a packet is UDP for a port
// that is not worth to be looked at for some time. Packets are reused.
func (s *Sampler) Read(look func(p *wire.Packet, of uint32) (skip bool)) (again time.Duration, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	again = sampleQuiet
	for _, d := range s.samples {
		failed := s.prepare(d)
		if failed == nil && d.index != 0 {
			var any bool
			if any, failed = s.read(d, look); any {
				again = sampleBusy
			}
		}
		if failed != nil {
			d.close()
			err = fmt.Errorf("look for strangers at %s: %w", d.device, permission(failed))
		}
	}
	s.reads++
	return again, err
}

// prepare keeps a sample in step with its device and with what is wanted.
func (s *Sampler) prepare(d *sample) error {
	index, _, err := s.query.device(d.device)
	if d.index != 0 && (index != d.index || !isBound(d.fd, index)) {
		d.close()
	}
	if err != nil || index == 0 {
		return err
	}
	if d.index == 0 {
		if err := d.open(index, sampleRoom/len(s.samples)); err != nil {
			return err
		}
	}
	ignore := 1
	if s.reads%outgoingOnce == 0 {
		ignore = 0
	}
	if s.reads%butOnce == 0 && len(d.but) > 0 {
		d.but, d.stale = nil, true
	}
	return ignoreOutgoing(d.fd, ignore)
}

// open makes the socket, and binds it when all is ready, so that no other packet gets in.
func (d *sample) open(index, room int) error {
	fd, err := packetSocket()
	if err != nil {
		return err
	}
	*d = sample{device: d.device, index: index, fd: fd}
	if err := queueUpTo(fd, room/2); err != nil {
		return err
	}
	if err := d.filter(0); err != nil {
		return err
	}
	return bind(fd, index)
}

func (d *sample) close() {
	if d.index != 0 {
		_ = unix.Close(d.fd)
		*d = sample{device: d.device}
	}
}

// filter gives the socket the filter that takes one packet of 1 << shift.
func (d *sample) filter(shift uint8) error {
	d.stale = false
	return os.NewSyscallError("set SO_ATTACH_FILTER", setFilter(d.fd, sampleCode(d.but, shift)))
}

// read hands over what is in the queue, and reports whether that was anything. It chooses how much shall be there
// the next time.
func (s *Sampler) read(d *sample, look func(p *wire.Packet, of uint32) bool) (any bool, err error) {
	all, err := s.drain(d, look)
	if err != nil {
		return false, err
	}
	shift := d.shift
	if all > tooMany {
		shift = min(shift+uint8(bits.Len32(all/enough)), mostShift)
	} else if all < enough/4 {
		shift /= 2
	}
	if d.stale || shift != d.shift {
		if err = d.filter(shift); err == nil {
			_, err = s.drain(d, look) // what the filter of before took until now
		}
		d.shift = shift
	}
	return all > 0, err
}

// drain hands over what is in the queue, and returns how many packets it stands for, before the filter's part.
func (s *Sampler) drain(d *sample, look func(p *wire.Packet, of uint32) bool) (all uint32, err error) {
	stats, err := unix.GetsockoptTpacketStats(d.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err != nil {
		return 0, os.NewSyscallError("get PACKET_STATISTICS", err)
	}
	// As many are in the queue, neither more nor less: those of the last time were all read. What comes
	// meanwhile is in the next statistics.
	n := stats.Packets - stats.Drops
	all = min(stats.Packets, mostCounted)
	for seen := uint32(0); seen < n; {
		for i := range s.messages {
			s.messages[i].Namelen = unix.SizeofSockaddrLinklayer // the kernel says there how long the name was
		}
		got, err := receive(d.fd, s.messages[:min(n-seen, batch)])
		switch err {
		case nil, unix.EINTR, unix.ENETDOWN: // which is reported once, see socket.read
		case unix.EAGAIN:
			return all, nil
		default:
			return all, os.NewSyscallError("recvmmsg", err)
		}
		for i := range got {
			of := uint32(0)
			if s.names[i].Pkttype == unix.PACKET_HOST {
				of = ((seen+1)*all/n - seen*all/n) << d.shift // their sum is all of them
			}
			seen++
			b := s.memory[i*snapSample:][:s.messages[i].length]
			if s.packet.Decode(b) == nil && look(&s.packet, of) && !slices.Contains(d.but, s.packet.DstPort) {
				if len(d.but) == mostBut {
					d.but = d.but[1:]
				}
				d.but, d.stale = append(d.but, s.packet.DstPort), true
			}
		}
	}
	return all, nil
}
