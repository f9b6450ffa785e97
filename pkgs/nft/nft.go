// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/door"
)

// DefaultTable is the name of OpenWrt's firewall table.
const DefaultTable = "fw4"

// prefix begins the names of our sets. Its number changes with the type of the sets, since fw4
// cannot reload a set whose type changed.
const prefix = "latchkey1_"

// tolerance is by how much the kernel's idea of what is left of a grant may differ from ours
// before Sync corrects it.
const tolerance = time.Second

// chunk is how many elements go into one netlink message: the attribute that holds them has a
// 16-bit length, and an element takes up to 44 bytes.
const chunk = 500

// Config is what a Firewall works on.
type Config struct {
	Table string // a table of family inet; "" = DefaultTable
}

// Firewall keeps grants as elements of nftables sets. Each door has two, latchkey1_NAME_4 of type
// ipv4_addr and latchkey1_NAME_6 of type ipv6_addr, both with the flag timeout, which somebody
// else makes and refers to in rules. The kernel ends each grant by itself.
//
// It takes CAP_NET_ADMIN in the user namespace that owns the network namespace.
// A Firewall may be used from several goroutines.
type Firewall struct {
	table *nftables.Table

	mu   sync.Mutex
	conn *nftables.Conn // nil after an error that leaves its state unknown

	port    atomic.Uint32 // netlink port of conn, by which changes of our own are known
	changes *watcher
}

var _ door.Firewall = (*Firewall)(nil)

// Open connects to nftables and begins to watch for changes. The table need not exist yet.
func Open(cfg Config) (*Firewall, error) {
	f := &Firewall{table: &nftables.Table{
		Family: nftables.TableFamilyINet,
		Name:   cmp.Or(cfg.Table, DefaultTable),
	}}
	if _, err := f.dial(); err != nil {
		return nil, f.explain(err)
	}
	var err error
	if f.changes, err = watch(func(port uint32) bool { return port == f.port.Load() }); err != nil {
		err = f.explain(err)
		return nil, errors.Join(err, f.conn.CloseLasting())
	}
	return f, nil
}

// Changed receives a value after somebody else changed any of nftables, once for many changes.
// It is then time for a Sync. The firewall's own changes are not told.
func (f *Firewall) Changed() <-chan struct{} { return f.changes.changed }

// Shutdown ends the connection to nftables. What is open stays open until its time.
func (f *Firewall) Shutdown() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.changes.close()
	if f.conn == nil {
		return nil
	}
	err := f.conn.CloseLasting()
	f.conn = nil
	return err
}

// Open is door.Firewall's.
func (f *Firewall) Open(now time.Time, g door.Grant) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	six := g.Address.Is6()
	e, ok := element(now, g)
	if !ok {
		return f.replace(g.Door, six, []nftables.SetElement{e}, nil)
	}
	err := f.replace(g.Door, six, nil, []nftables.SetElement{e})
	if errors.Is(err, door.ErrPending) && f.has(g.Door, !six) {
		return fmt.Errorf("no set %s: %w", SetName(g.Door, six), door.ErrFamily)
	}
	return err
}

// has tells whether there is a set.
func (f *Firewall) has(name string, six bool) bool {
	conn, err := f.dial()
	if err != nil {
		return false
	}
	_, err = conn.GetSetByName(f.table, SetName(name, six))
	return err == nil
}

// Close is door.Firewall's.
func (f *Firewall) Close(name string, address netip.Addr) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	gone := []nftables.SetElement{{Key: address.AsSlice()}}
	if err := f.replace(name, address.Is6(), gone, nil); !errors.Is(err, door.ErrPending) {
		return err
	}
	return nil
}

// Sync is door.Firewall's. A door is missing if it has neither set. It changes nothing where
// nothing differs.
func (f *Firewall) Sync(now time.Time, doors []string, grants []door.Grant) (unserved []door.Unserved, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var errs []error
	for _, name := range doors {
		has4, err4 := f.syncSet(now, name, false, grants)
		has6, err6 := f.syncSet(now, name, true, grants)
		if err := errors.Join(err4, err6); err != nil {
			errs = append(errs, err) // one door's trouble must not keep the others from being right
		} else if !has4 && !has6 {
			unserved = append(unserved, door.Unserved{Door: name, Reason: door.ErrPending})
		}
	}
	return unserved, errors.Join(errs...)
}

// syncSet makes one set hold what it should. It says whether there is such a set.
func (f *Firewall) syncSet(now time.Time, name string, six bool, grants []door.Grant) (there bool, err error) {
	want := map[netip.Addr]nftables.SetElement{}
	for _, g := range grants {
		if g.Door == name && g.Address.Is6() == six {
			if e, ok := element(now, g); ok {
				want[g.Address] = e
			}
		}
	}
	have, err := f.elements(name, six)
	if errors.Is(err, door.ErrPending) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	var gone, fresh []nftables.SetElement
	for _, e := range have {
		a, _ := netip.AddrFromSlice(e.Key)
		w, ok := want[a]
		switch {
		case !ok:
			gone = append(gone, nftables.SetElement{Key: e.Key})
		case e.Expires != 0 && (w.Timeout-e.Expires).Abs() <= tolerance:
			delete(want, a) // it is right already
		}
	}
	for _, e := range want {
		fresh = append(fresh, e)
	}
	err = f.replace(name, six, gone, fresh)
	return !errors.Is(err, door.ErrPending), ignorePending(err)
}

// ignorePending turns the error of a set that went away meanwhile into none.
func ignorePending(err error) error {
	if errors.Is(err, door.ErrPending) {
		return nil
	}
	return err
}

// elements reads a set. It wraps ErrPending if there is no such set.
func (f *Firewall) elements(name string, six bool) ([]nftables.SetElement, error) {
	conn, err := f.dial()
	if err != nil {
		return nil, f.explain(err)
	}
	// GetSetElements does not tell a missing set from other errors, GetSetByName does.
	set, err := conn.GetSetByName(f.table, SetName(name, six))
	if err == nil {
		var e []nftables.SetElement
		if e, err = conn.GetSetElements(set); err == nil {
			return e, nil
		}
	}
	return nil, f.failed(name, six, err)
}

// replace removes the elements of gone from a set and puts those of fresh into it, each with its
// timeout counting from now, in one transaction. It wraps ErrPending if there is no such set.
//
// Each element is added, deleted, and those of fresh added again. The first step makes sure that
// the second finds it, however many of them expire meanwhile; the second, that the third sets the
// timeout, since before Linux 6.12 adding what is there changes nothing, silently. To try the
// deletion first and to go on without it is not the same: a transaction that fails makes the kernel
// wait for an RCU grace period (15 ms on average, against 0.02 ms for one that succeeds).
func (f *Firewall) replace(name string, six bool, gone, fresh []nftables.SetElement) error {
	set := &nftables.Set{Table: f.table, Name: SetName(name, six), HasTimeout: true}
	for len(gone)+len(fresh) > 0 {
		conn, err := f.dial()
		if err != nil {
			return f.explain(err)
		}
		var g, n []nftables.SetElement
		g, gone = split(gone)
		n, fresh = split(fresh)
		for _, step := range []struct {
			elements []nftables.SetElement
			do       func(*nftables.Set, []nftables.SetElement) error
		}{
			{g, conn.SetAddElements}, {g, conn.SetDeleteElements},
			{n, conn.SetAddElements}, {n, conn.SetDeleteElements}, {n, conn.SetAddElements},
		} {
			if len(step.elements) == 0 {
				continue
			}
			if err := step.do(set, step.elements); err != nil {
				return f.failed(name, six, err)
			}
		}
		if err := conn.Flush(); err != nil {
			return f.failed(name, six, first(err))
		}
	}
	return nil
}

// first returns the first of several errors: of a transaction, the one that the others follow from.
func first(err error) error {
	var joined interface{ Unwrap() []error }
	for errors.As(err, &joined) {
		err = joined.Unwrap()[0]
	}
	return err
}

// split cuts off what fits into one message.
func split(e []nftables.SetElement) (first, rest []nftables.SetElement) {
	n := min(len(e), chunk)
	return e[:n], e[n:]
}

// element returns what a grant is in a set. It is false if the grant is over.
func element(now time.Time, g door.Grant) (nftables.SetElement, bool) {
	// Whole milliseconds rounded down; the kernel rounds up to its tick, 10 ms at the most.
	left := g.Until.Sub(now).Truncate(time.Millisecond)
	return nftables.SetElement{Key: g.Address.AsSlice(), Timeout: max(left, 0)}, left > 0
}

// SetName returns the name of a door's set for IPv6 or IPv4.
func SetName(name string, six bool) string {
	if six {
		return prefix + name + "_6"
	}
	return prefix + name + "_4"
}

// dial returns the connection, a new one if need be.
func (f *Firewall) dial() (*nftables.Conn, error) {
	if f.conn != nil {
		return f.conn, nil
	}
	conn, err := nftables.New(nftables.AsLasting(), nftables.WithSockOptions(func(c *netlink.Conn) error {
		f.port.Store(c.PID())
		return nil
	}))
	if err != nil {
		return nil, err
	}
	f.conn = conn
	return conn, nil
}

// failed turns an error about a set into one for people. After an error that leaves replies
// unread, or that nobody expects, the next call gets a new connection.
func (f *Firewall) failed(name string, six bool, err error) error {
	if errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("set %s of table inet %s: %w", SetName(name, six), f.table.Name, door.ErrPending)
	}
	_ = f.conn.CloseLasting()
	f.conn = nil
	if errors.Is(err, unix.EINVAL) {
		kind := "ipv4_addr"
		if six {
			kind = "ipv6_addr"
		}
		err = fmt.Errorf("%w (is it of type %s with flag timeout?)", err, kind)
	}
	return f.explain(fmt.Errorf("set %s of table inet %s: %w", SetName(name, six), f.table.Name, err))
}

// explain adds what a person can do about an error.
func (f *Firewall) explain(err error) error {
	if errors.Is(err, unix.EPERM) {
		return fmt.Errorf("nftables: %w (it takes CAP_NET_ADMIN)", err)
	}
	return fmt.Errorf("nftables: %w", err)
}
