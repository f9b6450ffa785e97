// SPDX-License-Identifier: Apache-2.0

package seal

import (
	"cmp"
	"errors"
	"slices"
	"sort"
	"time"
)

// What Ring.Open refuses with.
var (
	ErrUnknownKey = errors.New("no client's key fits")
	ErrBadMessage = errors.New("a client's hint, but not its message")
)

// MaxSkew is the usual limit on the difference between a sender's clock and the router's.
const MaxSkew = 90 * time.Second

// maxHints is how many hints are worth giving to the kernel, whose filters have at most 4096
// instructions (BPF_MAXINSNS): 409 clients at the usual skew, or 17 at an hour's.
const maxHints = 2048

// Ring holds the keys of all clients on the router's side. It is not safe for concurrent use.
type Ring struct {
	// MaxSkew is by how much a sender's clock and the router's may differ. It must not change
	// after the first Advance. Messages up to it are always found; some beyond it too.
	MaxSkew time.Duration

	keys   []member
	latest heard // of all clients, in this run
	synced bool
	table  []hintEntry         // sorted by hint; at most one for each epoch in the windows of each key
	bytes  [hintSize][256]bool // bytes of hints that are expected now, by their place
	msg    [LongSize]byte      // scratch
	body   [longBody]byte      // scratch
}

// member is one client's key, and what is known of its clock.
type member struct {
	sealer
	heard     heard
	want, has windows // what the table is to cover, and what it covers
	now       windows // what bytes covers
}

// hintEntry says that a key has this hint in this epoch. Clients may share hints.
type hintEntry struct {
	hint  [hintSize]byte
	key   int32
	epoch uint64
}

// NewRing returns a ring in which the client numbers are the indexes of keys. Before the first
// Advance it behaves as with a clock that is not synchronised.
func NewRing(keys []Key) *Ring {
	r := &Ring{MaxSkew: MaxSkew, keys: make([]member, len(keys))}
	h := newHasher()
	for i, k := range keys {
		r.keys[i] = member{sealer: newSealer(h, k), has: windows{nothing, nothing, nothing}}
	}
	return r
}

// Advance computes the hints that are expected in now's epoch, and reports whether Hints changed. It
// must be called at least once an epoch (see NextEpoch), and when the clock becomes synchronised
// or ceases to be.
func (r *Ring) Advance(now time.Time, synced bool) (changed bool) {
	changed = r.synced != synced
	stale := changed
	r.synced = synced
	for i := range r.keys {
		k := &r.keys[i]
		want, now := r.expect(i, now, synced)
		stale = stale || want != k.want || now != k.now
		k.want, k.now = want, now
	}
	if !stale {
		return false
	}
	r.fill()
	r.mark()
	return changed || synced
}

// fill makes the table cover what is wanted. It computes only what the table does not have yet: one
// HMAC for each key and window when an epoch has passed.
func (r *Ring) fill() {
	r.table = slices.DeleteFunc(r.table, func(e hintEntry) bool { return !r.keys[e.key].want.has(e.epoch) })
	for i := range r.keys {
		k := &r.keys[i]
		for n, w := range k.want {
			for epoch := w.first; epoch <= w.last; epoch++ {
				if !k.has.has(epoch) && !k.want.before(n, epoch) {
					r.table = append(r.table, hintEntry{k.hintOf(epoch), int32(i), epoch})
				}
			}
		}
		k.has = k.want
	}
	sort.SliceStable(r.table, func(i, j int) bool { return compareHints(r.table[i].hint, r.table[j].hint) < 0 })
}

func compareHints(a, b [hintSize]byte) int { return cmp.Compare(hintNumber(a), hintNumber(b)) }

func hintNumber(h [hintSize]byte) uint32 { return uint32(h[0])<<16 | uint32(h[1])<<8 | uint32(h[2]) }

// mark notes the bytes of the hints that are expected now.
func (r *Ring) mark() {
	clear(r.bytes[:])
	for _, e := range r.table {
		if r.keys[e.key].now.has(e.epoch) {
			for slot, b := range e.hint {
				r.bytes[slot][b] = true
			}
		}
	}
}

// Hints returns the hints that messages can begin with in this epoch, in ascending order. Nil
// means that every message must pass, because the hints are not known or are more than maxHints;
// it is not nil but empty if there is no key.
func (r *Ring) Hints() [][hintSize]byte {
	if !r.synced || len(r.table) > maxHints {
		return nil
	}
	hints := make([][hintSize]byte, 0, len(r.table))
	for _, e := range r.table {
		hints = append(hints, e.hint)
	}
	return slices.Compact(hints)
}

// HintByte reports whether b can be the byte at index slot of a fresh message's hint; slot is 0, 1
// or 2. Messages beyond MaxSkew do not count here. With a clock that is not synchronised any byte can.
func (r *Ring) HintByte(slot int, b byte) bool { return !r.synced || r.Expects(slot, b) }

// Expects is HintByte for what is expected also when the clock is not synchronised.
func (r *Ring) Expects(slot int, b byte) bool {
	return slot >= 0 && slot < hintSize && r.bytes[slot][b]
}

// Cost returns how many keys OpenExpected would try on a message, and how many Open would try on one
// that OpenExpected does not open: what a caller that must bound its work counts.
func (r *Ring) Cost(message []byte) (expected, all int) {
	if !r.synced && whole(message) {
		all = len(r.keys)
	}
	return len(r.withHint(message)), all
}

// Candidate returns the nth client that OpenAs could open a message for, from 0 on: with a synchronised clock those
// whose hint it has, else all. ok is false if there are no more. Rarely a client comes twice.
func (r *Ring) Candidate(message []byte, n int) (client int, ok bool) {
	if !r.synced {
		return n, n < len(r.keys) && whole(message)
	}
	list := r.withHint(message)
	if n >= len(list) {
		return 0, false
	}
	return int(list[n].key), true
}

// Open returns what a message says, and the number of the client whose key fits. It fails with
// ErrUnknownKey or ErrBadMessage, and then allocates nothing. It costs one or two HMACs for each
// client with the message's hint, and none if there is no such client; with a clock that is not
// synchronised, when a message can be of any epoch, two for each client.
func (r *Ring) Open(message []byte) (client int, b Body, err error) {
	if !whole(message) {
		return 0, Body{}, ErrBadMessage
	}
	if r.synced {
		return r.OpenExpected(message)
	}
	for i := range r.keys {
		if b, fits, ok := r.openAs(i, message); ok {
			return i, b, nil
		} else if fits {
			return 0, Body{}, ErrBadMessage
		}
	}
	return 0, Body{}, ErrUnknownKey // a message that none opens may be anything
}

// OpenExpected is Open for messages whose hints are expected, with a synchronised clock or not.
func (r *Ring) OpenExpected(message []byte) (client int, b Body, err error) {
	err = ErrUnknownKey
	for _, e := range r.withHint(message) {
		if b, _, ok := r.openAs(int(e.key), message); ok {
			return int(e.key), b, nil
		}
		err = ErrBadMessage
	}
	return 0, Body{}, err
}

// OpenAs is Open with the key of one client. With a synchronised clock it costs nothing if the
// message has not that client's hint.
func (r *Ring) OpenAs(client int, message []byte) (b Body, ok bool) {
	if !whole(message) || r.synced && !r.fits(client, message) {
		return Body{}, false
	}
	b, _, ok = r.openAs(client, message)
	return b, ok
}

// fits reports whether a message has a hint of this client that is expected.
func (r *Ring) fits(client int, message []byte) bool {
	return slices.ContainsFunc(r.withHint(message), func(e hintEntry) bool { return int(e.key) == client })
}

// openAs opens a message of a right length with one key. fits reports whether it was sealed with that
// key, ok that it says something, and has the hint of its epoch.
func (r *Ring) openAs(client int, message []byte) (b Body, fits, ok bool) {
	k := &r.keys[client]
	msg := r.msg[:copy(r.msg[:], message)] // so that the caller's bytes can stay on its stack
	body := r.body[:len(msg)-headSize]
	if !k.open(body, msg) {
		return Body{}, false, false
	}
	b, ok = parseBody(body)
	return b, true, ok && k.hintOf(b.Stamp/epochMillis) == [hintSize]byte(msg)
}

// whole reports whether a message has one of the two lengths.
func whole(message []byte) bool { return len(message) == ShortSize || len(message) == LongSize }

// withHint returns the part of the table that has the hint of a whole message.
func (r *Ring) withHint(message []byte) []hintEntry {
	if !whole(message) {
		return nil
	}
	hint := [hintSize]byte(message)
	first, _ := slices.BinarySearchFunc(r.table, hint, func(e hintEntry, h [hintSize]byte) int {
		return compareHints(e.hint, h)
	})
	end := first
	for end < len(r.table) && r.table[end].hint == hint {
		end++
	}
	return r.table[first:end]
}
