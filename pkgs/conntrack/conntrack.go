// SPDX-License-Identifier: Apache-2.0

package conntrack

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/door"
)

// ErrMissing says that the kernel's module for this is not there.
var ErrMissing = errors.New("the kernel cannot end sessions: install kmod-nf-conntrack-netlink")

// most is how many sessions are ended by one walk through the kernel's table; while there are more,
// it is walked again.
const most = 1024

// Table is the kernel's table of sessions. It takes CAP_NET_ADMIN in the user namespace that owns the
// network namespace. The zero Table is ready; it may be used from several goroutines.
type Table struct{}

// Check tells why sessions cannot be ended: ErrMissing, or that a right is missing.
func (Table) Check() error {
	c, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
	if err != nil {
		return explain(err)
	}
	defer c.Close()
	_, err = c.Execute(message(getStats, netlink.Dump, unix.AF_UNSPEC, nil))
	return explain(err)
}

// End ends the sessions that came from an address, or from any if it is not valid, and that which
// says yes to; it is asked once for each. It returns how many those were that were not over by themselves.
//
// A TCP session is not forgotten: its packets would be taken for those of a new one, and the first
// that the server sends (nothing forbids it) would let the others back in. It is put back to where
// nothing but a SYN was seen, which makes every further packet of the client invalid, and kept so
// for a day. Sessions of other protocols, and those that the flow offload has taken over, are deleted.
func (Table) End(from netip.Addr, which func(door.Session) bool) (n int, err error) {
	c, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
	if err != nil {
		return 0, explain(err)
	}
	defer c.Close()
	own, err := ownAddresses()
	if err != nil {
		return 0, err
	}
	for _, family := range families(from) {
		for more := true; more && err == nil; {
			var some int
			some, more, err = endSome(c, family, from, func(s door.Session) bool {
				s.Local = own[s.To.Addr()]
				return which(s)
			})
			n += some
		}
	}
	return n, explain(err)
}

// endSome ends up to most sessions of one family, and tells whether there are more.
func endSome(c *netlink.Conn, family uint8, from netip.Addr, which func(door.Session) bool) (n int, more bool, err error) {
	if _, err := c.Send(message(get, netlink.Dump, family, only(from))); err != nil {
		return 0, false, err
	}
	var found []entry
	for m, err := range c.ReceiveIter() {
		if err != nil {
			return 0, false, err
		}
		e, err := parse(m)
		if err != nil {
			return 0, false, err
		}
		switch {
		case e.ended() || from.IsValid() && e.session.From.Addr() != from:
		case len(found) == most:
			more = true // perhaps; which is asked for it then
		case which(e.session):
			found = append(found, e)
		}
	}
	var errs error
	for _, e := range found {
		_, err := c.Execute(e.end(family))
		switch {
		case err == nil && !e.session.Over:
			n++
		case err == nil:
		case errors.Is(err, unix.ENOENT): // it ended by itself
		case errs == nil:
			errs = fmt.Errorf("session of %s to %s: %w", e.session.From, e.session.To, err)
		}
	}
	return n, more, errs
}

// families are those that sessions of an address can be of.
func families(a netip.Addr) []uint8 {
	switch {
	case a.Is4():
		return []uint8{unix.AF_INET}
	case a.Is6():
		return []uint8{unix.AF_INET6}
	}
	return []uint8{unix.AF_INET, unix.AF_INET6}
}

// ownAddresses are those of this machine.
func ownAddresses() (map[netip.Addr]bool, error) {
	list, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("addresses of this machine: %w", err)
	}
	own := make(map[netip.Addr]bool, len(list))
	for _, a := range list {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			own[p.Addr().Unmap()] = true
		}
	}
	return own, nil
}

// explain adds what a person can do about an error. EINVAL is what the kernel answers to messages of
// a subsystem that it does not have (nfnetlink_rcv_msg).
func explain(err error) error {
	switch {
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.EPROTONOSUPPORT):
		return ErrMissing
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("conntrack: %w (it takes CAP_NET_ADMIN)", err)
	case errors.Is(err, unix.EBUSY):
		return fmt.Errorf("conntrack: %w (it is offloaded; Linux 6.4 and newer can end such sessions)", err)
	case err != nil:
		return fmt.Errorf("conntrack: %w", err)
	}
	return nil
}
