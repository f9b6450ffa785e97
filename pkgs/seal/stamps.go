// SPDX-License-Identifier: Apache-2.0

package seal

import (
	"math"
	"net/netip"
	"slices"
	"time"
)

// Limits of a client's replay state, and so of its memory: about 2 kB.
const (
	recentStamps = 64 // how far messages may overtake each other
	recentUses   = 16 // of how many messages copies are told apart from replays; one click makes up to 10
)

const (
	// twinWindow is how long after its first use a message counts once more, from an address of
	// the other family: a browser that knocks at a name with both falls back to IPv4 after 0.25
	// to 0.3 s.
	twinWindow = 2 * time.Second
	// copyWindow is how long copies from an address that used the message are taken for
	// retransmissions: a page that is never closed sends them for 15 s, and the carriers keep copies
	// from one address quiet for as long.
	copyWindow = time.Minute
)

// Verdict is what a client's replay state says about a stamp.
type Verdict uint8

// The verdicts.
const (
	Fresh    Verdict = iota // first use, or first use from the other address family: it counts
	Copy                    // a retransmission of what counted before: neither a knock nor a refusal
	Replayed                // used before, or too old to tell
)

// Stamps is one client's replay state: which of its stamps were used. The zero value has seen
// none. It remembers all that was used within one run, and across restarts only the floor, below
// which nothing counts any more: messages that were overtaken before a restart are lost.
//
// Using a stamp takes two steps, so that a message cannot open twice even if the power fails in
// between: Check, store FloorWith durably, then Use, then open the door.
type Stamps struct {
	floor  uint64   // stamps up to it do not count
	recent []uint64 // used stamps above floor, ascending; at most recentStamps
	uses   []use    // the latest, oldest first; at most recentUses
}

// use says when and from where a stamp counted.
type use struct {
	stamp uint64
	at    time.Time
	from  [2]netip.Addr // first use, and use from the other address family
}

// NewStamps returns the state after a restart: stamps up to the stored floor do not count.
func NewStamps(floor uint64) *Stamps { return &Stamps{floor: floor} }

// Check tells whether a message with this stamp, from this address, counts. It changes nothing.
// now should have a monotonic clock reading, because the wall clock may jump by years.
func (s *Stamps) Check(now time.Time, stamp uint64, from netip.Addr) Verdict {
	if u := s.find(stamp); u != nil {
		age := now.Sub(u.at)
		if -twinWindow < age && age < 0 {
			age = 0 // two devices' packets are not handled in the order of their arrival
		}
		switch {
		case age < 0:
			return Replayed
		case age <= copyWindow && (u.from[0] == from || u.from[1] == from):
			return Copy
		case age <= twinWindow && !u.from[1].IsValid() && u.from[0].Is4() != from.Is4():
			return Fresh
		}
		return Replayed
	}
	if _, used := slices.BinarySearch(s.recent, stamp); used || stamp <= s.floor {
		return Replayed
	}
	return Fresh
}

// FloorWith returns the floor that must be on the disk before a message with this stamp opens
// anything: the highest stamp ever used. It is the same as before for one that was overtaken.
func (s *Stamps) FloorWith(stamp uint64) uint64 {
	highest := s.floor
	if n := len(s.recent); n > 0 {
		highest = s.recent[n-1]
	}
	return max(highest, stamp)
}

// Use remembers that a message counted. It must follow a Check that said Fresh, with the same
// arguments.
func (s *Stamps) Use(now time.Time, stamp uint64, from netip.Addr) {
	if u := s.find(stamp); u != nil {
		u.from[1] = from
		return
	}
	if len(s.uses) == recentUses {
		s.uses = slices.Delete(s.uses, 0, 1)
	}
	s.uses = append(s.uses, use{stamp: stamp, at: now, from: [2]netip.Addr{from}})

	if i, used := slices.BinarySearch(s.recent, stamp); !used {
		s.recent = slices.Insert(s.recent, i, stamp)
	}
	if len(s.recent) > recentStamps {
		s.floor = s.recent[0]
		s.recent = slices.Delete(s.recent, 0, 1)
	}
}

func (s *Stamps) find(stamp uint64) *use {
	i := slices.IndexFunc(s.uses, func(u use) bool { return u.stamp == stamp })
	if i < 0 {
		return nil
	}
	return &s.uses[i]
}

// Skew returns by how much the clock that made the stamp is ahead of now; it is negative if it is
// behind. It says something only if now's clock is right.
func Skew(now time.Time, stamp uint64) time.Duration {
	millis := int64(min(stamp, MaxStamp)) - now.UnixMilli()
	const most = int64(math.MaxInt64 / time.Millisecond)
	return time.Duration(max(-most, min(millis, most))) * time.Millisecond
}

// NextStamp returns the stamp of a client's next message: now, but always above the last one, so
// that no stamp is used twice and none goes back when the clock does.
func NextStamp(now time.Time, last uint64) uint64 {
	return min(max(uint64(max(now.UnixMilli(), 0)), last+1), MaxStamp)
}
