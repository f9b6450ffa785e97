// SPDX-License-Identifier: Apache-2.0

package seal

import (
	"cmp"
	"errors"
	"slices"
	"time"
)

// What Ring.Open refuses with.
var (
	ErrUnknownKey = errors.New("no client's key fits")
	ErrBadMessage = errors.New("a client's hint, but not its message")
)

// MaxSkew is the usual limit on the difference between a sender's clock and the router's.
const MaxSkew = 90 * time.Second

// Hints are computed for a wider window than the clocks may differ by, so that a knock from a
// phone whose clock is ten minutes off reaches the daemon and its owner is told why it is
// refused. The width gives way where many clients would make the kernel filter long.
const (
	explainWindow = 15 * time.Minute
	explainHints  = 256
)

// maxHints is how many hints are worth giving to the kernel, whose filters have at most 4096
// instructions (BPF_MAXINSNS): 409 clients at the usual skew, or 17 at an hour's.
const maxHints = 2048

// Ring holds the keys of all clients on the router's side. It is not safe for concurrent use.
type Ring struct {
	// MaxSkew is by how much a sender's clock and the router's may differ. It must not change
	// after the first Advance. Messages up to it are always found; some beyond it too.
	MaxSkew time.Duration

	keys   []*sealer
	synced bool
	window window              // what table covers
	table  []hintEntry         // sorted by hint; at most len(keys) * epochs of the window
	bytes  [hintSize][256]bool // bytes of the hints within MaxSkew, by their place
	msg    [LongSize]byte      // scratch
	body   [longBody]byte      // scratch
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
	r := &Ring{MaxSkew: MaxSkew, window: window{first: 1}}
	for _, k := range keys {
		r.keys = append(r.keys, newSealer(k))
	}
	return r
}

// Advance computes the hints that are good in now's epoch, and tells whether Hints changed. It
// must be called at least once an epoch (see NextEpoch), and when the clock becomes synchronised
// or ceases to be. Without a synchronised clock there are no hints: the epoch is not known, and
// every key is tried.
func (r *Ring) Advance(now time.Time, synced bool) (changed bool) {
	if !synced {
		changed = r.synced
		r.synced, r.table, r.window = false, nil, window{first: 1}
		return changed
	}
	wide := windowAt(now, max(r.MaxSkew, r.explainable()))
	if r.synced && wide == r.window {
		return false
	}
	r.synced = true
	r.fill(wide)
	r.mark(windowAt(now, r.MaxSkew))
	return true
}

// NextEpoch returns when the epoch of now ends. It keeps now's monotonic clock reading.
func NextEpoch(now time.Time) time.Time {
	return now.Add(now.Truncate(Epoch).Add(Epoch).Sub(now))
}

// window is a range of epochs, both ends included.
type window struct{ first, last uint64 }

func (w window) has(epoch uint64) bool { return w.first <= epoch && epoch <= w.last }

// windowAt returns the epochs of all stamps that are within skew of any time in now's epoch: the
// kernel filter is swapped only once per epoch.
func windowAt(now time.Time, skew time.Duration) window {
	end := NextEpoch(now)
	return window{epochAt(end.Add(-Epoch - skew)), epochAt(end.Add(skew - time.Millisecond))}
}

func epochAt(t time.Time) uint64 { return uint64(max(t.UnixMilli(), 0)) / epochMillis }

// explainable returns the width of the window in which the keys have explainHints hints in all.
func (r *Ring) explainable() time.Duration {
	perKey := explainHints / max(len(r.keys), 1)
	return min(explainWindow, time.Duration(perKey-1)/2*Epoch)
}

// fill makes the table cover w. It computes only what the table does not have yet: one HMAC per
// key when an epoch has passed.
func (r *Ring) fill(w window) {
	have := r.window
	r.table = slices.DeleteFunc(r.table, func(e hintEntry) bool { return !w.has(e.epoch) })
	for epoch := w.first; epoch <= w.last; epoch++ {
		if have.has(epoch) {
			continue
		}
		for i, k := range r.keys {
			r.table = append(r.table, hintEntry{k.hintOf(epoch), int32(i), epoch})
		}
	}
	slices.SortStableFunc(r.table, func(a, b hintEntry) int {
		return cmp.Or(compareHints(a.hint, b.hint), cmp.Compare(a.key, b.key), cmp.Compare(a.epoch, b.epoch))
	})
	r.window = w
}

func compareHints(a, b [hintSize]byte) int { return cmp.Compare(hintNumber(a), hintNumber(b)) }

func hintNumber(h [hintSize]byte) uint32 { return uint32(h[0])<<16 | uint32(h[1])<<8 | uint32(h[2]) }

func (r *Ring) mark(w window) {
	clear(r.bytes[:])
	for _, e := range r.table {
		if w.has(e.epoch) {
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

// HintByte tells whether b can be the byte at index slot of a fresh message's hint; slot is 0, 1
// or 2. Messages beyond MaxSkew do not count here.
func (r *Ring) HintByte(slot int, b byte) bool {
	return !r.synced || slot >= 0 && slot < hintSize && r.bytes[slot][b]
}

// Open returns what a message says, and the number of the client whose key fits. It fails with
// ErrUnknownKey or ErrBadMessage, and then allocates nothing. It costs one or two HMACs for each
// client with the message's hint, and none if there is no such client; with a clock that is not
// synchronised, two for each client.
func (r *Ring) Open(message []byte) (client int, b Body, err error) {
	if len(message) != ShortSize && len(message) != LongSize {
		return 0, Body{}, ErrBadMessage
	}
	msg := r.msg[:copy(r.msg[:], message)] // so that the caller's bytes can stay on its stack
	if !r.synced {
		return r.openAny(msg)
	}
	hint := [hintSize]byte(msg)
	i, found := slices.BinarySearchFunc(r.table, hint, func(e hintEntry, h [hintSize]byte) int {
		return compareHints(e.hint, h)
	})
	if !found {
		return 0, Body{}, ErrUnknownKey
	}
	body := r.body[:len(msg)-headSize]
	for ; i < len(r.table) && r.table[i].hint == hint; i++ {
		e := r.table[i]
		if !r.keys[e.key].open(body, msg) {
			continue
		}
		if b, ok := parseBody(body); ok && b.Stamp/epochMillis == e.epoch {
			return int(e.key), b, nil
		}
	}
	return 0, Body{}, ErrBadMessage
}

// openAny tries every key. A message that none opens may be anything.
func (r *Ring) openAny(msg []byte) (client int, b Body, err error) {
	body := r.body[:len(msg)-headSize]
	for i, k := range r.keys {
		if !k.open(body, msg) {
			continue
		}
		b, ok := parseBody(body)
		if !ok || k.hintOf(b.Stamp/epochMillis) != [hintSize]byte(msg) {
			return 0, Body{}, ErrBadMessage
		}
		return i, b, nil
	}
	return 0, Body{}, ErrUnknownKey
}
