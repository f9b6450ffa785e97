// SPDX-License-Identifier: Apache-2.0

package seal_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/latchkey/latchkey/pkgs/seal"
)

func TestRing_Cost(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	all := keys(3)
	r := seal.NewRing(all)
	msg := seal.Seal(all[1], seal.Body{Stamp: millis(now)})
	if n, all := r.Cost(msg); n != 0 || all != 3 {
		t.Errorf("before the clock is known it costs %d keys and %d, want all 3", n, all)
	}
	r.Advance(now, false)
	if n, all := r.Cost(msg); n != 1 || all != 3 {
		t.Errorf("with a clock that is not synchronised it costs %d keys and %d, want 1 and all 3", n, all)
	}
	r.Advance(now, true)
	if n, all := r.Cost(msg); n != 1 || all != 0 {
		t.Errorf("a message with a client's hint costs %d keys, want 1", n+all)
	}
	if n, all := r.Cost(seal.Seal(key(99), seal.Body{Stamp: millis(now)})); n != 0 || all != 0 {
		t.Errorf("a message with nobody's hint costs %d keys, want none", n+all)
	}
	if n, all := r.Cost(msg[1:]); n != 0 || all != 0 {
		t.Errorf("a message of 23 bytes costs %d keys, want none", n+all)
	}
}

func TestRing_opens_with_the_key_of_one_client(t *testing.T) {
	for _, synced := range []bool{true, false} {
		r := seal.NewRing(keys(3))
		r.Advance(noon, synced)
		for _, body := range []seal.Body{{Stamp: millis(noon)}, {Stamp: millis(noon), Address: phone6}} {
			msg := seal.Seal(key(1), body)
			for client := range 3 {
				if got, ok := r.OpenAs(client, msg); ok != (client == 1) || ok && got != body {
					t.Errorf("synchronised %v, %d bytes: client %d opens %+v, %v", synced, len(msg), client, got, ok)
				}
			}
			for _, cut := range [][]byte{nil, msg[:2], msg[:len(msg)-1], append(slices.Clone(msg), 0)} {
				if _, ok := r.OpenAs(1, cut); ok {
					t.Errorf("synchronised %v: a message of %d bytes opens", synced, len(cut))
				}
				if _, _, err := r.OpenExpected(cut); !errors.Is(err, seal.ErrUnknownKey) {
					t.Errorf("synchronised %v: a message of %d bytes: %v", synced, len(cut), err)
				}
				if expected, all := r.Cost(cut); expected+all != 0 {
					t.Errorf("synchronised %v: a message of %d bytes costs %d keys", synced, len(cut), expected+all)
				}
			}
		}
	}
}

// TestRing_expects shows which messages have an expected hint while the clock is not synchronised:
// those cost only their client's key.
func TestRing_expects(t *testing.T) {
	const client, other = 1, 2
	years := 3 * 365 * 24 * time.Hour
	for _, tt := range []struct {
		name  string
		tell  func(*seal.Ring)
		later time.Duration // how much later the message comes
		ahead time.Duration // by how much the client's clock is ahead of the router's
		want  bool
	}{
		{"with_the_routers_own_time", func(*seal.Ring) {}, 0, 0, true},
		{"some_minutes_off", func(*seal.Ring) {}, 0, -10 * time.Minute, true},
		{"years_ahead", func(*seal.Ring) {}, 0, years, false},
		{"years_ahead_as_it_was_last_time",
			func(r *seal.Ring) { r.Seen(noon, client, millis(noon.Add(years))) }, 5 * time.Hour, years, true},
		{"years_ahead_as_another_one_was",
			func(r *seal.Ring) { r.Seen(noon, other, millis(noon.Add(years))) }, 5 * time.Hour, years, true},
		{"years_ahead_when_the_last_one_was_not", func(r *seal.Ring) {
			r.Seen(noon, client, millis(noon.Add(years)))
			r.Seen(noon, other, millis(noon))
		}, time.Minute, years, true},
		{"other_than_it_was_last_time",
			func(r *seal.Ring) { r.Seen(noon, client, millis(noon.Add(years))) }, 0, years + time.Hour, false},
		{"where_an_old_message_was_sent_again", func(r *seal.Ring) {
			r.Seen(noon, client, millis(noon.Add(years)))
			r.Seen(noon, client, millis(noon.Add(years-time.Hour)))
		}, 0, years, true},
		{"an_hour_and_a_half_after_what_it_said_before_a_restart",
			func(r *seal.Ring) { r.Remind(noon, client, millis(noon.Add(years))) }, time.Minute, years + 90*time.Minute, true},
		{"a_day_after_what_it_said_before_a_restart",
			func(r *seal.Ring) { r.Remind(noon, client, millis(noon.Add(years))) }, time.Hour, years + 24*time.Hour, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := seal.NewRing(keys(4))
			tt.tell(r)
			now := noon.Add(tt.later)
			r.Advance(now, false)
			msg := seal.Seal(key(client), seal.Body{Stamp: millis(now.Add(tt.ahead))})
			if n, _ := r.Cost(msg); n > 0 != tt.want {
				t.Errorf("the hint is expected for %d keys, want it to be: %v", n, tt.want)
			}
			got, _, err := r.OpenExpected(msg)
			if (err == nil) != tt.want || err == nil && got != client {
				t.Errorf("client %d, %v", got, err)
			}
			if got, _, err := r.Open(msg); err != nil || got != client {
				t.Errorf("with every key: client %d, %v", got, err)
			}
			if _, ok := r.OpenAs(client, msg); !ok {
				t.Error("its own key does not open it")
			}
			if _, ok := r.OpenAs(other, msg); ok {
				t.Error("another key opens it")
			}
		})
	}
	t.Run("none_of_another_time_when_the_clock_is_synchronised", func(t *testing.T) {
		r := seal.NewRing(keys(4))
		r.Seen(noon, client, millis(noon.Add(years)))
		r.Advance(noon, true)
		msg := seal.Seal(key(client), seal.Body{Stamp: millis(noon.Add(years))})
		if n, all := r.Cost(msg); n != 0 || all != 0 {
			t.Errorf("it costs %d keys and %d, want none", n, all)
		}
		if _, ok := r.OpenAs(client, msg); ok {
			t.Error("its own key opens it")
		}
	})
	t.Run("bytes_of_what_is_expected_now_only", func(t *testing.T) {
		r := seal.NewRing(keys(1))
		r.Remind(noon, 0, millis(noon.Add(-time.Hour)))
		r.Advance(noon, false)
		for slot := range 3 {
			count := 0
			for b := range 256 {
				if r.Expects(slot, byte(b)) {
					count++
				}
				if !r.HintByte(slot, byte(b)) {
					t.Errorf("byte %d in slot %d cannot be that of a hint, though any epoch is possible", b, slot)
				}
			}
			if count < 6 || count > 10 { // 5 epochs around each of two times
				t.Errorf("slot %d: %d bytes are expected, want about 10", slot, count)
			}
		}
	})
	t.Run("no_longer_hours_ahead_when_it_was_heard", func(t *testing.T) {
		r := seal.NewRing(keys(2))
		later := seal.Seal(key(0), seal.Body{Stamp: millis(noon.Add(years + 90*time.Minute))})
		r.Remind(noon, 0, millis(noon.Add(years)))
		r.Seen(noon, 1, millis(noon.Add(years))) // so that what is expected now stays the same
		r.Advance(noon, false)
		if n, _ := r.Cost(later); n != 1 {
			t.Fatalf("before, its hint is expected for %d keys", n)
		}
		r.Seen(noon, 0, millis(noon.Add(years))+1)
		r.Advance(noon, false)
		if n, _ := r.Cost(later); n != 0 {
			t.Errorf("its hint is expected for %d keys, want none", n)
		}
	})
	t.Run("not_by_bytes_of_hints_that_are_over", func(t *testing.T) {
		old, fresh := seal.NewRing(keys(1)), seal.NewRing(keys(1))
		old.Advance(noon, true)
		old.Advance(noon.Add(time.Hour), true)
		fresh.Advance(noon.Add(time.Hour), true)
		for slot := range 3 {
			for b := range 256 {
				if got, want := old.HintByte(slot, byte(b)), fresh.HintByte(slot, byte(b)); got != want {
					t.Errorf("byte %d in slot %d: %t, want %t", b, slot, got, want)
				}
			}
		}
	})
	t.Run("no_more_hints_than_the_limit", func(t *testing.T) {
		for _, n := range []int{1, 3, 30} {
			r := seal.NewRing(keys(n))
			for i := range n {
				r.Remind(noon, i, millis(noon.Add(years)))
			}
			r.Advance(noon, false)
			expected := 0
			for i := range n {
				for minute := range 600 {
					at := noon.Add(years + time.Duration(minute)*time.Minute)
					if c, _ := r.Cost(seal.Seal(key(i), seal.Body{Stamp: millis(at)})); c > 0 {
						expected++
					}
				}
			}
			if expected > 512+4*n {
				t.Errorf("%d clients have %d hints after what they said last, want at most about 512", n, expected)
			}
		}
	})
}

// TestRing_wants_the_hint_of_the_stamp changes nothing of a message but its hint, to that of another
// epoch, and makes the tag right for it: SPEC.md, section 1, "Opening", 2.
func TestRing_wants_the_hint_of_the_stamp(t *testing.T) {
	k := key(0)
	derive := func(label string, parts ...[]byte) []byte {
		mac := hmac.New(sha256.New, k[:])
		mac.Write([]byte(label))
		mac = hmac.New(sha256.New, mac.Sum(nil))
		for _, p := range parts {
			mac.Write(p)
		}
		return mac.Sum(nil)
	}
	forge := func(body seal.Body, epoch uint64) []byte {
		msg := seal.Seal(k, body)
		plain := make([]byte, len(msg)-14)
		subtle.XORBytes(plain, msg[14:], derive("latchkey1 box", msg[3:14]))
		hint := derive("latchkey1 hint", binary.BigEndian.AppendUint64(nil, epoch))[:3]
		tag := derive("latchkey1 tag", hint, plain)[:11]
		box := make([]byte, len(plain))
		subtle.XORBytes(box, plain, derive("latchkey1 box", tag))
		return slices.Concat(hint, tag, box)
	}
	epoch := millis(noon) / 60_000
	body := seal.Body{Stamp: millis(noon)}
	for _, synced := range []bool{true, false} {
		r := seal.NewRing(keys(2))
		r.Advance(noon, synced)
		if _, _, err := r.Open(forge(body, epoch)); err != nil {
			t.Fatalf("a message with its own hint: %v", err)
		}
		wrong := forge(body, epoch+1)
		if _, _, err := r.Open(wrong); !errors.Is(err, seal.ErrBadMessage) {
			t.Errorf("synchronised %v: %v, want %v", synced, err, seal.ErrBadMessage)
		}
		if _, _, err := r.OpenExpected(wrong); !errors.Is(err, seal.ErrBadMessage) {
			t.Errorf("synchronised %v, expected: %v, want %v", synced, err, seal.ErrBadMessage)
		}
		if _, ok := r.OpenAs(0, wrong); ok {
			t.Errorf("synchronised %v: it opens with its own key", synced)
		}
	}
}

func TestRing_gives_2048_hints_to_the_kernel(t *testing.T) {
	for n, all := range map[int]bool{2048: true, 2049: false} {
		r := seal.NewRing(keys(n))
		r.MaxSkew = 0 // one hint for each key
		r.Advance(noon, true)
		if got := r.Hints(); (got != nil) != all {
			t.Errorf("%d keys: %d hints, want all: %t", n, len(got), all)
		}
	}
}
