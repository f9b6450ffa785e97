// SPDX-License-Identifier: Apache-2.0

package door

import (
	"container/heap"
	"net/netip"
	"time"
)

// table holds the grants of a Book, and finds those for one place, the number of those of one owner, and the one that
// ends first without a look at the others: a knock takes as long with ten thousand of them as with one.
type table struct {
	places map[place]*entry // the first one of each place, which knows the next: as many as holders have one there
	owned  map[owner]int    // over or not
	ends   ends             // all of them
	most   int              // how many there were since its room was made
}

// place is what a grant is for.
type place struct {
	door    string
	network netip.Prefix
}

// owner is who has the grants that one limit is for.
type owner struct{ holder, share string }

// use is what a grant is unique in: two clients may each have a grant of a door for one network. The
// network is let in as long as one of them lasts. Those of a door are all as Door.Network says, so that two of
// them are the same or have no address in common.
type use struct {
	place
	holder string
}

// useOf returns whose use of which door a grant is.
func useOf(g *Grant) use { return use{place{g.Door, g.Network}, g.Holder()} }

// entry is a grant in a table.
type entry struct {
	Grant
	next *entry // of the same place
	rank int    // its index in ends
	kept bool   // see Book.end
}

func (e *entry) owner() owner { return owner{e.Holder(), e.Share} }

// get returns a grant, nil if there is none.
func (t *table) get(u use) *entry {
	e := t.places[u.place]
	for e != nil && e.Holder() != u.holder {
		e = e.next
	}
	return e
}

// put adds a grant, or puts it in place of the one of the same use.
func (t *table) put(g Grant) {
	if old := t.get(useOf(&g)); old != nil {
		t.drop(old)
	}
	t.add(&entry{Grant: g})
}

// add adds an entry that is not in the table, nor another one of its use.
func (t *table) add(e *entry) {
	if t.places == nil {
		t.places, t.owned = map[place]*entry{}, map[owner]int{}
	}
	at := place{e.Door, e.Network}
	e.next = t.places[at]
	t.places[at] = e
	t.owned[e.owner()]++
	heap.Push(&t.ends, e)
	t.most = max(t.most, len(t.ends))
}

// drop takes a grant out.
func (t *table) drop(e *entry) {
	at := place{e.Door, e.Network}
	if first := t.places[at]; first != e {
		for first.next != e {
			first = first.next
		}
		first.next = e.next
	} else if t.places[at] = e.next; e.next == nil {
		delete(t.places, at)
	}
	if t.owned[e.owner()]--; t.owned[e.owner()] == 0 {
		delete(t.owned, e.owner())
	}
	heap.Remove(&t.ends, e.rank)
	if len(t.ends) <= t.most/4 {
		t.shrink()
	}
}

// shrink gives room back that is not needed any more: maps and slices keep that of the most that they ever had.
func (t *table) shrink() {
	all := t.ends
	*t = table{}
	for _, e := range all {
		t.add(e)
	}
}

// countOver returns how many grants of one owner are over, of those from a rank of ends on that end no sooner than that one.
func (t *table) countOver(now time.Time, rank int, who owner) (n int) {
	if rank < len(t.ends) && !now.Before(t.ends[rank].Until) {
		n = t.countOver(now, 2*rank+1, who) + t.countOver(now, 2*rank+2, who)
		if t.ends[rank].owner() == who {
			n++
		}
	}
	return n
}

// moved is called after a grant got another end.
func (t *table) moved(e *entry) { heap.Fix(&t.ends, e.rank) }

// ends is a heap of grants (container/heap): the first one ends first, and each knows its rank.
type ends []*entry

var _ heap.Interface = (*ends)(nil)

func (h ends) Len() int           { return len(h) }
func (h ends) Less(i, j int) bool { return h[i].Until.Before(h[j].Until) }

func (h ends) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].rank, h[j].rank = i, j
}

func (h *ends) Push(x any) {
	e := x.(*entry)
	e.rank = len(*h)
	*h = append(*h, e)
}

func (h *ends) Pop() any {
	last := len(*h) - 1
	e := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return e
}
