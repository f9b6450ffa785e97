// SPDX-License-Identifier: Apache-2.0

//go:build 386 || amd64 || arm.7 || arm64 || riscv64 || s390x

package capture

import (
	"errors"
	"os"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// ringMemory is the size of a ring, in bytes: 1024 frames, 4 ms of a flood of 250,000 packets per second.
	ringMemory = 256 << 10

	// frameMemory is the size of a frame. The kernel takes 80 bytes of it (TPACKET2_HDRLEN in the sum that
	// tpacket_rcv of af_packet.c makes for SOCK_DGRAM), which leaves 176 for a packet: SYNs, and messages
	// in STUN. Of a packet that is longer the frame has the beginning, and the queue of the socket has all.
	frameMemory = 256
	ringFrames  = ringMemory / frameMemory
)

// ring reads from memory that the kernel fills and gives to us frame by frame (packet(7), PACKET_RX_RING, the
// second version): a packet costs no system call and is not copied again.
//
// It is not for MIPS and for ARM before version 7. There a cache may hold the same memory at two addresses,
// and the kernel sees to its own address only (arch/mips/mm/cache.c): what it wrote may not be seen here for long.
type ring struct {
	fd      int
	memory  []byte
	large   []byte // batch * snapPayload, for packets that no frame has room for
	at      int    // the frame that is read next, or was handed out first
	packets [batch][]byte
	held    int // so many frames were handed out
}

var _ source = (*ring)(nil)

// newRing fails where the kernel has no memory for a ring, or no rings at all.
func newRing(fd int) (source, error) {
	page := os.Getpagesize() // a block is no longer, so that the kernel needs no pages side by side
	request := unix.TpacketReq{Block_size: uint32(page), Block_nr: uint32(ringMemory / page), Frame_size: frameMemory, Frame_nr: ringFrames}
	if err := errors.Join(
		unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VERSION, unix.TPACKET_V2),
		unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_COPY_THRESH, 1), // see frameMemory
		unix.SetsockoptTpacketReq(fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &request),
	); err != nil {
		return nil, err
	}
	memory, err := unix.Mmap(fd, 0, ringMemory, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, err
	}
	return &ring{fd: fd, memory: memory, large: make([]byte, batch*snapPayload)}, nil
}

func (r *ring) close() { _ = unix.Munmap(r.memory) }

// frame returns the nth of those to be read.
func (r *ring) frame(n int) []byte {
	return r.memory[(r.at+n)%ringFrames*frameMemory:][:frameMemory]
}

// header of a frame. Whose the frame is stands in Status.
func header(frame []byte) *unix.Tpacket2Hdr {
	return (*unix.Tpacket2Hdr)(unsafe.Pointer(&frame[0]))
}

// next gives back the frames of the packets that it returned before.
func (r *ring) next() (came time.Time, packets [][]byte, err error) {
	for i := range r.held {
		atomic.StoreUint32(&header(r.frame(i)).Status, unix.TP_STATUS_KERNEL)
	}
	r.at = (r.at + r.held) % ringFrames
	wait := time.Duration(0)
	for r.held = 0; r.held < batch && wait == 0; r.held++ {
		f := r.frame(r.held)
		h := header(f)
		status := atomic.LoadUint32(&h.Status)
		if status&unix.TP_STATUS_USER == 0 {
			err = unix.EAGAIN
			break
		}
		if r.held == 0 { // those behind it waited less
			wait = late(unix.NsecToTimespec(int64(h.Sec)*1e9 + int64(h.Nsec)))
		}
		p := f[min(int(h.Net), frameMemory):]
		p = p[:min(h.Snaplen, uint32(len(p)))]
		if status&unix.TP_STATUS_COPY != 0 {
			p = r.whole(p)
		}
		r.packets[r.held] = p
	}
	return time.Now().Add(-wait), r.packets[:r.held], err
}

// whole reads a packet of which a frame has only the beginning. Such packets are in the queue in the order of
// their frames.
func (r *ring) whole(beginning []byte) []byte {
	buffer := r.large[r.held*snapPayload:][:snapPayload]
	for {
		n, err := unix.Read(r.fd, buffer)
		switch err {
		case nil:
			return buffer[:n]
		case unix.EINTR, unix.ENETDOWN: // which comes before packets that are there, once
		default:
			return beginning
		}
	}
}
