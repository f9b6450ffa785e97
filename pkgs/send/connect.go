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

// syn begins a TCP connection and gives it up after hold, which ends the retransmissions of its SYN
// too. What comes back, if anything, does not matter. It calls left once: when the SYN has left this
// machine, or nothing is going to. Hold counts from then on, however long this machine took.
func syn(ctx context.Context, to netip.AddrPort, hold time.Duration, left func()) error {
	var once sync.Once
	defer once.Do(left) // no socket, no SYN
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx, abandon := context.WithCancel(ctx)
	defer abandon()
	var asked, gone bool // whether the system was asked for the SYN, and whether it is known to be out
	d := net.Dialer{KeepAlive: -1, Control: func(_, _ string, socket syscall.RawConn) (err error) {
		if gone, err = begin(socket, to); err != nil {
			return err
		}
		asked = true
		time.AfterFunc(hold, abandon)
		once.Do(left)
		return nil
	}}
	conn, err := d.DialContext(ctx, "tcp", to.String())
	if err == nil {
		return conn.Close()
	}
	var number syscall.Errno
	switch isNumber := errors.As(err, &number); {
	case gone, asked && !Unsent(number):
		return nil // the network's answer, or the lack of one
	case isNumber:
		return number
	}
	return err
}
