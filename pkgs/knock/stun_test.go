// SPDX-License-Identifier: Apache-2.0

package knock

import (
	"encoding/base64"
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/latchkey/latchkey/pkgs/seal"
	"github.com/latchkey/latchkey/pkgs/wire"
)

const stunPort = 41641

func stunConfig(synced bool) Config {
	cfg := messageConfig(synced)
	cfg.STUNPorts = []uint16{stunPort}
	return cfg
}

// check is a browser's check with a user name.
func (y *player) check(from netip.Addr, username string) wire.Packet {
	y.port++
	var id [12]byte
	binary.BigEndian.PutUint16(id[:], y.port)
	return y.udp(from, stunPort, wire.AppendBindingRequest(nil, id, username, "a password of 22 chars"))
}

func token(msg []byte) string { return base64.RawStdEncoding.EncodeToString(msg) }

func TestSTUN(t *testing.T) {
	short := seal.Seal(annKey, stampAt(start))
	withAddress := stampAt(start)
	withAddress.Address = phone6
	long := seal.Seal(bobKey, withAddress)
	changed := func(i int) []byte {
		msg := append([]byte(nil), short...)
		msg[i] ^= 0x10
		return msg
	}
	for _, tt := range []struct {
		name, username string
		synced, not    string // what is found with a clock that is, and is not, synchronised
	}{
		{"with_local_part", token(short) + ":x+/9", "ann ok", "ann ok"},
		{"alone", token(short), "ann ok", "ann ok"},
		{"long", token(long) + ":1234", "bob ok", "bob ok"},
		{"nobodys_key", token(seal.Seal(eveKey, stampAt(start))), "", "unknown-key"},
		{"changed_tag", token(changed(5)), "bad-message", "unknown-key"},
		{"changed_box", token(changed(20)), "bad-message", "unknown-key"},
		{"padded", base64.StdEncoding.EncodeToString(long), "", ""},
		{"line_breaks", token(short)[:28] + "\n\n\r\n", "", ""},
		{"a_character_more", token(short) + "A", "", ""},
		{"a_character_less", token(short)[1:], "", ""},
		{"url_alphabet", strings.Repeat("-_", 16), "", ""},
		{"unused_bits", token(long)[:53] + string(token(long)[53]+1), "", ""},
		{"empty", ":x", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, synced := range []bool{true, false} {
				y := play(stunConfig(synced))
				y.send(y.check(phone, tt.username))
				want := tt.not
				if synced {
					want = tt.synced
				}
				if got := y.reasons(); got != want {
					t.Errorf("synchronised %v: found %q, want %q", synced, got, want)
				}
			}
		})
	}
	t.Run("finding", func(t *testing.T) {
		y := play(stunConfig(true))
		y.send(y.check(phone, token(short)))
		want := []Finding{{Request: Request{Kind: KindMessage, Carrier: CarrierSTUN, Name: "ann", From: phone,
			Body: stampAt(start)}, Reason: OK}}
		if diff := cmp.Diff(want, y.found, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("other_port", func(t *testing.T) {
		y := play(stunConfig(true))
		p := y.check(phone, token(short))
		p.DstPort++
		for _, d := range y.detectors {
			d.Observe(y.now, &p, func(f Finding) { t.Errorf("found %+v", f) })
		}
	})
}

func TestSTUNCopies(t *testing.T) {
	for _, tt := range []struct {
		name, want string
		key        seal.Key
	}{
		{"good", "ann ok", annKey},
		{"bad", "unknown-key", eveKey},
	} {
		t.Run(tt.name, func(t *testing.T) {
			y := play(stunConfig(false))
			msg := token(y.newMessage(tt.key))
			for range 26 {
				y.send(y.check(phone, msg+":abcd"))
				y.wait(62 * time.Millisecond)
			}
			if got := y.reasons(); got != tt.want {
				t.Errorf("26 copies of one sender: found %q, want %q", got, tt.want)
			}
			y.send(y.check(cafe, msg))
			if got := y.reasons(); got != tt.want {
				t.Errorf("a copy of another sender: found %q, want %q", got, tt.want)
			}
			y.wait(copiesTime)
			y.send(y.check(phone, msg))
			if got := y.reasons(); got != tt.want {
				t.Errorf("a copy after %v: found %q, want %q", copiesTime, got, tt.want)
			}
		})
	}
	t.Run("junk_does_not_wake_them", func(t *testing.T) {
		y := play(stunConfig(false))
		msg := token(y.newMessage(annKey))
		y.send(y.check(phone, msg))
		for i := range 1000 {
			forged := netip.AddrFrom4([4]byte{198, 51, byte(i >> 8), byte(i)})
			y.send(y.check(forged, token(y.newMessage(eveKey))))
		}
		y.reasons()
		y.wait(time.Second)
		y.send(y.check(phone, msg))
		if got := y.reasons(); got != "" {
			t.Errorf("found %q, want nothing", got)
		}
	})
}

// TestSTUNFlood knocks while 10 000 well-formed requests with random messages arrive per second.
func TestSTUNFlood(t *testing.T) {
	cfg := stunConfig(true)
	y := play(cfg)
	y.filter.STUN.Hints = nil // as if the kernel let them all through
	random := rand.New(rand.NewPCG(5, 6))
	flood := func(n int, prefix []byte) {
		for range n {
			msg := make([]byte, seal.ShortSize)
			for i := range msg {
				msg[i] = byte(random.Uint32())
			}
			copy(msg, prefix)
			y.send(y.check(netip.AddrFrom4([4]byte(msg[20:])), token(msg)))
			y.wait(time.Second / 10000)
		}
	}
	count := func() (opened, reported int) {
		for _, f := range y.found {
			if f.Reason == OK {
				opened++
			}
		}
		reported = len(y.found) - opened
		y.found = nil
		return opened, reported
	}
	t.Run("random_hints", func(t *testing.T) {
		for range 30 {
			flood(1000, nil)
			y.send(y.check(phone, token(y.newMessage(annKey))))
		}
		opened, reported := count()
		if opened != 30 {
			t.Errorf("%d of 30 knocks opened", opened)
		}
		if reported > reportBurst+4 {
			t.Errorf("%d refusals were reported in 3 s", reported)
		}
	})
	t.Run("valid_hint_below_the_rate", func(t *testing.T) {
		for range 30 {
			flood(1, y.newMessage(annKey)[:3])
			y.wait(10 * time.Millisecond)
			y.send(y.check(phone, token(y.newMessage(annKey))))
		}
		if opened, _ := count(); opened != 30 {
			t.Errorf("%d of 30 knocks opened", opened)
		}
	})
	t.Run("one_sender_leaves_enough_for_others", func(t *testing.T) {
		y := play(stunConfig(false)) // each message costs both keys
		for range 30 {
			for range 1000 {
				y.send(y.check(scanner, token(y.newMessage(eveKey))))
			}
			y.send(y.check(phone, token(y.newMessage(annKey))))
		}
		if opened := strings.Count(y.reasons(), "ann ok"); opened != 30 {
			t.Errorf("%d of 30 knocks opened", opened)
		}
	})
	t.Run("valid_hint_is_bounded", func(t *testing.T) {
		flood(3*expectedKeysBurst, y.newMessage(annKey)[:3])
		y.found = nil
		y.wait(10 * time.Second) // for what may be reported to grow again
		flood(3*expectedKeysBurst, y.newMessage(annKey)[:3])
		reasons := y.reasons()
		if !strings.Contains(reasons, string(BadMessage)) {
			t.Errorf("no bad message was reported: %q", reasons)
		}
		y.wait(10 * time.Second)
		y.send(y.check(phone, token(y.newMessage(annKey))))
		if got := y.reasons(); got != "ann ok" {
			t.Errorf("after the flood: found %q, want ok", got)
		}
	})
}

func TestSTUNAllocatesNothing(t *testing.T) {
	y := play(stunConfig(true))
	good := token(y.newMessage(annKey))
	packets := []wire.Packet{
		y.check(phone, good),                        // a copy, after the first one
		y.check(phone, token(y.newMessage(eveKey))), // an unknown key
		y.check(phone, "some other user name"),
		y.check(phone, strings.Repeat("!", 32)),
		y.udp(phone, stunPort, []byte("no STUN")),
		y.syn(phone, 22),
	}
	ignore := func(Finding) {}
	y.send(packets[0])
	n := testing.AllocsPerRun(100, func() {
		for i := range packets {
			y.detectors[0].Observe(y.now, &packets[i], ignore)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations for %d packets, want none", n, len(packets))
	}
}

func FuzzSTUNMessage(f *testing.F) {
	msg := seal.Seal(annKey, stampAt(start))
	f.Add(wire.AppendBindingRequest(nil, [12]byte{}, token(msg)+":abcd", "password"))
	f.Add(wire.AppendBindingRequest(nil, [12]byte{}, token(append(msg, msg[:16]...)), "password"))
	f.Add([]byte{})
	for _, synced := range []bool{true, false} {
		y := play(stunConfig(synced))
		y.send(y.check(phone, token(msg)))
		if len(y.found) != 1 {
			f.Fatal("the seed is no knock")
		}
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		y := play(stunConfig(true))
		p := y.udp(phone, stunPort, payload)
		y.detectors[0].Observe(y.now, &p, func(f Finding) {
			if f.Reason == OK && f.Body != stampAt(start) {
				t.Errorf("%q opens as %+v", payload, f.Body)
			}
		})
	})
}

func BenchmarkSTUN(b *testing.B) {
	for name, key := range map[string]seal.Key{"unknown_hint": eveKey, "copy": annKey} {
		b.Run(name, func(b *testing.B) {
			y := play(stunConfig(true))
			p := y.check(phone, token(y.newMessage(key)))
			ignore := func(Finding) {}
			b.ReportAllocs()
			for b.Loop() {
				y.detectors[0].Observe(y.now, &p, ignore)
			}
		})
	}
}
