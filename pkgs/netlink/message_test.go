// SPDX-License-Identifier: Apache-2.0

package netlink

import (
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// TestRead_of_answers reads datagrams of the answer to question 7; what is damaged ends with an error.
func TestRead_of_answers(t *testing.T) {
	of := func(sequence, size uint32, kind, flags uint16, rest ...byte) []byte {
		b := binary.NativeEndian.AppendUint32(nil, size)
		b = binary.NativeEndian.AppendUint16(b, kind)
		b = binary.NativeEndian.AppendUint16(b, flags)
		b = binary.NativeEndian.AppendUint32(b, sequence)
		return append(append(b, make([]byte, 4)...), rest...)
	}
	one := func(size uint32, kind uint16, rest ...byte) []byte {
		return of(7, size, kind, unix.NLM_F_MULTI, rest...)
	}
	errno := func(e unix.Errno) []byte { return binary.NativeEndian.AppendUint32(nil, -uint32(e)) }
	rule := one(20, unix.RTM_NEWLINK, 1, 0, 0, 0)
	alone := of(7, 20, unix.RTM_NEWLINK, 0, 1, 0, 0, 0)
	end := one(20, unix.NLMSG_DONE, 0, 0, 0, 0)
	damaged := errors.New("damaged")
	for _, tt := range []struct {
		name   string
		b      []byte
		read   int
		last   bool
		failed error // damaged: any error that is none of the kernel's
	}{
		{"nothing", nil, 0, false, nil},
		{"one of many", rule, 1, false, nil},
		{"one of many and the end", slices.Concat(rule, end), 1, true, nil},
		{"the only one", alone, 1, true, nil},
		{"an end in one byte more than is told of", append(slices.Clone(end), 0), 0, true, damaged},
		{"what is not aligned, and the end", slices.Concat(one(21, unix.RTM_NEWLINK, 1, 0, 0, 0, 9, 0, 0, 0), end), 1, true, nil},
		{"what is not aligned, at the end of all", of(7, 21, unix.RTM_NEWLINK, 0, 1, 0, 0, 0, 9), 1, true, nil},
		{"that it was done", of(7, 36, unix.NLMSG_ERROR, unix.NLM_F_CAPPED, make([]byte, 20)...), 0, true, nil},
		{"an error", of(7, 36, unix.NLMSG_ERROR, unix.NLM_F_CAPPED, append(errno(unix.EPERM), make([]byte, 16)...)...), 0, false, unix.EPERM},
		{"an error and the kernel's words on it", of(7, 48, unix.NLMSG_ERROR, unix.NLM_F_CAPPED|unix.NLM_F_ACK_TLVS,
			slices.Concat(errno(unix.EBUSY), make([]byte, 16), []byte{11, 0, 1, 0, 'i', 'n', ' ', 'u', 's', 'e', 0, 0})...), 0, false, unix.EBUSY},
		{"an end with an error", one(20, unix.NLMSG_DONE, errno(unix.ENOBUFS)...), 0, false, unix.ENOBUFS},
		{"what is to be ignored, and the end", slices.Concat(one(20, unix.NLMSG_NOOP, 0, 0, 0, 0), end), 0, true, nil},
		{"a rest of an older answer", slices.Concat(of(6, 20, unix.NLMSG_ERROR, 0, errno(unix.EPERM)...), of(6, 20, unix.NLMSG_DONE, 0, 0, 0, 0, 0)), 0, false, nil},
		{"a rest of an older answer, and the only one", slices.Concat(of(6, 20, unix.RTM_NEWLINK, 0, 0, 0, 0, 0), alone), 1, true, nil},
		{"a list that changed", slices.Concat(of(7, 20, unix.RTM_NEWLINK, unix.NLM_F_MULTI|unix.NLM_F_DUMP_INTR, 1, 0, 0, 0), rule, end), 2, true, unix.EINTR},
		{"a list that changed at its end", of(7, 20, unix.NLMSG_DONE, unix.NLM_F_MULTI|unix.NLM_F_DUMP_INTR, 0, 0, 0, 0), 0, true, unix.EINTR},
		{"a part of a header", rule[:15], 0, false, damaged},
		{"a header alone", one(16, unix.NLMSG_DONE), 0, false, damaged},
		{"a size of nothing", one(0, unix.NLMSG_DONE, 0, 0, 0, 0), 0, false, damaged},
		{"a size that is larger than all", one(21, unix.NLMSG_DONE, 0, 0, 0, 0), 0, false, damaged},
		{"the largest size", one(1<<32-1, unix.NLMSG_DONE, 0, 0, 0, 0), 0, false, damaged},
	} {
		a, n := answer{sequence: 7}, 0
		err := a.read(tt.b, func(Message) error { n++; return nil })
		good := errors.Is(err, tt.failed)
		if tt.failed == damaged {
			good = err != nil && !errors.As(err, new(unix.Errno))
		}
		if n != tt.read || a.last != tt.last || !good {
			t.Errorf("%s: %d read, last %t, error %v, want %d, %t, %v", tt.name, n, a.last, err, tt.read, tt.last, tt.failed)
		}
	}
}

// TestRead_ends_with_an_error_of_the_reader reads no more after it.
func TestRead_ends_with_an_error_of_the_reader(t *testing.T) {
	own := errors.New("own")
	m := Message{Type: unix.RTM_NEWLINK, Flags: unix.NLM_F_MULTI, Data: make([]byte, 4)}
	n, a := 0, answer{}
	err := a.read(m.appendTo(m.appendTo(nil)), func(Message) error { n++; return own })
	if err != own || n != 1 {
		t.Errorf("%d messages, error %v, want the first one's", n, err)
	}
}
