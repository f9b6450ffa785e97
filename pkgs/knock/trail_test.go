// SPDX-License-Identifier: Apache-2.0

package knock

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/latchkey/latchkey/pkgs/wire"
)

// follow returns a configuration whose attempts are reported.
func follow(t testing.TB, text string) Config {
	cfg := oneSequence(t, text)
	cfg.Follow = 16
	return cfg
}

// attempts returns what was reported of attempts as "reason right/steps, after 7001/tcp@1, then 8000/udp@2",
// with the numbers of the steps behind the ports, and forgets all that was found.
func (y *player) attempts() string {
	var words []string
	for _, f := range y.found {
		a := f.Attempt
		if a.Steps == 0 {
			continue
		}
		text := fmt.Sprintf("%s %d/%d", f.Reason, a.Right, a.Steps)
		if !a.Until.IsZero() {
			text += fmt.Sprintf(" after %d/%s@%d", a.Lock.Port, a.Lock.Proto, a.Lock.Step)
		}
		if a.End.Step != 0 {
			text += fmt.Sprintf(" then %d/%s@%d", a.End.Port, a.End.Proto, a.End.Step)
		}
		if a.Late != 0 {
			text += " late " + a.Late.Round(10*time.Millisecond).String()
		}
		if a.Last {
			text += " last"
		}
		if a.Lost {
			text += " lost"
		}
		words = append(words, text)
	}
	y.found = nil
	return strings.Join(words, ", ")
}

func TestAttemptIsTold(t *testing.T) {
	const three = "7000/tcp 8000/udp 9000/tcp"
	for _, tt := range []struct {
		name, steps string
		sent        string // "+6s" lets time pass
		want        string
	}{
		{"who_opens_is_no_attempt", three, three, ""},
		{"twice_the_knock", three, three + " " + three, ""},
		{"one_step", three, "7000/tcp", "unfinished 1/3 last"},
		{"two_steps", three, "7000/tcp 8000/udp", "unfinished 2/3 last"},
		{"two_steps_and_much_later_something_else", three, "7000/tcp 8000/udp +2m 22/tcp", "unfinished 2/3"},
		{"two_attempts", three, "7000/tcp 8000/udp +6s 7000/tcp", "unfinished 2/3, unfinished 1/3 last"},
		{"attempts_and_then_the_knock", three, "7000/tcp +6s " + three, "unfinished 1/3"},
		{"the_first_step_again", three, "7000/tcp 8000/udp 7000/tcp", "unfinished 2/3 last"},
		{"wrong_order", three, "7000/tcp 9000/tcp 8000/udp", "wrong-order 1/3 then 9000/tcp@3"},
		{"wrong_order_in_the_middle", three + " 6000/udp", "7000/tcp 9000/tcp 8000/udp +3m 22/tcp", "unfinished 2/4"},
		{"a_stray_step_does_no_harm", three, "7000/tcp 7000/tcp 8000/udp 8000/udp 9000/tcp", ""},
		{"a_stray_step_that_a_right_one_follows_is_not_the_end", three + " 6000/udp", "7000/tcp 9000/tcp 8000/udp 6000/udp", "wrong-order 2/4 then 6000/udp@4"},
		{"reversed", three, "9000/tcp 8000/udp 7000/tcp", "unfinished 1/3 last"},
		{"the_first_step_is_missing", three, "8000/udp 9000/tcp", "wrong-order 0/3 then 8000/udp@2 last"},
		{"the_first_step_is_missing_and_the_last_late", three, "8000/udp +6s 9000/tcp", "wrong-order 0/3 then 8000/udp@2 last"},
		{"the_first_step_is_missing_and_the_second_wrong", three, "8000/tcp 9000/tcp", "wrong-protocol 0/3 then 8000/tcp@2 last"},
		{"one_packet_that_is_no_first_step_is_noise", three, "8000/udp", ""},
		{"each_step_a_minute_late", three, "7000/tcp +1m 8000/udp +1m 9000/tcp", "too-slow 1/3 then 8000/udp@2 late 1m0.02s"},
		{"the_last_step_late", three, "7000/tcp 8000/udp +6s 9000/tcp", "too-slow 2/3 then 9000/tcp@3 late 6.04s"},
		{"the_knock_after_one_that_was_late", three, "7000/tcp +1m 8000/udp 9000/tcp " + three, "too-slow 1/3 then 8000/udp@2 late 1m0.02s"},
		{"tcp_instead_of_udp", three, "7000/tcp 8000/tcp 9000/tcp", "wrong-protocol 1/3 then 8000/tcp@2"},
		{"udp_instead_of_tcp", three, "7000/udp 8000/udp 9000/udp", "wrong-protocol 0/3 then 7000/udp@1 last"},
		{"udp_to_a_first_step_is_noise", three, "7000/udp", ""},
		{"both_protocols_are_sent", three, "7000/tcp 7000/udp 8000/tcp 8000/udp 9000/tcp 9000/udp", ""},
		{"both_protocols_are_steps", "7000/tcp 7000/udp 8000/tcp", "7000/udp 7000/tcp 8000/tcp", "wrong-order 1/3 then 8000/tcp@3"},
		{"trip_wire_inside", three, "7000/tcp 8000/udp 8999/tcp 9000/tcp", "trip-wire 2/3 then 8999/tcp@3"},
		{"trip_wire_after_one_step", three, "7000/tcp 7999/udp", "trip-wire 1/3 then 7999/udp@2"},
		{"trip_wire_before", three, "7001/tcp " + three, "trip-wire 3/3 after 7001/tcp@1"},
		{"trip_wire_before_and_twice_the_knock", three, "7001/tcp " + three + " " + three, "trip-wire 3/3 after 7001/tcp@1"},
		{"trip_wire_before_and_unfinished", three, "7001/tcp 7000/tcp", "unfinished 1/3 after 7001/tcp@1 last"},
		{"trip_wire_that_is_over", three, "7001/tcp +6s 7000/tcp", "unfinished 1/3 last"},
		{"trip_wires_alone", three, "6999/tcp 7001/tcp 8999/tcp", ""},
		{"trip_wire_between_two_tries", three, "7000/tcp 8000/udp +6s 7001/tcp", "unfinished 2/3"},
		{"repeated_ports", "7000/tcp 7000/tcp 8000/tcp", "7000/tcp 8000/tcp 7000/tcp", "wrong-order 1/3 then 8000/tcp@3"},
		{"icmp", "icmp:77 icmp:78", "icmp:77", "unfinished 1/2 last"},
		{"one_step_sequences_have_no_attempts", "7000/tcp", "7000/tcp", ""},
		{"one_step_in_a_lock", "7000/tcp", "7001/tcp 7000/tcp", "trip-wire 1/1 after 7001/tcp@1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, from := range []netip.Addr{phone, phone6} {
				y := play(follow(t, tt.steps))
				for _, word := range strings.Fields(tt.sent) {
					if pause, is := strings.CutPrefix(word, "+"); is {
						d, err := time.ParseDuration(pause)
						if err != nil {
							t.Fatal(err)
						}
						y.wait(d)
						continue
					}
					y.steps(from, parseSteps(t, word)...)
					y.expire(Expire)
				}
				y.expire(End)
				if got := y.attempts(); got != tt.want {
					t.Errorf("%v: reported %q, want %q", from, got, tt.want)
				}
				y.expire(End)
				if got := y.attempts(); got != "" {
					t.Errorf("%v: reported again %q", from, got)
				}
			}
		})
	}
}

// expire calls Expire or End.
func (y *player) expire(f func([]Detector, time.Time, func(Finding))) {
	f(y.detectors, y.now, func(f Finding) { y.found = append(y.found, f) })
}

func TestAttemptHasItsTimes(t *testing.T) {
	y := play(follow(t, "7000/tcp 8000/tcp 9000/tcp"))
	y.send(y.syn(phone, 7001))
	y.wait(time.Second)
	y.steps(phone, parseSteps(t, "7000/tcp 8000/tcp 9000/tcp")...)
	for _, f := range y.found {
		if a := f.Attempt; a.Steps > 0 {
			if until, at := start.Add(5*time.Second), start.Add(1040*time.Millisecond); !a.Until.Equal(until) || !a.At.Equal(at) || a.Within != 5*time.Second {
				t.Errorf("attempt %+v, want a lock until %v and the last packet at %v", a, until, at)
			}
			return
		}
	}
	t.Error("no attempt was reported")
}

// A trace sees answers and the rest of connections, which the kernel's filter keeps from a daemon.
func TestAnAnswerIsNoStepOfTheWrongProtocol(t *testing.T) {
	y := play(follow(t, "7000/tcp 8000/udp 9000/tcp"))
	y.steps(phone, parseSteps(t, "7000/tcp")...)
	answer := y.syn(phone, 8000)
	answer.Flags |= wire.ACK
	y.detectors[0].Observe(y.now, &answer, nil)
	y.expire(End)
	if got, want := y.attempts(), "unfinished 1/3 last"; got != want {
		t.Errorf("reported %q, want %q", got, want)
	}
}

// Of senders that got equally far the one who began first makes room.
func TestTheOldestAttemptIsLostFirst(t *testing.T) {
	cfg := follow(t, "7000/tcp 8000/tcp 9000/tcp")
	y := play(cfg)
	var senders []netip.Addr
	for i := range byte(ways + 1) {
		senders = append(senders, netip.AddrFrom4([4]byte{203, 0, 113, 100 + i}))
	}
	y.steps(senders[1], cfg.Sequences[0].Steps[0]) // not the first place in the set
	y.steps(senders[0], cfg.Sequences[0].Steps[0])
	table := y.detectors[0].(*sequences).trails.table
	table.find(table.of(0, senders[1])).since += time.Second
	for _, from := range senders[2:] {
		y.steps(from, cfg.Sequences[0].Steps[0])
	}
	if len(y.found) != 1 || !y.found[0].Attempt.Lost || y.found[0].From != senders[0] {
		t.Errorf("reported %+v, want that %v was lost", y.found, senders[0])
	}
}

// What is reported of attempts must change nothing in what opens.
func TestFollowingChangesNothing(t *testing.T) {
	sent := "7000/tcp 8000/tcp 7001/tcp 7000/tcp 8000/udp 9000/tcp 7000/tcp 8000/udp 9000/tcp 9000/tcp 7000/udp 7000/tcp 8000/udp 9000/tcp"
	var ends []string
	for _, cfg := range []Config{oneSequence(t, "7000/tcp 8000/udp 9000/tcp"), follow(t, "7000/tcp 8000/udp 9000/tcp")} {
		y := play(cfg)
		y.steps(phone, parseSteps(t, sent)...)
		var words []string
		for _, f := range y.found {
			if f.Attempt.Steps == 0 {
				words = append(words, fmt.Sprintf("%s/%d", f.Reason, f.Step))
			}
		}
		ends = append(ends, strings.Join(words, " "))
	}
	if ends[0] != ends[1] || !strings.Contains(ends[0], "ok/3") {
		t.Errorf("found %q, and followed %q", ends[0], ends[1])
	}
}

func TestSequencesThatBeginAlikeAreNoAttempts(t *testing.T) {
	cfg := Config{Follow: 16, Sequences: []Sequence{
		{Name: "a", Steps: parseSteps(t, "7000/tcp 8000/tcp 9000/tcp"), Within: 5 * time.Second},
		{Name: "b", Steps: parseSteps(t, "7000/tcp 8000/tcp 6000/tcp"), Within: 5 * time.Second},
	}}
	y := play(cfg)
	y.steps(phone, cfg.Sequences[1].Steps...)
	y.expire(End)
	if got := y.attempts(); got != "" {
		t.Errorf("reported %q", got)
	}
}

// TestSequenceGoesOnWhenTheClockGoesBack is for logs, whose clock is the wall's.
func TestSequenceGoesOnWhenTheClockGoesBack(t *testing.T) {
	y := play(follow(t, "7000/tcp 8000/udp 9000/tcp"))
	y.steps(phone, parseSteps(t, "7000/tcp 8000/udp")...)
	y.wait(-time.Hour)
	y.steps(phone, parseSteps(t, "9000/tcp")...)
	if got := y.reasons(); got != "s ok" {
		t.Errorf("found %q, want ok", got)
	}
}

// TestFloodOfAttempts lets more senders try than can be followed: what is remembered does not grow,
// each is reported or lost, and one who got further stays.
func TestFloodOfAttempts(t *testing.T) {
	cfg := follow(t, "7000/tcp 8000/tcp 9000/tcp")
	y := play(cfg)
	trails := y.detectors[0].(*sequences).trails
	y.steps(phone, cfg.Sequences[0].Steps[:2]...)
	const senders = 50_000
	reported, lost := 0, 0
	count := func(f Finding) {
		if f.Attempt.Steps > 0 && f.From != phone {
			reported++
		}
		if f.Attempt.Lost {
			lost++
		}
	}
	for i := range senders {
		p := y.syn(netip.AddrFrom4([4]byte{198, byte(i >> 16), byte(i >> 8), byte(i)}), 7000)
		y.detectors[0].Observe(y.now, &p, count)
		y.wait(100 * time.Microsecond) // 10 000 a second
	}
	if n := len(trails.table.sets); n != 16 {
		t.Errorf("%d sets, want 16", n)
	}
	End(y.detectors, y.now, func(f Finding) {
		count(f)
		if f.From == phone && (f.Reason != Unfinished || f.Attempt.Lost || f.Attempt.Right != 2) {
			t.Errorf("of the phone was reported %+v", f)
		} else if f.From == phone {
			reported++
		}
	})
	if reported != senders+1 || lost < senders-16*ways {
		t.Errorf("%d attempts were reported, %d of them as lost, want %d and nearly all", reported, lost, senders+1)
	}
}

func TestFollowingAllocatesNothing(t *testing.T) {
	cfg := follow(t, "7000/tcp 8000/tcp 9000/tcp")
	d := New(cfg, start)
	ignore := func(Finding) {}
	var packets []wire.Packet
	for _, port := range []uint16{22, 7000, 8000, 8000, 7000, 6999} {
		packets = append(packets, play(cfg).syn(phone, port))
	}
	udp := play(cfg).packet(phone, parseSteps(t, "8000/udp")[0])
	now := start
	n := testing.AllocsPerRun(100, func() {
		now = now.Add(time.Second)
		for i := range packets {
			d[0].Observe(now, &packets[i], ignore)
		}
		d[0].Observe(now, &udp, ignore)
		Expire(d, now, ignore)
	})
	if n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}
