// SPDX-License-Identifier: Apache-2.0

package conntrack

import (
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/door"
	"github.com/latchkey/latchkey/pkgs/netlink"
)

// ErrMissing says that the kernel's module for this is not there.
var ErrMissing = errors.New("the kernel cannot end sessions: install kmod-nf-conntrack-netlink")

// most is how many sessions are ended by one walk through the kernel's table; while there are more,
// it is walked again.
const most = 1024

// Table is the kernel's table of sessions. It takes CAP_NET_ADMIN in the user namespace that owns the
// network namespace. The zero Table is ready; it may be used from several goroutines.
type Table struct{}

// Check returns why sessions cannot be ended: ErrMissing, or that a right is missing.
func (Table) Check() error {
	c, err := netlink.Dial(unix.NETLINK_NETFILTER)
	if err != nil {
		return explain(err)
	}
	defer c.Close()
	return explain(c.Ask(message(getStats, unix.NLM_F_DUMP, unix.AF_UNSPEC, nil), ignore))
}

// End ends the sessions that came from a network, or from anywhere if it is not valid, and that which
// says yes to; it is asked once for each. It returns how many those were that were not over by themselves.
//
// A TCP session is not forgotten: its packets would be taken for those of a new one, and the first
// that the server sends (nothing forbids it) would let the others back in. It is put back to where
// nothing but a SYN was seen, which makes every further packet of the client invalid, and kept so
// for a day. Sessions of other protocols, and those that the flow offload has taken over, are deleted.
func (Table) End(from netip.Prefix, which func(door.Session) bool) (n int, err error) {
	c, err := netlink.Dial(unix.NETLINK_NETFILTER)
	if err != nil {
		return 0, explain(err)
	}
	defer c.Close()
	own, err := ownAddresses()
	if err != nil {
		return 0, err
	}
	for _, family := range families(from.Addr()) {
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

// endSome ends up to most sessions of one family, and reports whether there are more.
func endSome(c *netlink.Conn, family uint8, from netip.Prefix, which func(door.Session) bool) (n int, more bool, err error) {
	var found []entry
	err = c.Ask(message(get, unix.NLM_F_DUMP, family, only(from)), func(m netlink.Message) error {
		e, err := parse(m)
		switch {
		case err != nil:
			return err
		case e.ended() || from.IsValid() && !from.Contains(e.session.From.Addr()):
		case len(found) == most:
			more = true // perhaps; which is asked for it then
		case which(e.session):
			found = append(found, e.clone())
		}
		return nil
	})
	if err != nil {
		return 0, false, err
	}
	var errs error
	for _, e := range found {
		err := c.Ask(e.end(family), ignore)
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

// ignore is for answers that say only whether something was done.
func ignore(netlink.Message) error { return nil }

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
	list, err := netlink.Addresses()
	if err != nil {
		return nil, err
	}
	own := make(map[netip.Addr]bool, len(list))
	for _, a := range list {
		own[a.Network.Addr()] = true
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
