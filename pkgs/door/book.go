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

// The limits of a Book whose Limits are zero. A grant takes up to 400 bytes on a 64-bit system, so a book that is
// full takes 4 MB. Most of it is given back as grants end.
const (
	defaultPerClient = 32
	defaultTotal     = 10240

	// perDoor is how many grants of one door a client may need: one of each family, in the network that his device
	// has just left and in the one where it is now.
	perDoor = 4
)

// Errors that Book's methods wrap.
var (
	ErrNoDoor    = errors.New("no such door")
	ErrNoAddress = errors.New("no address to open for")
	ErrTooMany   = errors.New("too many grants")
)

// Limits bound a Book, and with it the sets in the kernel.
type Limits struct {
	// PerClient is how many grants one client may have at a time, or one knock that is nobody's, in one share of
	// his; 0 = the default or, if that is more, four for each of his doors: see Ask.Doors.
	PerClient int
	Total     int // grants at a time; 0 = the default
}

// Ask is a wish for a grant that was already authorised.
type Ask struct {
	Door    string
	Address netip.Addr    // who asks; Door.Network says who else is let in
	For     time.Duration // 0 or less is the door's own OpenFor; more than MaxOpen is MaxOpen
	Client  string
	Knock   string
	Share   string // counted apart from the holder's other grants: see Limits.PerClient
	Doors   int    // how many doors the holder may open; he opens them all with one knock, from an address of each family
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
	grants table           // at most limits.Total

	reasons map[string]error // by door: why the firewall cannot serve it, nil if it can; none = not known yet
}

// NewBook returns an empty book without doors.
func NewBook(fw Firewall, l Limits) *Book {
	return &Book{
		fw:      fw,
		limits:  Limits{l.PerClient, cmp.Or(l.Total, defaultTotal)},
		doors:   map[string]Door{},
		reasons: map[string]error{},
	}
}

// SetDoors replaces the doors. Grants of doors that remain are kept, shortened where the door's new
// MaxOpen demands it; those of doors that are gone, and those for networks of another width than the door's
// new one, are closed and returned. New doors count as pending until the next Sync, which the caller owes, and by which
// the firewall hears of new ends.
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

	gone := b.sorted(func(e *Grant) bool {
		d, stays := b.doors[e.Door]
		return !stays || d.Network(e.Network.Addr()) != e.Network
	})
	var errs FirstErrors
	b.end(now, was, gone, &errs)
	for _, g := range b.sorted(everyGrant) {
		b.Shorten(g.Grant, now.Add(b.doors[g.Door].MaxOpen))
	}
	return copies(gone), errs.Join()
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
	old := b.grants.get(at)
	extended = old != nil && now.Before(old.Until)
	if extended {
		g.Since = old.Since
		if old.Until.After(g.Until) {
			g = old.Grant
		}
	}
	g.Share = a.Share
	if err := b.room(now, old, owner{at.holder, a.Share}, a.Doors); err != nil {
		return Grant{}, false, fmt.Errorf("door %q to %s: %w", g.Door, Name(g.Network), err)
	}
	if err := b.place(now, &g); err != nil {
		return Grant{}, false, fmt.Errorf("door %q to %s: %w", g.Door, Name(g.Network), err)
	}
	b.grants.put(g)
	return g, extended, nil
}

// Holder is whose grant it is: the client's or, where it is nobody's in particular, that of the way in
// which it was asked for. Limits count by it, and only the holder's own knock may close it.
func (g *Grant) Holder() string { return cmp.Or(g.Client, g.Knock) }

// room says whether a grant, new or in place of an old one, is within the limits.
func (b *Book) room(now time.Time, old *entry, who owner, doors int) error {
	own, most := b.grants.owned[who], cmp.Or(b.limits.PerClient, max(defaultPerClient, perDoor*doors))
	if own >= most { // some may be over, or be the old one
		own -= b.grants.countOver(now, 0, who)
		if old != nil && now.Before(old.Until) && old.owner() == who {
			own--
		}
	}
	if own >= most {
		return fmt.Errorf("%s has %d: %w", who.holder, own, ErrTooMany)
	}
	// What has expired counts too until Expire was called, so that the table itself is bounded.
	if in, most := b.Room(); old == nil && in >= most {
		return fmt.Errorf("there are %d: %w", in, ErrTooMany)
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
	b.markInForce(now, g)
	return nil
}

// markInForce notes that the firewall has a grant.
func (b *Book) markInForce(now time.Time, g *Grant) {
	g.Pending = false
	if g.Since.IsZero() {
		g.Since = now
	}
}

// longest returns the longest of the other grants by which a network may use a door, nil if there is
// none.
func (b *Book) longest(now time.Time, but use) (longest *Grant) {
	for e := b.grants.places[but.place]; e != nil; e = e.next {
		if e.Holder() != but.holder && now.Before(e.Until) && (longest == nil || e.Until.After(longest.Until)) {
			longest = &e.Grant
		}
	}
	return longest
}

// Next returns when Expire will next have something to do, the zero time if never.
func (b *Book) Next() time.Time {
	if len(b.grants.ends) == 0 {
		return time.Time{}
	}
	return b.grants.ends[0].Until
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
	var errs FirstErrors
	errs.Add(err)
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
		case known && sameReason(is, was):
		case is != nil:
			unserved = append(unserved, Unserved{Door: name, Reason: is})
		default:
			ready = append(ready, name)
		}
	}
	for _, g := range b.sorted(everyGrant) {
		lacking := lacks[g.Door] == family(g.Network)
		switch {
		case b.reasons[g.Door] != nil, lacking && !g.Since.IsZero():
			g.Pending = true // what was in force once is again when its set is there
		case !g.Pending || !now.Before(g.Until):
		case err == nil && !lacking:
			b.markInForce(now, &g.Grant)
		default:
			// It may be of the family for which the door turns out to have no set.
			if err := b.place(now, &g.Grant); errors.Is(err, ErrFamily) {
				b.grants.drop(g)
			} else {
				errs.Add(err)
			}
		}
	}
	sortNames(ready)
	sortUnserved(unserved)
	return ready, unserved, errs.Join()
}

// sameReason reports whether two reasons say the same to a person. That a set is missing is the same
// whichever of a door's two sets says so.
func sameReason(a, b error) bool {
	if a == nil || b == nil {
		return a == b
	}
	return errors.Is(a, ErrPending) && errors.Is(b, ErrPending) || a.Error() == b.Error()
}

// elements returns for each door and network that has a grant the one that lasts longest.
func (b *Book) elements(now time.Time) []Grant {
	var list []Grant
	for _, e := range b.current(now, everyGrant) {
		if last := len(list) - 1; last >= 0 && list[last].Door == e.Door && list[last].Network == e.Network {
			if e.Until.After(list[last].Until) {
				list[last] = e.Grant
			}
			continue
		}
		list = append(list, e.Grant)
	}
	return list
}

// Grants returns the grants that are not over, by door, network and holder.
func (b *Book) Grants(now time.Time) []Grant {
	return b.Select(now, everyGrant)
}

// Select is Grants of those only that are wanted. Where that is few of many, it takes a look at each and no more.
func (b *Book) Select(now time.Time, wanted func(*Grant) bool) []Grant {
	return copies(b.current(now, wanted))
}

func (b *Book) current(now time.Time, wanted func(*Grant) bool) []*entry {
	return b.sorted(func(g *Grant) bool { return now.Before(g.Until) && wanted(g) })
}

func everyGrant(*Grant) bool { return true }

func copies(list []*entry) []Grant {
	grants := make([]Grant, len(list))
	for i, e := range list {
		grants[i] = e.Grant
	}
	return grants
}

// IsOpen reports whether some grant of a door that is in force is for a network.
func (b *Book) IsOpen(now time.Time, door string, n netip.Prefix) bool {
	for e := b.grants.places[place{door, n}]; e != nil; e = e.next {
		if now.Before(e.Until) && !e.Pending {
			return true
		}
	}
	return false
}

// Room returns how many grants there are, and how many there can be.
func (b *Book) Room() (in, most int) { return len(b.grants.ends), b.limits.Total }

// Unserved returns the doors that the firewall could not serve when it was last asked, by name. Of a
// door for which it was not asked yet, the reason is ErrPending.
func (b *Book) Unserved() []Unserved {
	var list []Unserved
	for name := range b.doors {
		if why := b.Reason(name); why != nil {
			list = append(list, Unserved{Door: name, Reason: why})
		}
	}
	sortUnserved(list)
	return list
}

// Reason is why Unserved returns a door, nil if it does not.
func (b *Book) Reason(door string) error {
	_, is := b.doors[door]
	if why, known := b.reasons[door]; known || !is {
		return why
	}
	return ErrPending
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

func sortUnserved(list []Unserved) {
	sort.Slice(list, func(i, j int) bool { return list[i].Door < list[j].Door })
}

// sorted returns the grants that are wanted, over or not, in their order. Thousands of pointers are sorted in a tenth
// of the time that as many grants take.
func (b *Book) sorted(wanted func(*Grant) bool) []*entry {
	var found []*entry
	for _, e := range b.grants.ends {
		if wanted(&e.Grant) {
			found = append(found, e)
		}
	}
	sortGrants(found)
	return found
}

// sortGrants sorts grants. Package sort has one code for all types, package slices one for each: the router's program
// must stay small.
func sortGrants(list []*entry) {
	sort.Slice(list, func(i, j int) bool { return list[i].before(&list[j].Grant) })
}

// before is the order of grants: by door, network and holder, in which no two are alike.
func (g *Grant) before(other *Grant) bool {
	switch {
	case g.Door != other.Door:
		return g.Door < other.Door
	case g.Network != other.Network:
		return g.Network.Addr().Less(other.Network.Addr())
	}
	return g.Holder() < other.Holder()
}
