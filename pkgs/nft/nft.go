// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/door"
)

// DefaultTable is the name of OpenWrt's firewall table.
const DefaultTable = "fw4"

// The names of our sets begin with one word and a number, which stands for the type of the set, since fw4
// cannot reload a set whose type changed: 1 is addresses, 2 is networks.
const namePrefix = "latchkey"

// tolerance is by how much the kernel's idea of what is left of a grant may differ from ours
// before Sync corrects it.
const tolerance = time.Second

// chunk is how many elements are changed by one transaction: the attribute that holds them has a
// 16-bit length, an element takes up to 80 bytes, and three times that must fit into the socket's buffer.
const chunk = 500

// tries is how often a change is begun again after an error that may pass, see isTemporary. It takes less
// than a millisecond each time, or as long as somebody else's transaction: whoever loads one after the
// other leaves only the moments between them, of which the second is enough unless the machine does something else then.
const tries = 100

// Config is what a Firewall works on.
type Config struct {
	Table string // a table of family inet; "" = DefaultTable
}

// Firewall keeps grants as elements of nftables sets. Each door has two, latchkey1_NAME_4 of type
// ipv4_addr and latchkey1_NAME_6 of type ipv6_addr, both with the flag timeout, which somebody
// else makes and refers to in rules. Where the door is wide, the set is latchkey2_NAME_4 or
// latchkey2_NAME_6, with the flag interval, too. Before it changes a set, a Firewall looks whether it is
// of that kind, and makes the kernel refuse the change if anything happened since. The kernel ends each grant by itself.
//
// It takes CAP_NET_ADMIN in the user namespace that owns the network namespace.
// A Firewall may be used from several goroutines.
type Firewall struct {
	table string
	clock func() time.Time // time.Now

	mu   sync.Mutex
	conn *conn // nil after an error that leaves its state unknown

	port    atomic.Uint32 // netlink port of conn, by which changes of our own are known
	changes *watcher
}

var _ door.Firewall = (*Firewall)(nil)

// Open connects to nftables and begins to watch for changes. The table need not exist yet.
func Open(cfg Config) (*Firewall, error) {
	f := &Firewall{table: cmp.Or(cfg.Table, DefaultTable), clock: time.Now}
	if _, err := f.dial(); err != nil {
		return nil, f.explain(err)
	}
	var err error
	if f.changes, err = watch(func(port uint32) bool { return port == f.port.Load() }); err != nil {
		err = f.explain(err)
		return nil, errors.Join(err, f.conn.Close())
	}
	return f, nil
}

// Changed receives a value after somebody else changed any of nftables, once for many changes.
// It is then time for a Sync. The firewall's own changes do not count.
func (f *Firewall) Changed() <-chan struct{} { return f.changes.changed }

// Shutdown ends the connection to nftables. What is open stays open until its time.
func (f *Firewall) Shutdown() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.changes.close()
	if f.conn == nil {
		return nil
	}
	return f.conn.Close()
}

// passing is a time that goes on from now: what waits for the kernel, or comes behind thousands of others, has less left
// by its turn.
func (f *Firewall) passing(now time.Time) func() time.Time {
	begin := f.clock()
	return func() time.Time { return now.Add(f.clock().Sub(begin)) }
}

// Open is door.Firewall's.
func (f *Firewall) Open(now time.Time, d door.Door, g door.Grant) error {
	at := f.passing(now)
	return f.change(d.Name, func(c *conn) error {
		sets, err := c.look(d)
		if err = cmp.Or(err, sets.reason); err != nil {
			return err
		}
		six := g.Network.Addr().Is6()
		wide := d.Wide(six)
		set := SetName(d.Name, six, wide)
		if why := sets.lacks[family(six)]; why != nil {
			return fmt.Errorf("no set %s: %w", set, why)
		}
		list := []element{grantElement(at(), &g, wide)}
		if list[0].left <= 0 {
			return c.commit([]change{{set: set, gone: list}})
		}
		return c.commit([]change{{set: set, fresh: list}})
	})
}

// Close is door.Firewall's. In a set of the wrong kind is nothing of ours.
//
// Where somebody else put ranges into the set that have addresses in common with a network, such as one that nft
// merged with it, Close takes them out. What else they let in, a Sync has to put back, for which Changed gets a value.
func (f *Firewall) Close(d door.Door, networks ...netip.Prefix) error {
	var errs door.FirstErrors
	for len(networks) > 0 {
		six := networks[0].Addr().Is6()
		var gone []element
		for len(networks) > 0 && len(gone) < chunk && networks[0].Addr().Is6() == six {
			gone = append(gone, newElement(networks[0], d.Wide(six)))
			networks = networks[1:]
		}
		errs.Add(f.closeSome(d, six, gone))
	}
	return errs.Join()
}

// closeSome takes elements out of the set of a door for a family: so many as fit into one transaction.
func (f *Firewall) closeSome(d door.Door, six bool, list []element) (err error) {
	wide := d.Wide(six)
	set := SetName(d.Name, six, wide)
	for again, ranges := true, false; again; {
		err = f.change(d.Name, func(c *conn) error {
			again = false
			is, wrong, err := c.find(d.Name, six, wide)
			if err != nil || !is || wrong != nil {
				return err
			}
			gone := list
			if ranges {
				if gone, err = c.elements(set, wide); err != nil {
					return err
				}
				gone = slices.DeleteFunc(gone, func(x element) bool { return !x.meets(list[0]) })
			}
			return c.commitAll([]change{{set: set, gone: gone}}, func() time.Duration { return 0 })
		})
		half := len(list) / 2
		switch {
		case err == nil:
		case !errors.Is(err, unix.EEXIST) || !wide || ranges:
			return err
		case half > 0: // only where they are merged it takes a look at the whole set
			return errors.Join(f.closeSome(d, six, list[:half]), f.closeSome(d, six, list[half:]))
		default: // this is what the kernel says of ranges that overlap
			again, ranges = true, true
		}
	}
	return nil
}

// change is retry for one grant. An error may hide that the kernel did what it was asked for, when
// only its answer was lost: so it counts as a change that a Sync has to look at.
func (f *Firewall) change(name string, do func(c *conn) error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	err := f.retry(name, do)
	if err != nil && !isReason(err) {
		f.changes.notify()
	}
	return err
}

// Sync is door.Firewall's. It changes nothing where nothing differs. Of a door with one set of the
// wrong kind it empties the other.
func (f *Firewall) Sync(now time.Time, doors []door.Door, grants []door.Grant) (unserved []door.Unserved, err error) {
	at := f.passing(now)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.conn != nil {
		f.conn.sure = false // whatever is known, it is time to look
	}
	of := door.ByDoor(grants)
	var errs door.FirstErrors
	for _, d := range doors {
		u, err := f.syncDoor(at, d, of[d.Name])
		if err != nil {
			errs.Add(err) // one door's trouble must not keep the others from being right
		} else if u.Reason != nil {
			unserved = append(unserved, u)
		}
	}
	return unserved, errs.Join()
}

// syncDoor makes the sets of a door hold its grants. What it returns has a reason if they cannot. It looks at the sets
// once, and again only after an error that may pass: what was done before such a one is right by then.
func (f *Firewall) syncDoor(at func() time.Time, d door.Door, grants []*door.Grant) (u door.Unserved, err error) {
	err = f.retry(d.Name, func(c *conn) error {
		looked := at()
		var changes []change
		var err error
		if changes, u, err = c.compare(looked, d, grants); err != nil {
			return err
		}
		return cmp.Or(c.commitAll(changes, func() time.Duration { return at().Sub(looked) }), u.Reason)
	})
	if isReason(err) {
		err = nil
	}
	return u, err
}

// compare returns what differs in the sets of a door from its grants, and why they cannot hold them, if so.
func (c *conn) compare(now time.Time, d door.Door, grants []*door.Grant) (changes []change, u door.Unserved, err error) {
	sets, err := c.look(d)
	if err != nil {
		return nil, u, err
	}
	u = door.Unserved{Door: d.Name, Reason: sets.reason}
	for i, six := range []bool{false, true} {
		wanted := elementsFor(now, six, d.Wide(six), grants)
		if lacks := sets.lacks[i]; lacks != nil && u.Reason == nil && len(wanted) > 0 { // the other family has a set
			u.Reason, u.Family = lacks, 4+2*i
		}
		for _, wide := range []bool{false, true} {
			is, wrong, err := c.find(d.Name, six, wide)
			if err != nil {
				return nil, u, err
			}
			if !is || wrong != nil {
				continue
			}
			set := SetName(d.Name, six, wide)
			have, err := c.elements(set, wide)
			if err != nil {
				return nil, u, err
			}
			var want []element
			if sets.reason == nil && wide == d.Wide(six) { // else the door was, or was not, wide before
				want = wanted
			}
			gone, fresh := difference(have, want)
			changes = append(changes, change{set, gone, fresh})
		}
	}
	return changes, u, nil
}

// change is what is to be different in a set.
type change struct {
	set         string
	gone, fresh []element
}

// elementsFor is what a set for a family, of networks (wide) or of addresses, is to hold of the grants of its door.
func elementsFor(now time.Time, six, wide bool, grants []*door.Grant) (list []element) {
	for _, g := range grants {
		if g.Network.Addr().Is6() == six {
			if e := grantElement(now, g, wide); e.left > 0 {
				list = append(list, e)
			}
		}
	}
	return list
}

// difference is what makes a set that has elements hold those that are wanted.
func difference(have, wanted []element) (gone, fresh []element) {
	want := make(map[netip.Addr]element, len(wanted)) // no two begin with one address
	for _, e := range wanted {
		want[e.first] = e
	}
	for _, e := range have {
		w, ok := want[e.first]
		switch {
		case !ok || w.behind != e.behind:
			gone = append(gone, e)
		case e.left != 0 && (w.left-e.left).Abs() <= tolerance:
			delete(want, e.first) // it is right already
		}
	}
	for _, e := range want {
		fresh = append(fresh, e)
	}
	return gone, fresh
}

// cut takes off changes, which were found a while ago, what one transaction can do, and returns the rest: no more than
// fits into one, and nothing new in a set out of which something goes. For where networks overlap, the kernel does not
// find the one to delete after it deleted the other (seen with 6.18). A new one whose time is over by now goes instead:
// it may be there, with another end, and has nothing in common with the others.
func cut(changes []change, passed time.Duration) (first, rest []change) {
	room := chunk
	take := func(list *[]element) []element {
		n := min(len(*list), room)
		room -= n
		taken := (*list)[:n]
		*list = (*list)[n:]
		return taken
	}
	for _, c := range changes {
		now := change{set: c.set}
		if len(c.gone) > 0 {
			now.gone = take(&c.gone)
		} else {
			for _, e := range take(&c.fresh) {
				if e.left = (e.left - passed).Truncate(time.Millisecond); e.left > 0 {
					now.fresh = append(now.fresh, e)
				} else {
					now.gone = append(now.gone, e)
				}
			}
		}
		if len(now.gone)+len(now.fresh) > 0 {
			first = append(first, now)
		}
		if len(c.gone)+len(c.fresh) > 0 {
			rest = append(rest, c)
		}
	}
	return first, rest
}

// grantElement returns what a grant is in a set. If the grant is over, nothing is left.
func grantElement(now time.Time, g *door.Grant, wide bool) element {
	e := newElement(g.Network, wide)
	// Whole milliseconds rounded down; the kernel rounds up to its tick, 10 ms at the most.
	e.left = max(g.Until.Sub(now).Truncate(time.Millisecond), 0)
	return e
}

// newElement returns what a network is in a set for networks, or one address in a set for addresses.
func newElement(n netip.Prefix, wide bool) element {
	e := element{first: n.Addr()}
	if wide {
		e.behind = behind(n)
	}
	return e
}

// behind returns the first address above a network; it is not valid if there is none.
func behind(n netip.Prefix) netip.Addr {
	address := n.Addr().AsSlice()
	for i := n.Bits() - 1; i >= 0; i-- { // adds one to its leading bits
		bit := byte(0x80) >> (i % 8)
		if address[i/8] ^= bit; address[i/8]&bit != 0 {
			a, _ := netip.AddrFromSlice(address)
			return a
		}
	}
	return netip.Addr{}
}

// family is an index for a family of addresses.
func family(six bool) int {
	if six {
		return 1
	}
	return 0
}

// SetName returns the name of a door's set for IPv6 (six) or IPv4: that for networks (wide), or that for
// single addresses.
func SetName(name string, six, wide bool) string {
	kind := "1_"
	if wide {
		kind = "2_"
	}
	return namePrefix + kind + name + [2]string{"_4", "_6"}[family(six)]
}

// retry lets do look at the sets of a door and change them, again after an error that may pass,
// such as that somebody else changed nftables between the two: what was looked at is what is changed,
// or nothing is.
//
// That a set is missing is believed only when it was seen between two waits: the kernel answers
// without its lock, and while a transaction replaces a set there is a moment at which neither the
// old nor the new one is found.
func (f *Firewall) retry(name string, do func(c *conn) error) error {
	var err error
	for n, fresh := 0, false; n < tries; n++ {
		err = f.try(do, fresh)
		if missing(err) && !fresh {
			fresh = true
		} else if !isTemporary(err) {
			break
		}
	}
	if err == nil || isReason(err) {
		return err
	}
	return f.explain(fmt.Errorf("sets of door %q in table inet %s: %w", name, f.table, err))
}

// isTemporary reports whether an error may be gone at the next try: somebody else changed nftables (ERESTART),
// also while a list was read (EINTR), the kernel was giving a set more room (EBUSY), or an answer found none
// in the socket (ENOBUFS).
func isTemporary(err error) bool {
	return errors.Is(err, unix.ERESTART) || errors.Is(err, unix.EINTR) || errors.Is(err, unix.EBUSY) || errors.Is(err, unix.ENOBUFS)
}

// missing reports whether an error says that a set is not there.
func missing(err error) bool {
	return errors.Is(err, door.ErrPending) || errors.Is(err, door.ErrFamily)
}

// isReason reports whether an error is about the sets of a door, not about nftables.
func isReason(err error) bool { return missing(err) || errors.Is(err, door.ErrWrongSet) }

// try is one try of retry. If it has to look at everything again, it waits for transactions of others
// before, and where something is missing also after it.
// After an error that is none of the kernel's good answers, replies may be unread: the next try gets a
// new connection. That somebody else was quicker is a good answer, and another connection would make it come again:
// to close one takes the kernel as long as to free what others deleted (nft_rcv_nl_event), 10 to 25 ms, and who loads one
// ruleset after the other has loaded the next one by then.
func (f *Firewall) try(do func(c *conn) error, fresh bool) error {
	c, err := f.dial()
	if err != nil {
		return err
	}
	if fresh || !c.sure {
		err = c.begin()
	}
	if err == nil {
		err = do(c)
	}
	if missing(err) && fresh {
		err = cmp.Or(c.wait(), err)
	}
	switch {
	case err == nil, isReason(err):
	case errors.Is(err, unix.ERESTART):
		c.sure = false
	default:
		_ = c.Close()
		f.conn = nil
	}
	return err
}

// dial returns the connection, a new one if need be.
func (f *Firewall) dial() (*conn, error) {
	if f.conn == nil {
		c, err := open(f.table)
		if err != nil {
			return nil, err
		}
		f.port.Store(c.Port())
		f.conn = c
	}
	return f.conn, nil
}

// explain adds what a person can do about an error.
func (f *Firewall) explain(err error) error {
	if errors.Is(err, unix.EPERM) {
		return fmt.Errorf("nftables: %w (it takes CAP_NET_ADMIN)", err)
	}
	return fmt.Errorf("nftables: %w", err)
}
