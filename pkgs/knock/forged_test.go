// SPDX-License-Identifier: Apache-2.0

package knock

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"hash"
	"math/rand/v2"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/latchkey/latchkey/pkgs/seal"
)

// The tests of this file are the table "What a flood can shut out" of SECURITY.md: floods in the name
// of the very address that knocks, and floods that the work for them is meant to stop. Each one logs
// the figure that stands there, and fails below what is promised.

// presses plays so many knocks, each of up to so many presses of a button 3 s apart, and returns how
// many opened. meanwhile plays the flood for a time.
func (y *player) presses(knocks, most int, press func(), meanwhile func(time.Duration)) (opened int) {
	for range knocks {
		for range most {
			press()
			if strings.Contains(y.reasons(), " ok") {
				opened++
				break
			}
			meanwhile(3 * time.Second)
		}
		meanwhile(5 * time.Second)
	}
	return opened
}

// TestSequenceForgedInTheSendersName knocks while somebody sends packets that look like the knocking
// sender's: he cannot be told from him.
func TestSequenceForgedInTheSendersName(t *testing.T) {
	cfg := oneSequence(t, "7000/tcp 8000/udp 9000/tcp")
	cfg.Sequences[0].Within = 15 * time.Second
	steps := cfg.Sequences[0].Steps
	anyPort := func(r *rand.Rand) uint16 { return uint16(r.Uint32()) }
	aimed := func(r *rand.Rand) uint16 { return steps[r.IntN(3)].Port + uint16(r.IntN(3)) - 1 }
	wire := func(*rand.Rand) uint16 { return 6999 }
	for _, tt := range []struct {
		name    string
		every   time.Duration
		port    func(*rand.Rand) uint16
		presses int
		least   int // of 50
	}{
		{"a_trip_wire_each_14_s", 14 * time.Second, wire, 3, 48},
		{"a_trip_wire_each_14_s_and_one_press", 14 * time.Second, wire, 1, 0},
		{"a_trip_wire_each_5_s", 5 * time.Second, wire, 3, 45},
		{"a_trip_wire_each_second", time.Second, wire, 3, 0},
		{"5000_SYNs_a_second_to_any_port", time.Second / 5000, anyPort, 3, 35},
		{"5000_SYNs_a_second_to_its_ports", time.Second / 5000, aimed, 3, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			random := rand.New(rand.NewPCG(21, 22))
			y := play(cfg)
			next := y.now
			flood := func(d time.Duration) {
				end := y.now.Add(d)
				for ; next.Before(end); next = next.Add(tt.every) {
					y.now = next
					y.send(y.syn(phone, tt.port(random)))
				}
				y.now = end
			}
			flood(20 * time.Second)
			opened := y.presses(50, tt.presses, func() {
				for _, s := range steps {
					y.send(y.packet(phone, s))
					flood(100 * time.Millisecond)
				}
			}, flood)
			t.Logf("%d of 50 knocks opened, of up to %d presses each", opened, tt.presses)
			if opened < tt.least {
				t.Errorf("%d of 50 knocks opened, want at least %d", opened, tt.least)
			}
		})
	}
}

// options are those of a SYN of Linux with this largest segment.
func options(mss uint16) []byte {
	b := binary.BigEndian.AppendUint16([]byte{2, 4}, mss)
	return append(b, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, 7)
}

// TestSlotsForgedInTheSendersName knocks while somebody sends SYNs in the knocking sender's name.
func TestSlotsForgedInTheSendersName(t *testing.T) {
	const mss = 1460
	for _, tt := range []struct {
		name   string
		synced bool
		rate   int           // forged SYNs per second
		mss    uint16        // of the forged ones
		gap    time.Duration // between the SYNs of a knock
		least  int           // of 40
	}{
		{"200_a_second_that_look_different", true, 200, 1452, 5 * time.Millisecond, 38},
		{"200_a_second_that_look_different_while_the_clock_is_not_right", false, 200, 1452, 5 * time.Millisecond, 38},
		{"500_a_second_that_look_different", true, 500, 1452, 5 * time.Millisecond, 30},
		{"200_a_second_that_look_alike", true, 200, mss, 5 * time.Millisecond, 0},
		{"200_a_second_that_look_alike_to_a_program_without_pauses", true, 200, mss, 200 * time.Microsecond, 12},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := slotsConfig(tt.synced)
			y := play(cfg)
			y.options = options(mss)
			random := rand.New(rand.NewPCG(23, 24))
			next, gap := y.now, time.Second/time.Duration(tt.rate)
			flood := func(d time.Duration) {
				end := y.now.Add(d)
				for ; next.Before(end); next = next.Add(gap) {
					y.now = next
					p := y.syn(phone, slotsBase+uint16(random.IntN(slotCount*slotSize)))
					p.Seq, p.Options = random.Uint32(), options(tt.mss)
					y.send(p)
				}
				y.now = end
				if cfg.Ring.Advance(y.now, tt.synced) {
					y.newFilter()
				}
			}
			flood(5 * time.Second)
			opened := y.presses(40, 1, func() {
				for _, p := range y.knock(phone, annKey) {
					y.send(p)
					flood(tt.gap)
				}
			}, flood)
			t.Logf("%d of 40 knocks opened, of one press each", opened)
			if opened < tt.least {
				t.Errorf("%d of 40 knocks opened, want at least %d", opened, tt.least)
			}
		})
	}
}

// TestSlotsOfOneNetwork knocks while 512 senders of one /48, none of them forged, send 30 SYNs a
// second each to the span of ports.
func TestSlotsOfOneNetwork(t *testing.T) {
	for _, synced := range []bool{true, false} {
		t.Run(map[bool]string{true: "synchronised", false: "not_synchronised"}[synced], func(t *testing.T) {
			cfg := slotsConfig(synced)
			y := play(cfg)
			random := rand.New(rand.NewPCG(25, 26))
			flood := func(d time.Duration) {
				for end := y.now.Add(d); y.now.Before(end); y.wait(time.Second / (512 * 30)) {
					from := netip.MustParseAddr("2001:db8:9::1").As16()
					binary.BigEndian.PutUint16(from[6:], uint16(random.IntN(512)))
					y.send(y.syn(netip.AddrFrom16(from), slotsBase+uint16(random.IntN(slotCount*slotSize))))
				}
			}
			flood(5 * time.Second)
			opened := 0
			for i := range 20 {
				from := netip.AddrFrom4([4]byte{203, 0, byte(i), 7})
				for _, p := range y.knock(from, annKey) {
					y.send(p)
					flood(12 * time.Millisecond)
				}
				opened += strings.Count(y.reasons(), "ann ok")
			}
			t.Logf("%d of 20 knocks opened", opened)
			if opened < 19 {
				t.Errorf("%d of 20 knocks opened, want at least 19", opened)
			}
		})
	}
}

// TestSTUNFreeClock knocks while 1000 forged STUN requests with random messages arrive per second, at
// a router whose clock is not known to be right.
func TestSTUNFreeClock(t *testing.T) {
	const clients = 3
	var keys []seal.Key
	cfg := Config{STUNPorts: []uint16{stunPort}}
	for i := range clients {
		keys = append(keys, seal.Key{byte(1 + i)})
		cfg.Clients = append(cfg.Clients, Client{Name: string(rune('a' + i))})
	}
	for _, tt := range []struct {
		name  string
		apart time.Duration                 // by how much the router's clock is wrong
		knows func(y *player, r *seal.Ring) // what the router was told before
		fresh bool                          // a new router for each knock
		least int                           // of 20
	}{
		{"whose_clock_is_right", 0, nil, false, 20},
		{"that_was_off_for_an_hour", time.Hour, func(y *player, r *seal.Ring) {
			for i := range keys {
				r.Remind(y.now, i, uint64(y.now.UnixMilli()))
			}
		}, false, 20},
		{"whose_clock_is_years_behind_but_heard_another_client", 1e5 * time.Hour, func(y *player, r *seal.Ring) {
			r.Seen(y.now, 2, uint64(y.now.Add(1e5*time.Hour).UnixMilli()))
		}, false, 20},
		{"whose_clock_is_years_behind_and_heard_nobody", 1e5 * time.Hour, nil, true, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var y *player
			begin := func() {
				cfg.Ring = seal.NewRing(keys)
				y = play(cfg)
				if tt.knows != nil {
					tt.knows(y, cfg.Ring)
				}
			}
			begin()
			random := rand.New(rand.NewPCG(27, 28))
			flood := func(d time.Duration) {
				for end := y.now.Add(d); y.now.Before(end); y.wait(time.Second / 1000) {
					msg := make([]byte, seal.ShortSize)
					for i := range msg {
						msg[i] = byte(random.Uint32())
					}
					y.send(y.check(netip.AddrFrom4([4]byte(msg)), token(msg)))
				}
				cfg.Ring.Advance(y.now, false)
			}
			opened := 0
			flood(10 * time.Second)
			for i := range 20 {
				if tt.fresh {
					begin()
					flood(5*time.Second + time.Duration(random.IntN(100))*time.Millisecond)
				}
				y.reasons()
				y.send(y.check(anywhere(i), token(seal.Seal(keys[0], stampAt(y.now.Add(tt.apart))))))
				opened += strings.Count(y.reasons(), "a ok")
				flood(time.Second)
			}
			t.Logf("%d of 20 knocks opened", opened)
			if opened < tt.least {
				t.Errorf("%d of 20 knocks opened, want at least %d", opened, tt.least)
			}
		})
	}
}

// anywhere is another address, and another network, for each number.
func anywhere(i int) netip.Addr { return netip.AddrFrom4([4]byte{203, 0, byte(i), 7}) }

// TestFwknopForged knocks while packets that could be a client's arrive, each from another forged
// address. Nobody can know of them that they are junk before he has computed an HMAC.
func TestFwknopForged(t *testing.T) {
	random := rand.New(rand.NewPCG(29, 30))
	junk := func() []byte { return randomBase64(random, 225) }
	genuineLook := func() []byte { // in all but the HMAC
		b := junk()
		b[0] = '8'
		b[225-43-1], b[224] = 'A', 'A' // whose unused bits are zero
		return b
	}
	for _, tt := range []struct {
		name    string
		rate    int // packets per second
		packet  func() []byte
		clients int
		hash    func() hash.Hash
		heard   bool // the client was heard before the flood
		from    func(i int) netip.Addr
		knocks  int
		least   int
	}{
		{"2000_with_a_genuine_look_from_where_it_was_heard", 2000, genuineLook, 2, sha256.New, true, sameNetwork, 20, 20},
		{"2000_with_a_genuine_look_from_elsewhere", 2000, genuineLook, 2, sha256.New, true, anywhere, 20, 0},
		{"300_with_a_genuine_look_from_where_it_was_heard", 300, genuineLook, 3, sha256.New, true, sameNetwork, 20, 20},
		{"300_with_a_genuine_look_from_elsewhere", 300, genuineLook, 3, sha256.New, true, anywhere, 20, 4},
		{"10000_of_random_base64", 10_000, junk, 3, sha256.New, false, anywhere, 20, 18},
		{"10000_of_random_base64_to_a_client_with_SHA-512_that_was_heard", 10_000, junk, 3, sha512.New, true, anywhere, 20, 18},
		{"10000_of_random_base64_to_a_client_with_SHA-512_that_was_never_heard", 10_000, junk, 3, sha512.New, false, anywhere, 20, 18},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := Config{SPAPort: spaPort}
			for i := range tt.clients {
				cfg.SPA = append(cfg.SPA, SPAClient{Name: string(rune('a' + i)), Keys: SPAKeys{Key: []byte{1, byte(i)}, HMAC: []byte{2, byte(i)}}})
			}
			var y *player
			knock := func(from netip.Addr) {
				msg := "1234567890123456:YW5u:" + strconv.FormatInt(y.now.Unix(), 10) + ":3.0.0:1:" + b64("192.0.2.9,tcp/22")
				plain := withDigest(msg)
				y.send(y.udp(from, spaPort, sealSPAWith(tt.hash, cfg.SPA[tt.clients-1], plain, padding(plain))))
			}
			var forged [4]byte
			flood := func(d time.Duration) {
				for end := y.now.Add(d); y.now.Before(end); y.wait(time.Second / time.Duration(tt.rate)) {
					binary.BigEndian.PutUint32(forged[:], random.Uint32())
					y.send(y.udp(netip.AddrFrom4(forged), spaPort, tt.packet()))
				}
			}
			opened := 0
			for i := range tt.knocks {
				if y == nil || !tt.heard {
					y = play(cfg)
				}
				if i == 0 && tt.heard {
					knock(phone)
				}
				flood(3*time.Second + time.Duration(random.IntN(100))*time.Millisecond)
				y.reasons()
				knock(tt.from(i))
				opened += strings.Count(y.reasons(), " ok")
			}
			t.Logf("%d of %d knocks opened, of one press each", opened, tt.knocks)
			if opened < tt.least {
				t.Errorf("%d of %d knocks opened, want at least %d", opened, tt.knocks, tt.least)
			}
		})
	}
}

// sameNetwork is another address of the phone's network for each number.
func sameNetwork(i int) netip.Addr { return netip.AddrFrom4([4]byte{203, 0, 113, byte(7 + i)}) }
