// SPDX-License-Identifier: Apache-2.0

//go:build 386 || amd64 || arm.7 || arm64 || riscv64 || s390x

package capture

import (
	"math/rand/v2"
	"testing"

	"golang.org/x/sys/unix"
)

// The kernel writes the headers; what they say is looked at all the same before it becomes a place in memory.
func TestRing_bears_any_header(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	// The frames begin at 8 bytes, as those of the kernel do.
	r := &ring{fd: -1, memory: make([]byte, ringMemory), large: make([]byte, batch*snapPayload)}
	for range 200 {
		for i := range r.memory {
			r.memory[i] = byte(rnd.Uint32())
		}
		for i := range ringFrames {
			h := header(r.memory[i*frameMemory:])
			h.Status |= unix.TP_STATUS_USER
			switch rnd.IntN(4) {
			case 0:
				h.Net = uint16(rnd.IntN(2 * frameMemory))
			case 1:
				h.Snaplen = uint32(rnd.IntN(2 * frameMemory))
			}
		}
		for range 2 * ringFrames / batch {
			if _, packets, _ := r.next(); len(packets) > batch {
				t.Fatalf("%d packets, want at most %d", len(packets), batch)
			}
		}
	}
}

func TestRing_is_not_for_other_sockets(t *testing.T) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if s, err := newRing(fd); err == nil {
		t.Errorf("it got %v", s)
	}
}
