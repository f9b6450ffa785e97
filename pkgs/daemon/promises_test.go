// SPDX-License-Identifier: Apache-2.0

package daemon_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/seal"
)

// manyLives is 100 000 in make check.
var manyLives = flag.Int("lives", 4000, "how many random lives TestPromises plays")

// The two promises of replay and clocks, over random lives of a router, its owner's phone, and a thief
// who records everything, holds back what he likes, and sends it from elsewhere whenever he likes:
//
//   - But for the twin within 2 s, no message that was received, nothing of its press 5 s later, and
//     nothing older than an accepted press 5 s later, opens anything for anybody. Older is what has a
//     lower stamp; by more than five seconds, it opens nothing at once. But a press that was accepted
//     from the future says nothing while the router's clock is right: see
//     TestBlockedPressFromTheFuture.
//   - A client that kept its last stamp, and whose clock is within max_skew now, gets in at its next
//     press or the one after, whatever its clock did before.
func TestPromises(t *testing.T) {
	lives := *manyLives
	if testing.Short() {
		lives = min(lives, 1500)
	}
	var all sync.WaitGroup
	workers := runtime.GOMAXPROCS(0)
	for w := range workers {
		all.Go(func() {
			for i := w; i < lives && !t.Failed(); i += workers {
				l := newLife(t, uint64(i))
				for range 24 {
					l.step()
				}
			}
		})
	}
	all.Wait()
}

const (
	maxSkew   = 90 * time.Second // as configured in home
	twinTime  = 2 * time.Second
	pressTime = 5 * time.Second
	overtaken = 5200             // milliseconds by which a message may be older than one that overtook it
	hinted    = 14 * time.Minute // a router whose clock is right opens nothing that is much further off
)

// life is one of them.
type life struct {
	*clocks
	random  *rand.Rand
	history []string

	truth    time.Time // the time that it is
	phone    seal.Sent
	ahead    time.Duration // of the phone's clock
	presses  []*press
	accepted []*acceptance
}

// press is what one press of the button made.
type press struct {
	messages []*sealed
	first    time.Duration // when its first message was received
	received bool
}

// sealed is one message. The thief has them all.
type sealed struct {
	press    *press
	stamp    uint64
	bytes    []byte
	received bool
	at       time.Duration // first
	by       []bool        // is IPv4, of each time that it counted
}

// acceptance is a press that was accepted.
type acceptance struct {
	stamp uint64
	at    time.Duration
	void  bool // it was from the future, and since then the clock was right
}

// withoutSequences is home without sequences, whose tables would take most of the time.
var withoutSequences, _, _ = strings.Cut(home, "config sequence")

var thieves = []netip.Addr{neighbour, netip.MustParseAddr("2001:db8:1::66")}

func newLife(t *testing.T, seed uint64) *life {
	random := rand.New(rand.NewPCG(seed, 7))
	l := &life{random: random, truth: start}
	wall, synced := start, random.IntN(2) == 0
	if !synced {
		wall = l.wrong(start)
	}
	l.clocks = newClocks(t, withoutSequences, wall, synced)
	l.say("life %d: the router's clock says %s, right: %v", seed, wall.Format(time.DateTime), synced)
	return l
}

func (l *life) say(format string, args ...any) {
	l.history = append(l.history, l.elapsed.String()+" "+fmt.Sprintf(format, args...))
}

func (l *life) fail(format string, args ...any) {
	l.t.Errorf("%s:\n  %s", fmt.Sprintf(format, args...), strings.Join(l.history, "\n  "))
}

// wrong is what a clock may say that nobody has set.
func (l *life) wrong(right time.Time) time.Time {
	switch l.random.IntN(4) {
	case 0:
		return time.Unix(34, 0)
	case 1:
		return right.Add(time.Duration(l.random.Int64N(int64(240*time.Second))) - 120*time.Second)
	}
	return right.Add(time.Duration(l.random.Int64N(int64(144*time.Hour))) - 72*time.Hour)
}

// wait lets time pass for all.
func (l *life) wait(d time.Duration) {
	l.truth = l.truth.Add(d)
	l.pass(d)
}

func (l *life) step() {
	switch l.random.IntN(20) {
	case 0, 1, 2, 3:
		l.press()
	case 4, 5, 6, 7, 8:
		l.replay()
	case 9:
		l.wait(time.Duration(l.random.IntN(3000)) * time.Millisecond)
	case 10:
		l.wait(time.Duration(l.random.Int64N(int64(10 * time.Second))))
	case 11:
		l.wait(time.Duration(l.random.Int64N(int64(48 * time.Hour))))
	case 12: // the phone's clock is set, or loses its mind
		l.ahead = 0
		if l.random.IntN(2) == 0 {
			l.ahead = l.wrong(l.truth).Sub(l.truth)
		}
		l.say("the phone's clock is %s ahead", l.ahead)
	case 13:
		l.becomesRight()
	case 14: // NTP is gone, and perhaps the time
		l.synced = false
		if l.random.IntN(2) == 0 {
			l.wall = l.wrong(l.truth)
		}
		l.say("the router's clock says %s, and nobody knows whether it is right", l.wall.Format(time.DateTime))
		l.pass(0)
	case 15, 16:
		l.restart()
	case 17:
		l.reconfigure()
	case 18:
		l.say("forget")
		_ = l.Answer(l.t.Context(), control.Request{Method: "forget", Client: "phone"}, func(any) error { l.void(0); return nil })
	case 19:
		l.honest()
	}
}

func (l *life) becomesRight() {
	l.say("the router's clock is right")
	l.wall, l.synced = l.truth, true
	l.pass(0)
	l.void(maxSkew)
}

// void notes that what was accepted from a time that is further ahead says nothing any more.
func (l *life) void(ahead time.Duration) {
	for _, a := range l.accepted {
		if a.stamp > uint64(l.wall.Add(ahead).UnixMilli())+100 {
			a.void = true
		}
	}
}

// restart ends the daemon, in order or by a power failure, and starts it again.
func (l *life) restart() {
	if l.random.IntN(2) == 0 {
		l.wait(time.Second) // what opened nothing is saved within a second
		l.say("a power failure")
		l.wait(10 * time.Second)
		if l.random.IntN(2) == 0 {
			l.wall, l.synced = l.wrong(l.truth), false
		}
	} else {
		l.say("a restart")
		l.stop()
	}
	l.now = moment(l.wall, l.elapsed)
	l.rig = newRigWith(l.t, l.text, l.memory, l.now, l.synced)
	if l.synced {
		l.void(maxSkew)
	}
	l.say("the router's clock says %s, right: %v", l.wall.Format(time.DateTime), l.synced)
}

// reconfigure switches what the phone may do on and off.
func (l *life) reconfigure() {
	edits := []string{"", "", "client 'phone'\n|client 'phone'\n\toption enabled '0'\n", "\tlist door 'nas'\n\tlist door 'web'|\tlist door 'web'",
		"\toption dest_ip6 '2001:db8:2::22'\n|", "config door 'nas'\n|config door 'nas'\n\toption enabled '0'\n"}
	old, new, _ := strings.Cut(edits[l.random.IntN(len(edits))], "|")
	l.text = strings.Replace(withoutSequences, old, new, 1)
	l.say("a new configuration: %q", new)
	l.Reload()
}

// press makes the messages of a press, some of which arrive, at once, late or never, over one family
// or over both.
func (l *life) press() {
	for _, m := range l.make() {
		if l.random.IntN(3) == 0 {
			l.wait(time.Duration(l.random.IntN(2500)) * time.Millisecond)
		}
		switch l.random.IntN(5) {
		case 0:
			l.say("%d is lost", m.stamp)
		case 1:
			l.arrive(m, phone6)
			l.wait(time.Duration(l.random.IntN(600)) * time.Millisecond)
			l.arrive(m, phone)
		default:
			l.arrive(m, phone)
		}
	}
}

// make makes the messages of one press: where the phone's clock was ahead, each one twice.
func (l *life) make() []*sealed {
	n := 1 + l.random.IntN(4)
	stamps := l.phone.Press(l.truth.Add(l.ahead), n)
	door := "nas"
	if l.random.IntN(4) == 0 {
		door = []string{"cellar", "old", "web"}[l.random.IntN(3)]
	}
	var made []*sealed
	for _, first := range stamps.Starts {
		p := new(press)
		for i := range uint64(n) {
			m := &sealed{press: p, stamp: first + i, bytes: seal.Seal(key(0), seal.Body{Stamp: first + i, Door: seal.Tag(door)})}
			p.messages = append(p.messages, m)
		}
		l.presses = append(l.presses, p)
		made = append(made, p.messages...)
		l.say("a press for %s: %d messages from %d on", door, n, first)
	}
	return made
}

// replay is the thief: he sends a message that he recorded, or the owner's phone is late.
func (l *life) replay() {
	if len(l.presses) == 0 {
		return
	}
	p := l.presses[l.random.IntN(len(l.presses))]
	m := p.messages[l.random.IntN(len(p.messages))]
	from := thieves[l.random.IntN(2)]
	if l.random.IntN(4) == 0 {
		from = phone
	}
	l.arrive(m, from)
}

// arrive lets a message arrive and holds what comes of it against the first promise.
func (l *life) arrive(m *sealed, from netip.Addr) (opened bool) {
	l.fw.Calls()
	l.message(from, m.bytes)
	for _, call := range l.fw.Calls() {
		opened = opened || strings.HasPrefix(call, "open ")
	}
	l.say("%d from %s: opens %v, last event %q", m.stamp, from, opened, l.last())
	if opened {
		l.judge(m, from)
		l.accepted = append(l.accepted, &acceptance{stamp: m.stamp, at: l.elapsed})
	}
	if off := l.wall.Sub(time.UnixMilli(int64(m.stamp))); l.synced && off.Abs() > hinted {
		return opened // it may have been dropped unopened
	}
	if !m.received {
		m.received, m.at = true, l.elapsed
	}
	if opened {
		m.by = append(m.by, from.Is4())
	}
	if !m.press.received {
		m.press.received, m.press.first = true, l.elapsed
	}
	for _, door := range []string{"nas", "web"} {
		if opened && l.random.IntN(2) == 0 {
			_ = l.Answer(l.t.Context(), control.Request{Method: "close", Door: door}, func(any) error { return nil })
		}
	}
	return opened
}

func (l *life) judge(m *sealed, from netip.Addr) {
	if m.received {
		twin := l.elapsed-m.at <= twinTime && !slices.Contains(m.by, from.Is4())
		if !twin {
			l.fail("%d, which was received at %s, opens for %s", m.stamp, m.at, from)
		}
	}
	if p := m.press; p.received && l.elapsed-p.first >= pressTime {
		l.fail("%d of a press that was received at %s opens for %s", m.stamp, p.first, from)
	}
	for _, a := range l.accepted {
		older := m.stamp < a.stamp && l.elapsed-a.at >= pressTime || m.stamp+overtaken < a.stamp
		if older && !(a.void && l.synced) {
			l.fail("%d, which is older than %d, accepted at %s, opens for %s", m.stamp, a.stamp, a.at, from)
		}
	}
	if off := l.wall.Sub(time.UnixMilli(int64(m.stamp))); l.synced && off.Abs() > maxSkew {
		l.fail("%d, which is %s off, opens for %s", m.stamp, off, from)
	}
}

// honest holds the second promise: the phone's clock is about right now, nothing is lost, and it may
// have the door.
func (l *life) honest() {
	if l.text != withoutSequences {
		l.text = withoutSequences
		l.Reload()
	}
	l.wait(time.Duration(l.random.IntN(100)) * time.Second) // the limit on knocks is not what this is about
	l.ahead = time.Duration(l.random.Int64N(int64(2*maxSkew-20*time.Second))) - maxSkew + 10*time.Second
	l.say("an honest phone, %s ahead", l.ahead)
	for range 2 {
		stamps := l.phone.Press(l.truth.Add(l.ahead), 1)
		in := false
		for _, stamp := range stamps.Starts {
			p := new(press)
			p.messages = []*sealed{{press: p, stamp: stamp, bytes: l.sealAt(stamp)}}
			l.presses = append(l.presses, p)
			in = l.arrive(p.messages[0], phone) || in
		}
		if in {
			return
		}
		l.wait(time.Duration(l.random.IntN(20)) * time.Second)
	}
	l.fail("an honest phone did not get in")
}
