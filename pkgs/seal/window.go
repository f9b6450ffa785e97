// SPDX-License-Identifier: Apache-2.0

package seal

import "time"

// Hints are computed for a wider window than the clocks may differ by, so that a knock from a
// phone whose clock is ten minutes off reaches the daemon and its owner is told why it is
// refused. The width gives way where many clients would make the kernel filter long.
const (
	explainWindow = 15 * time.Minute
	explainHints  = 256
)

// While the router's clock is not known to be right, messages are expected around that clock (which
// usually is right all the same), around the client's own clock as its last message had it, and
// around the clock of whichever client was heard last: phones have the right time.
//
// What a client said before a restart says only from when on its next message can be. They are
// expected for aheadWindow from then, longer than most routers are off; it gives way where the hints
// would become more than aheadHints: each is an HMAC when the router starts, 0.1 ms on a 580 MHz MIPS.
// Of random messages 1 in 32 768 has one of so many hints.
const (
	aheadWindow = 2 * time.Hour
	aheadHints  = 512
)

// window is a range of epochs, both ends included. It is empty if its first one is above its last.
type window struct{ first, last uint64 }

var nothing = window{first: 1}

func (w window) has(epoch uint64) bool { return w.first <= epoch && epoch <= w.last }

// windows are the epochs in which messages of one client are expected; they may overlap.
type windows [3]window

func (w *windows) has(epoch uint64) bool { return w.before(len(w), epoch) }

// before reports whether one of the first n windows has an epoch.
func (w *windows) before(n int, epoch uint64) bool {
	for _, one := range w[:n] {
		if one.has(epoch) {
			return true
		}
	}
	return false
}

// windowAt returns the epochs of all stamps that are within skew of any time in now's epoch: the
// kernel filter is swapped only once per epoch.
func windowAt(now time.Time, skew time.Duration) window {
	end := NextEpoch(now)
	return window{epochAt(end.Add(-epochLength - skew)), epochAt(end.Add(skew - time.Millisecond))}
}

// NextEpoch returns when the epoch of now ends. It keeps now's monotonic clock reading.
func NextEpoch(now time.Time) time.Time {
	return now.Add(now.Truncate(epochLength).Add(epochLength).Sub(now))
}

func epochAt(t time.Time) uint64 { return uint64(max(t.UnixMilli(), 0)) / epochMillis }

// wide returns by how much clocks may differ so that messages are found; fewer keys have more.
func (r *Ring) wide() time.Duration {
	perKey := explainHints / max(len(r.keys), 1)
	return max(r.MaxSkew, min(explainWindow, time.Duration(perKey-1)/2*epochLength))
}

// heard is when a client was heard last, by its own clock and by ours.
type heard struct {
	stamp  uint64 // 0 = never
	at     time.Time
	before bool // before a restart: at is only the earliest that it can have been
}

// expected returns the epochs of a client's messages by what it said last, and those of them that
// are within the limit of its clock as far as that is known.
func (h heard) expected(now time.Time, skew, ahead time.Duration) (all, near window) {
	if h.stamp == 0 {
		return nothing, nothing
	}
	all = windowAt(time.UnixMilli(int64(min(h.stamp, MaxStamp))).Add(now.Sub(h.at)), skew)
	near = all
	if h.before {
		all.last += uint64(ahead / epochLength)
	}
	return all, near
}

// expect returns in which epochs messages of a client are looked for by their hints, and in which
// its carrier may begin to remember a sender.
func (r *Ring) expect(client int, now time.Time, synced bool) (all, near windows) {
	all = windows{windowAt(now, r.wide()), nothing, nothing}
	near = windows{windowAt(now, r.MaxSkew), nothing, nothing}
	if synced {
		return all, near
	}
	ahead := min(aheadWindow, time.Duration(aheadHints/len(r.keys))*epochLength)
	all[1], near[1] = r.keys[client].heard.expected(now, r.MaxSkew, ahead)
	all[2], near[2] = r.latest.expected(now, r.MaxSkew, 0)
	return all, near
}

// Seen notes that a client sent a message with this stamp, and returns whether it is the
// newest one of that client: an old one that somebody recorded is not, and says nothing. The hints
// follow at the next Advance. now should have a monotonic clock reading.
func (r *Ring) Seen(now time.Time, client int, stamp uint64) (newest bool) {
	h := &r.keys[client].heard
	if stamp <= h.stamp {
		return false
	}
	*h = heard{stamp: stamp, at: now}
	r.latest = *h
	return true
}

// Remind is Seen for the newest stamp of a client from before a restart; it must come first.
func (r *Ring) Remind(now time.Time, client int, stamp uint64) {
	r.keys[client].heard = heard{stamp: stamp, at: now, before: true}
}
