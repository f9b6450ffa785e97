// SPDX-License-Identifier: Apache-2.0

package seal

import (
	"math"
	"net/netip"
	"slices"
	"time"
)

// pressReach is by how many milliseconds two stamps of one press of a button may differ; those of
// two presses differ by more.
const pressReach = 100

// Counting is how stamps count time.
type Counting struct {
	Second uint64 // stamps in a second
	Reach  uint64 // by how much two stamps of one press may differ
}

// Millis is the counting of messages.
var Millis = Counting{Second: 1000, Reach: pressReach}

// Limits of a client's replay state, and so of its memory: about 4 kB.
const (
	maxSpans   = 32 // ranges of received stamps; at the limit the nearest two become one
	maxPresses = 16 // within their PressWindow; at the limit the oldest is over before its time
	maxUses    = 48 // of messages whose copies are told from replays; a press makes up to 22
)

// PressWindow is how long the messages of a press may come in after its first one. Messages that were
// overtaken by a press may be older than it by as much.
const PressWindow = 5 * time.Second

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
	Fresh     Verdict = iota // first use, or first use from the other address family: it counts
	Copy                     // a retransmission of what came before: neither a knock nor a refusal
	Replayed                 // used up, or its press is
	Overtaken                // older than what counted already; it may never have come before
	Elsewhere                // used up, by a copy that came from another address within PressWindow before
)

// Window is what the router's clock, if it is right, allows: stamps from First to Last. The zero
// value stands for a clock that is not known to be right.
type Window struct{ First, Last uint64 }

func (w Window) known() bool { return w != Window{} }

// Past is what must survive a restart of a client's replay state.
type Past struct {
	Floor uint64 // stamps up to it do not count
	Spans []Span // nor do these, which were received; ascending, at most 32
}

// Stamps is one client's replay state: which of its stamps are used up.
//
// A message is used up when it is received, whatever it is answered, and five seconds later so is the
// whole press that it belongs to: all within pressReach of the press's first message. Once a press
// was accepted, everything older is used up with it. See SPEC.md, "Once".
//
// For each message call Receive. If it is then accepted, call Accept, store Past durably, and only
// then open the door.
type Stamps struct {
	count   Counting
	floor   uint64  // stamps up to it do not count
	heard   spans   // of presses that are over; at most maxSpans
	presses []press // that are not, oldest first; at most maxPresses
	uses    []use   // the latest, oldest first; at most maxUses
}

// press is a press of a button within its PressWindow.
type press struct {
	Span
	over time.Time
}

// use says when and from where a stamp was used.
type use struct {
	stamp uint64
	at    time.Time
	from  [2]netip.Addr // first use, and use from the other address family
}

// NewStamps returns the state after a restart.
func NewStamps(c Counting, p Past) *Stamps {
	return &Stamps{count: c, floor: p.Floor, heard: slices.Clone(p.Spans)}
}

// Receive takes a message whose seal was right, and reports whether it counts. It is used up from then
// on. now must have a monotonic clock reading, because the wall clock may jump by years.
func (s *Stamps) Receive(now time.Time, w Window, stamp uint64, from netip.Addr) Verdict {
	s.pass(now)
	s.settle(w)
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
		case age <= twinWindow && !u.from[1].IsValid() && u.from[0].Is4() != from.Is4() && !s.dead(w, stamp):
			u.from[1] = from
			return Fresh
		case age <= PressWindow:
			return Elsewhere
		}
		return Replayed
	}
	switch {
	case s.heard.has(stamp):
		return Replayed
	case s.dead(w, stamp):
		if stamp >= w.First {
			s.heard = s.heard.add(s.around(stamp), maxSpans) // the floor may come down
		}
		return Overtaken
	}
	s.use(now, stamp, from)
	return Fresh
}

// around is what the press of a message reaches at the most.
func (s *Stamps) around(stamp uint64) Span {
	return Span{First: stamp - min(s.count.Reach, stamp), Last: stamp + s.count.Reach}
}

// Forget brings the floor down to a window whose end is the present, for a client whose clock was ahead
// and has been set. What was received above it stays used up.
func (s *Stamps) Forget(w Window) {
	for len(s.presses) > 0 {
		s.end(0)
	}
	s.settle(w)
}

// settle brings the state in line with a clock that is right: a floor above its window is from a
// client whose clock was ahead. It comes down to the last stamp that was accepted from the present,
// or to the window; what was received above it stays used up.
func (s *Stamps) settle(w Window) {
	if !w.known() {
		return
	}
	if limit := w.Last + s.count.Reach; s.floor > limit {
		s.floor = max(s.heard.accepted(limit), w.First-1)
		for i := range s.presses {
			if p := &s.presses[i]; p.Accepted && p.Last <= limit {
				s.floor = max(s.floor, s.outdated(p))
			}
		}
	}
	// Of what is dead in any case, one range says enough: the floor never falls below it.
	s.heard = s.heard.joinUpTo(min(s.floor, w.First-1))
}

// Accept says that a message counts, which Receive called Fresh. What is older by more than five
// seconds does not count any more, and nothing older does five seconds after its press began.
func (s *Stamps) Accept(stamp uint64) {
	if p := s.press(stamp); p != nil {
		p.Accepted = true
		s.floor = max(s.floor, s.outdated(p))
	}
}

// outdated returns the stamp up to which a press that was accepted lets nothing overtaken count.
func (s *Stamps) outdated(p *press) uint64 {
	return p.First - min(p.First, s.count.Second*uint64(PressWindow/time.Second))
}

// Past returns what must be on the disk before a door opens: after a restart every press that was
// received is over, and nothing counts that is older than an accepted one.
func (s *Stamps) Past() Past {
	p := Past{Floor: s.floor, Spans: slices.Clone(s.heard)}
	for _, live := range s.presses {
		p.Spans = spans(p.Spans).add(live.Span, maxSpans)
		if live.Accepted {
			p.Floor = max(p.Floor, live.Last)
		}
	}
	return p
}

// Equal reports whether two pasts are the same.
func (p Past) Equal(q Past) bool { return p.Floor == q.Floor && slices.Equal(p.Spans, q.Spans) }

// Newest returns the highest stamp that can have been accepted, 0 if none was.
func (p Past) Newest() uint64 { return max(p.Floor, spans(p.Spans).accepted(math.MaxUint64)) }

// dead reports whether a stamp was used up before now. As long as the clock is not known to be right, an
// accepted stamp from the future counts as much as any.
func (s *Stamps) dead(w Window, stamp uint64) bool {
	floor := s.floor
	if !w.known() {
		floor = max(floor, s.heard.accepted(math.MaxUint64))
	}
	return stamp <= floor || s.heard.has(stamp)
}

// use notes the use of a stamp, and begins a press if it is the first one there.
func (s *Stamps) use(now time.Time, stamp uint64, from netip.Addr) {
	if s.press(stamp) == nil {
		if len(s.presses) == maxPresses {
			s.end(0)
		}
		s.presses = append(s.presses, press{Span: s.around(stamp), over: now.Add(PressWindow)})
	}
	if len(s.uses) == maxUses {
		// That its stamp was used must not be forgotten.
		for i := range s.presses {
			if s.presses[i].holds(s.uses[0].stamp) {
				s.end(i)
				break
			}
		}
		s.uses = slices.Delete(s.uses, 0, 1)
	}
	s.uses = append(s.uses, use{stamp: stamp, at: now, from: [2]netip.Addr{from}})
}

// pass ends the presses whose time is over.
func (s *Stamps) pass(now time.Time) {
	for i := 0; i < len(s.presses); {
		if now.Before(s.presses[i].over) {
			i++
		} else {
			s.end(i)
		}
	}
}

// end makes a press one that is over.
func (s *Stamps) end(i int) {
	p := s.presses[i]
	s.presses = slices.Delete(s.presses, i, i+1)
	s.heard = s.heard.add(p.Span, maxSpans)
	if p.Accepted {
		s.floor = max(s.floor, p.Last)
	}
}

func (p press) holds(stamp uint64) bool { return p.First <= stamp && stamp <= p.Last }

// press returns the press that a stamp belongs to, nil if it would begin one.
func (s *Stamps) press(stamp uint64) *press {
	for i := range s.presses {
		if s.presses[i].holds(stamp) {
			return &s.presses[i]
		}
	}
	return nil
}

func (s *Stamps) find(stamp uint64) *use {
	for i := range s.uses {
		if s.uses[i].stamp == stamp {
			return &s.uses[i]
		}
	}
	return nil
}

// Skew returns by how much the clock that made the stamp is ahead of now; it is negative if it is
// behind. It says something only if now's clock is right.
func Skew(now time.Time, stamp uint64) time.Duration {
	millis := int64(min(stamp, MaxStamp)) - now.UnixMilli()
	const most = int64(math.MaxInt64 / time.Millisecond)
	return time.Duration(max(-most, min(millis, most))) * time.Millisecond
}
