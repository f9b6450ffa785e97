// SPDX-License-Identifier: Apache-2.0

package send

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"
)

// Dial connects by TCP as net.Dialer does, until ctx ends. It calls left once: when the SYN has left this
// machine, or nothing is going to. Sent reports whether an error is the network's answer, or the
// lack of one, and not this machine's that could not send.
func Dial(ctx context.Context, to netip.AddrPort, left func()) (conn net.Conn, sent bool, err error) {
	var once sync.Once
	defer once.Do(left) // no socket, no SYN
	if err := ctx.Err(); err != nil {
		return nil, false, err
	}
	var asked, gone bool // whether the system was asked for the SYN, and whether it is known to be out
	d := net.Dialer{Control: func(_, _ string, socket syscall.RawConn) (err error) {
		if gone, err = begin(socket, to); err != nil {
			return err
		}
		asked = true
		once.Do(left)
		return nil
	}}
	conn, err = d.DialContext(ctx, "tcp", to.String())
	var number syscall.Errno
	errors.As(err, &number)
	return conn, gone || asked && !Unsent(number), err
}

// syn begins a TCP connection and gives it up after hold, which ends the retransmissions of its SYN
// too. What comes back, if anything, does not matter. It calls left as Dial does. Hold counts from then
// on, however long this machine took.
func syn(ctx context.Context, to netip.AddrPort, hold time.Duration, left func()) error {
	ctx, abandon := context.WithCancel(ctx)
	defer abandon()
	conn, sent, err := Dial(ctx, to, func() {
		time.AfterFunc(hold, abandon)
		left()
	})
	if err == nil {
		return conn.Close()
	}
	if sent {
		return nil
	}
	if number, known := errors.AsType[syscall.Errno](err); known {
		return number
	}
	return err
}
