// SPDX-License-Identifier: Apache-2.0

package door

import (
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// Shorten lets a grant end at a time in the book, if it would end later, and reports whether it did. The firewall
// hears of it by the next Sync, which the caller owes: it may be one for thousands of grants.
func (b *Book) Shorten(g Grant, end time.Time) (shortened bool) {
	own := b.grants.get(useOf(&g))
	if own == nil || !end.Before(own.Until) {
		return false
	}
	own.Until = end
	b.grants.moved(own)
	return true
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
	return b.CloseWhere(now, func(g *Grant) bool {
		return g.Door == door && (!address.IsValid() || g.Network == n)
	})
}

// CloseWhere is Close of the grants that are wanted, of all doors. Others of a network let it in until their own end.
func (b *Book) CloseWhere(now time.Time, wanted func(*Grant) bool) (closed []Grant, err error) {
	return b.close(now, b.current(now, wanted))
}

// close ends grants that last, and returns those that it ended. What the firewall did not close stays in the book.
func (b *Book) close(now time.Time, list []*entry) (closed []Grant, err error) {
	var errs FirstErrors
	b.end(now, b.doors, list, &errs)
	for _, e := range list {
		if e.kept {
			b.grants.add(e)
		} else {
			closed = append(closed, e.Grant)
		}
	}
	return closed, errs.Join()
}

// end takes grants, which are in their order, out of the book and out of the firewall: all of a door at once. The
// network of each stays in as long as another grant lasts. Those are kept that the firewall did not end.
func (b *Book) end(now time.Time, doors map[string]Door, list []*entry, errs *FirstErrors) {
	for _, e := range list {
		b.grants.drop(e)
	}
	for len(list) > 0 {
		name, n := list[0].Door, 0
		d := doors[name]
		var shut []netip.Prefix
		var whose []*entry
		for ; n < len(list) && list[n].Door == name; n++ {
			e := list[n]
			if longest := b.longest(now, useOf(&e.Grant)); longest != nil {
				errs.addEnd(b.fw.Open(now, d, *longest), list[n:n+1])
				continue
			}
			whose = append(whose, e)
			if last := len(shut) - 1; last < 0 || shut[last] != e.Network {
				shut = append(shut, e.Network)
			}
		}
		if len(shut) > 0 {
			errs.addEnd(b.fw.Close(d, shut...), whose)
		}
		list = list[n:]
	}
}

// addEnd adds what the firewall says of grants of one door that were to end, and notes whether it keeps them. Where it
// has no set, or one of the wrong kind, there is nothing of ours.
func (f *FirstErrors) addEnd(err error, list []*entry) {
	kept := err != nil && !errors.Is(err, ErrPending) && !errors.Is(err, ErrFamily) && !errors.Is(err, ErrWrongSet)
	for _, e := range list {
		e.kept = kept
	}
	if !kept {
		return
	}
	more := ""
	if n := len(list) - 1; n > 0 {
		more = fmt.Sprintf(" and %d more", n)
	}
	f.Add(fmt.Errorf("door %q to %s%s: %w", list[0].Door, Name(list[0].Network), more, err))
}

// CloseOwn ends one holder's grant of a door that lets an address in. Its network stays in as long as another
// holder's grant lasts: still is that one's holder then. closed is false if there was no such grant.
func (b *Book) CloseOwn(now time.Time, door string, address netip.Addr, holder string) (g Grant, closed bool, still string, err error) {
	at := use{place{door, b.doors[door].Network(address)}, holder}
	if longest := b.longest(now, at); longest != nil {
		still = longest.Holder()
	}
	own := b.grants.get(at)
	if own == nil || !now.Before(own.Until) {
		return Grant{}, false, still, nil
	}
	if _, err := b.close(now, []*entry{own}); err != nil {
		return Grant{}, false, still, err
	}
	return own.Grant, true, still, nil
}

// Expire forgets the grants whose time is over and returns them. The kernel has ended them already.
func (b *Book) Expire(now time.Time) []Grant {
	var over []*entry
	for in, _ := b.Room(); in > 0 && !now.Before(b.grants.ends[0].Until); in-- {
		over = append(over, b.grants.ends[0])
		b.grants.drop(b.grants.ends[0])
	}
	sortGrants(over)
	return copies(over)
}

// FirstErrors is the first ones of many errors: a firewall that is gone refuses every grant. The zero FirstErrors is none.
type FirstErrors struct {
	errs []error // at most 3
	more int     // how many there are beside
}

// Add adds an error, if it is one.
func (f *FirstErrors) Add(err error) {
	switch {
	case err == nil:
	case len(f.errs) < 3:
		f.errs = append(f.errs, err)
	default:
		f.more++
	}
}

// Join is errors.Join of them, with the number of the others.
func (f *FirstErrors) Join() error {
	if f.more == 0 {
		return errors.Join(f.errs...)
	}
	return errors.Join(append(f.errs, fmt.Errorf("and %d more", f.more))...)
}
