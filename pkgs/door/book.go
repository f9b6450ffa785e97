// SPDX-License-Identifier: Apache-2.0

package door

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sort"
	"time"
)

// The limits of a Book whose Limits are zero.
const (
	DefaultPerClient = 32
	DefaultTotal     = 1024
)

// Errors that Book's methods wrap.
var (
	ErrNoDoor    = errors.New("no such door")
	ErrNoAddress = errors.New("no address to open for")
	ErrTooMany   = errors.New("too many grants")
)

// Limits bound a Book, and with it the sets in the kernel.
type Limits struct {
	PerClient int // grants of one client, or of one knock that is nobody's, in one share of his, at a time; 0 = DefaultPerClient
	Total     int // grants at a time, 0 = DefaultTotal
}

// Ask is a wish for a grant that was already authorised.
type Ask struct {
	Door    string
	Address netip.Addr    // who asks; Door.Network says who else is let in
	For     time.Duration // 0 or less is the door's own OpenFor; more than MaxOpen is MaxOpen
	Client  string
	Knock   string
	Share   string // counted apart from the holder's other grants: see Limits.PerClient
}

// Book knows who may use which door until when, and makes the firewall know it too.
//
// Every method takes the time as an argument. Remaining times are differences of two such times,
// so with times that carry a monotonic reading (those of time.Now) a wall clock that jumps does no
// harm. A Book is used from one goroutine at a time.
type Book struct {
	fw     Firewall
	limits Limits
	doors  map[string]Door // as many as the configuration has
	grants map[use]*Grant  // at most limits.Total

	reasons map[string]error // by door: why the firewall cannot serve it, nil if it can; none = not known yet
}

// use is what a grant is unique in: two clients may each have a grant of a door for one network. The
// network is let in as long as one of them lasts. Those of a door are all as Door.Network says, so that two of
// them are the same or have no address in common.
type use struct {
	door    string
	network netip.Prefix
	holder  string
}

// useOf returns whose use of which door a grant is.
func useOf(g *Grant) use { return use{g.Door, g.Network, g.Holder()} }

// NewBook returns an empty book without doors.
func NewBook(fw Firewall, l Limits) *Book {
	return &Book{
		fw:      fw,
		limits:  Limits{cmp.Or(l.PerClient, DefaultPerClient), cmp.Or(l.Total, DefaultTotal)},
		doors:   map[string]Door{},
		grants:  map[use]*Grant{},
		reasons: map[string]error{},
	}
}

// SetDoors replaces the doors. Grants of doors that remain are kept, shortened where the door's new
// MaxOpen demands it; those of doors that are gone, and those for networks of another width than the door's
// new one, are closed and returned. New doors count as pending until the next Sync, which the caller owes.
//
// An error says what the firewall refused; the book has the new doors nevertheless, and what was
// not closed ends with its timeout in the kernel.
func (b *Book) SetDoors(now time.Time, doors []Door) (closed []Grant, err error) {
	next := make(map[string]Door, len(doors))
	reasons := make(map[string]error)
	for _, d := range doors {
		next[d.Name] = d
		if why, known := b.reasons[d.Name]; known {
			reasons[d.Name] = why
		}
	}
	was := b.doors
	b.doors, b.reasons = next, reasons

	var errs []error
	for at, g := range b.grants {
		d, stays := b.doors[at.door]
		if !stays || d.Network(at.network.Addr()) != at.network {
			delete(b.grants, at)
			closed = append(closed, *g)
			errs = append(errs, b.fw.Close(was[at.door], at.network))
			continue
		}
		errs = append(errs, b.shorten(now, g, now.Add(d.MaxOpen)))
	}
	arrange(closed)
	return closed, errors.Join(errs...)
}

// Open opens a door to the network of an address. It asks the firewall first: a grant is in the book only
// when it is in force, or pending because the firewall has no set for the door yet.
//
// A knock at a door that is open to the network already (extended is true) sets its end to the
// later one of the two; a shorter wish never shortens a grant, for that there is Close.
//
// Open wraps ErrNoDoor, ErrNoAddress, ErrTooMany or the firewall's error, and grants nothing then.
func (b *Book) Open(now time.Time, a Ask) (g Grant, extended bool, err error) {
	d, ok := b.doors[a.Door]
	if !ok {
		return Grant{}, false, fmt.Errorf("door %q: %w", a.Door, ErrNoDoor)
	}
	if !a.Address.IsValid() {
		return Grant{}, false, fmt.Errorf("door %q: %w", a.Door, ErrNoAddress)
	}
	length := a.For
	if length <= 0 {
		length = d.OpenFor
	}
	g = Grant{
		Door:    a.Door,
		Network: d.Network(a.Address),
		Until:   now.Add(min(length, d.MaxOpen)),
		Client:  a.Client,
		Knock:   a.Knock,
	}
	at := useOf(&g)
	old := b.grants[at]
	extended = old != nil && now.Before(old.Until)
	if extended {
		g.Since = old.Since
		if old.Until.After(g.Until) {
			g = *old
		}
	}
	g.Share = a.Share
	if err := b.room(now, at, a.Share); err != nil {
		return Grant{}, false, fmt.Errorf("door %q to %s: %w", g.Door, Name(g.Network), err)
	}
	if err := b.place(now, &g); err != nil {
		return Grant{}, false, fmt.Errorf("door %q to %s: %w", g.Door, Name(g.Network), err)
	}
	b.grants[at] = &g
	return g, extended, nil
}

// Holder is whose grant it is: the client's or, where it is nobody's in particular, that of the way in
// which it was asked for. Limits count by it, and only the holder's own knock may close it.
func (g *Grant) Holder() string { return cmp.Or(g.Client, g.Knock) }

// room says whether a grant, new or in place of the one that is there, is within the limits.
func (b *Book) room(now time.Time, fresh use, share string) error {
	own := 0
	for other, g := range b.grants {
		if other != fresh && other.holder == fresh.holder && g.Share == share && now.Before(g.Until) {
			own++
		}
	}
	if own >= b.limits.PerClient {
		return fmt.Errorf("%s has %d: %w", fresh.holder, own, ErrTooMany)
	}
	// What has expired counts too until Expire was called, so that the table itself is bounded.
	if _, there := b.grants[fresh]; !there && len(b.grants) >= b.limits.Total {
		return fmt.Errorf("there are %d: %w", len(b.grants), ErrTooMany)
	}
	return nil
}

// place puts a grant into the firewall and notes whether it, and its door, is pending. The network
// stays in for as long as the longest of its grants.
func (b *Book) place(now time.Time, g *Grant) error {
	element := *g
	if longest := b.longest(now, useOf(g)); longest != nil && longest.Until.After(g.Until) {
		element.Until = longest.Until
	}
	switch err := b.fw.Open(now, b.doors[g.Door], element); {
	case errors.Is(err, ErrPending):
		g.Pending = true
		if !errors.Is(err, ErrWidth) { // else it serves those of the other family
			b.reasons[g.Door] = err
		}
		return nil
	case errors.Is(err, ErrFamily) && !g.Since.IsZero(): // its set went away, and may come back
		g.Pending = true
		return nil
	case err != nil:
		return err // what was pending still is
	}
	g.Pending = false
	if g.Since.IsZero() {
		g.Since = now
	}
	return nil
}

// longest returns the longest of the other grants by which a network may use a door, nil if there is
// none.
func (b *Book) longest(now time.Time, but use) (longest *Grant) {
	for at, g := range b.grants {
		if at.door == but.door && at.network == but.network && at.holder != but.holder && now.Before(g.Until) &&
			(longest == nil || g.Until.After(longest.Until)) {
			longest = g
		}
	}
	return longest
}

// Shorten lets a grant end at a time, if it would end later.
func (b *Book) Shorten(now time.Time, g Grant, end time.Time) error {
	if own := b.grants[useOf(&g)]; own != nil {
		return b.shorten(now, own, end)
	}
	return nil
}

func (b *Book) shorten(now time.Time, g *Grant, end time.Time) error {
	if !end.Before(g.Until) {
		return nil
	}
	g.Until = end
	return b.place(now, g)
}

// Close ends the grants of a door before their time: those that let an address in, or all of them if it
// is not valid. It returns those that were closed, and wraps ErrNoDoor or the firewall's errors; a
// grant that the firewall did not close stays in the book.
func (b *Book) Close(now time.Time, door string, address netip.Addr) (closed []Grant, err error) {
	d, ok := b.doors[door]
	if !ok {
		return nil, fmt.Errorf("door %q: %w", door, ErrNoDoor)
	}
	n := d.Network(address)
	var errs []error
	for at, g := range b.grants {
		if at.door != door || address.IsValid() && at.network != n {
			continue
		}
		if err := b.fw.Close(d, at.network); err != nil {
			errs = append(errs, fmt.Errorf("door %q to %s: %w", at.door, Name(at.network), err))
			continue
		}
		delete(b.grants, at)
		if now.Before(g.Until) {
			closed = append(closed, *g)
		}
	}
	arrange(closed)
	return closed, errors.Join(errs...)
}

// CloseOwn ends one holder's grant of a door that lets an address in. Its network stays in as long as another
// holder's grant lasts: still is that one's holder then. closed is false if there was no such grant.
func (b *Book) CloseOwn(now time.Time, door string, address netip.Addr, holder string) (g Grant, closed bool, still string, err error) {
	d := b.doors[door]
	at := use{door, d.Network(address), holder}
	own := b.grants[at]
	longest := b.longest(now, at)
	if longest != nil {
		still = longest.Holder()
	}
	if own == nil || !now.Before(own.Until) {
		return Grant{}, false, still, nil
	}
	if longest != nil {
		err = b.fw.Open(now, d, *longest)
	} else {
		err = b.fw.Close(d, at.network)
	}
	if err != nil && !errors.Is(err, ErrPending) && !errors.Is(err, ErrFamily) && !errors.Is(err, ErrWrongSet) {
		return Grant{}, false, still, fmt.Errorf("door %q to %s: %w", at.door, Name(at.network), err)
	}
	delete(b.grants, at)
	return *own, true, still, nil
}

// Expire forgets the grants whose time is over and returns them. The kernel has ended them already.
func (b *Book) Expire(now time.Time) []Grant {
	var over []Grant
	for at, g := range b.grants {
		if !now.Before(g.Until) {
			delete(b.grants, at)
			over = append(over, *g)
		}
	}
	arrange(over)
	return over
}

// Next returns when Expire will next have something to do, the zero time if never.
func (b *Book) Next() time.Time {
	var next time.Time
	for _, g := range b.grants {
		if next.IsZero() || g.Until.Before(next) {
			next = g.Until
		}
	}
	return next
}

// sortNames sorts with package sort, as package wire does and for its reason.
func sortNames(names []string) {
	sort.SliceStable(names, func(i, j int) bool { return names[i] < names[j] })
}

// Sync makes the firewall hold what the book says, after the firewall or the doors changed. It
// returns the doors whose state is new: those that the firewall can serve now, and those that it
// cannot, or cannot for another reason than before.
func (b *Book) Sync(now time.Time) (ready []string, unserved []Unserved, err error) {
	names := slices.Collect(maps.Keys(b.doors))
	sortNames(names)
	doors := make([]Door, len(names))
	for i, name := range names {
		doors[i] = b.doors[name]
	}
	all, err := b.fw.Sync(now, doors, b.elements(now))
	errs := []error{err}
	reasons := make(map[string]error, len(b.doors))
	lacks := map[string]int{} // by door: the one family for which there is no set
	for _, u := range all {
		if u.Family != 0 {
			lacks[u.Door] = u.Family
			continue
		}
		reasons[u.Door] = u.Reason
	}
	for name := range b.doors {
		is := reasons[name]
		was, known := b.reasons[name]
		switch b.reasons[name] = is; {
		case known && alike(is, was):
		case is != nil:
			unserved = append(unserved, Unserved{Door: name, Reason: is})
		default:
			ready = append(ready, name)
		}
	}
	for at, g := range b.grants {
		switch {
		case b.reasons[at.door] != nil, lacks[at.door] == family(at.network) && !g.Since.IsZero():
			g.Pending = true // what was in force once is again when its set is there
		case g.Pending && now.Before(g.Until):
			// It may be of the family for which the door turns out to have no set.
			if err := b.place(now, g); errors.Is(err, ErrFamily) {
				delete(b.grants, at)
			} else {
				errs = append(errs, err)
			}
		}
	}
	sortNames(ready)
	arrangeUnserved(unserved)
	return ready, unserved, errors.Join(errs...)
}

// alike tells whether two reasons say the same to a person. That a set is missing is the same
// whichever of a door's two sets says so.
func alike(a, b error) bool {
	if a == nil || b == nil {
		return a == b
	}
	return errors.Is(a, ErrPending) && errors.Is(b, ErrPending) || a.Error() == b.Error()
}

// elements returns for each door and network that has a grant the one that lasts longest.
func (b *Book) elements(now time.Time) []Grant {
	var list []Grant
	for _, g := range b.Grants(now) {
		if last := len(list) - 1; last >= 0 && list[last].Door == g.Door && list[last].Network == g.Network {
			if g.Until.After(list[last].Until) {
				list[last] = g
			}
			continue
		}
		list = append(list, g)
	}
	return list
}

// Grants returns the grants that are not over, by door, network and holder.
func (b *Book) Grants(now time.Time) []Grant {
	var grants []Grant
	for _, g := range b.grants {
		if now.Before(g.Until) {
			grants = append(grants, *g)
		}
	}
	arrange(grants)
	return grants
}

// Unserved returns the doors that the firewall could not serve when it was last asked, by name. Of a
// door for which it was not asked yet, the reason is ErrPending.
func (b *Book) Unserved() []Unserved {
	var list []Unserved
	for name := range b.doors {
		why, known := b.reasons[name]
		if !known {
			why = ErrPending
		}
		if why != nil {
			list = append(list, Unserved{Door: name, Reason: why})
		}
	}
	arrangeUnserved(list)
	return list
}

// family returns of which family a network is: 4 or 6.
func family(n netip.Prefix) int {
	if n.Addr().Is4() {
		return 4
	}
	return 6
}

// plain returns the form of an address that the sets are keyed by: no IPv4 in IPv6, no zone.
func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

func arrangeUnserved(list []Unserved) {
	sort.Slice(list, func(i, j int) bool { return list[i].Door < list[j].Door })
}

// arrange sorts grants by door, network and holder. Package sort has one code for all types, package
// slices one for each: the router's program must stay small.
func arrange(grants []Grant) {
	sort.SliceStable(grants, func(i, j int) bool {
		a, b := &grants[i], &grants[j]
		switch {
		case a.Door != b.Door:
			return a.Door < b.Door
		case a.Network != b.Network:
			return a.Network.Addr().Less(b.Network.Addr())
		}
		return a.Holder() < b.Holder()
	})
}
