// SPDX-License-Identifier: Apache-2.0

package knock

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/latchkey/latchkey/pkgs/seal"
	"github.com/latchkey/latchkey/pkgs/wire"
)

// flooded plays honest knocks among packets of strangers.
type flooded struct {
	*player
	random *rand.Rand
	every  time.Duration // between two packets of the flood
	next   time.Time
	packet func(y *flooded) wire.Packet // of the flood
	tick   func(now time.Time)          // once in each pause of a knock, may be nil
}

// pause lets the flood go on for a time.
func (y *flooded) pause(d time.Duration) {
	end := y.now.Add(d)
	for ; y.next.Before(end); y.next = y.next.Add(y.every) {
		y.now = y.next
		y.send(y.packet(y))
	}
	y.now = end
}

// between is a random time.
func (y *flooded) between(low, high time.Duration) time.Duration {
	return low + time.Duration(y.random.Int64N(int64(high-low)))
}

// stranger is an address of all of IPv4.
func (y *flooded) stranger() netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], y.random.Uint32())
	return netip.AddrFrom4(b)
}

// among is one of 4 million addresses, so that some come again.
func (y *flooded) among() netip.Addr {
	n := y.random.Uint32()
	return netip.AddrFrom4([4]byte{10, byte(n>>16) & 63, byte(n >> 8), byte(n)})
}

// TestHonestKnocksDuringFloods knocks 50 times in each flood, each time from another network that was never
// heard before, once.
func TestHonestKnocksDuringFloods(t *testing.T) {
	const knocks = 50
	const kpps = 1000
	steps := parseSteps(t, "7000/tcp 8000/udp 9000/tcp")
	sequence := oneSequence(t, "7000/tcp 8000/udp 9000/tcp")
	sequence.Sequences[0].Within = 15 * time.Second
	gap := [2]time.Duration{10 * time.Millisecond, 30 * time.Millisecond}
	ours := [2]time.Duration{14 * time.Millisecond, 16 * time.Millisecond}
	slow := [2]time.Duration{190 * time.Millisecond, 210 * time.Millisecond} // as latchkey knock
	knockSteps := func(gap [2]time.Duration) func(y *flooded, from netip.Addr) {
		return func(y *flooded, from netip.Addr) {
			for _, s := range steps {
				y.send(y.player.packet(from, s))
				y.pause(y.between(gap[0], gap[1]))
			}
		}
	}
	syns := func(port func(y *flooded) uint16, from func(y *flooded) netip.Addr) func(y *flooded) wire.Packet {
		return func(y *flooded) wire.Packet {
			p := y.syn(from(y), port(y))
			p.Seq = y.random.Uint32()
			return p
		}
	}
	anyPort := func(y *flooded) uint16 { return uint16(y.random.Uint32()) }
	first := func(y *flooded) uint16 { return 7000 }
	allSteps := func(y *flooded) wire.Packet {
		return y.player.packet(y.among(), steps[y.random.IntN(3)])
	}
	around := func(y *flooded) wire.Packet {
		s := steps[y.random.IntN(3)]
		s.Port += uint16(y.random.IntN(3)) - 1
		return y.player.packet(y.among(), s)
	}
	stun := messageConfig(true)
	stun.STUNPort = stunPort
	span := func(y *flooded) uint16 { return slotsBase + uint16(y.random.IntN(slotCount*slotSize)) }
	knockSTUN := func(y *flooded, from netip.Addr) {
		y.send(y.check(from, token(y.newMessage(annKey))))
	}
	knockPorts := func(gap [2]time.Duration) func(y *flooded, from netip.Addr) {
		return func(y *flooded, from netip.Addr) {
			for _, p := range y.player.knock(from, annKey) {
				y.send(p)
				y.pause(y.between(gap[0], gap[1]))
			}
		}
	}
	quick := [2]time.Duration{500 * time.Microsecond, 2 * time.Millisecond}
	wrongHint := func(y *flooded) wire.Packet {
		msg := make([]byte, seal.ShortSize)
		for i := 0; i < len(msg); i += 8 {
			binary.NativeEndian.PutUint64(msg[i:], y.random.Uint64())
		}
		return y.check(y.stranger(), token(msg))
	}
	msg := seal.Seal(annKey, stampAt(start))
	overheard := func(y *flooded) []byte {
		binary.NativeEndian.PutUint64(msg[10:], y.random.Uint64())
		return msg
	}
	rightHint := func(y *flooded) wire.Packet { return y.check(y.stranger(), token(overheard(y))) }
	hintSYNs := func() func(y *flooded) wire.Packet {
		var from netip.Addr
		n := 0
		return func(y *flooded) wire.Packet {
			if n%3 == 0 {
				from = y.stranger()
			}
			p := y.syn(from, Slots(overheard(y), slotsBase)[n%3])
			n++
			return p
		}
	}
	spa := Config{SPAPort: spaPort, SPA: []SPAClient{{Name: "a", Keys: SPAKeys{Key: []byte{1}, HMAC: []byte{2}}}}}
	knockSPA := func(y *flooded, from netip.Addr) {
		msg := "1234567890123456:YW5u:" + strconv.FormatInt(y.now.Unix(), 10) + ":3.0.0:1:" + b64("192.0.2.9,tcp/22")
		plain := withDigest(msg)
		y.send(y.udp(from, spaPort, sealSPA(spa.SPA[0], plain, padding(plain))))
	}
	base64Junk := func(y *flooded) wire.Packet {
		return y.udp(y.stranger(), spaPort, randomBase64(y.random, 225))
	}
	genuine := func(y *flooded) wire.Packet {
		b := randomBase64(y.random, 225)
		b[0], b[225-43-1], b[224] = '8', 'A', 'A'
		return y.udp(y.stranger(), spaPort, b)
	}
	for _, tt := range []struct {
		name   string
		cfg    Config
		flood  func(y *flooded) wire.Packet
		knock  func(y *flooded, from netip.Addr)
		lowest [2]int // of 50 at 100 and 250 kpps
	}{
		{"sequence_any_port", sequence, syns(anyPort, (*flooded).stranger), knockSteps(gap), [2]int{50, 45}},
		{"sequence_first_step", sequence, syns(first, (*flooded).stranger), knockSteps(gap), [2]int{50, 45}},
		{"sequence_first_step_slow", sequence, syns(first, (*flooded).stranger), knockSteps(slow), [2]int{50, 45}},
		{"sequence_all_steps", sequence, allSteps, knockSteps(gap), [2]int{50, 45}},
		{"sequence_all_steps_slow", sequence, allSteps, knockSteps(slow), [2]int{50, 45}},
		{"sequence_around", sequence, around, knockSteps(gap), [2]int{50, 45}},
		{"sequence_around_slow", sequence, around, knockSteps(slow), [2]int{50, 45}},
		{"stun_wrong_hint", stun, wrongHint, knockSTUN, [2]int{50, 45}},
		{"stun_right_hint", stun, rightHint, knockSTUN, [2]int{0, 0}},
		{"ports_span", slotsConfig(true), syns(span, (*flooded).stranger), knockPorts(ours), [2]int{50, 45}},
		{"ports_span_quick", slotsConfig(true), syns(span, (*flooded).stranger), knockPorts(quick), [2]int{50, 45}},
		{"ports_right_hint", slotsConfig(true), hintSYNs(), knockPorts(ours), [2]int{0, 0}},
		{"ports_right_hint_quick", slotsConfig(true), hintSYNs(), knockPorts(quick), [2]int{0, 0}},
		{"fwknop_base64", spa, base64Junk, knockSPA, [2]int{45, 0}},
		{"fwknop_genuine", spa, genuine, knockSPA, [2]int{0, 0}},
	} {
		for i, rate := range []int{100 * kpps, 250 * kpps} {
			t.Run(tt.name+"_"+strconv.Itoa(rate), func(t *testing.T) {
				if tt.cfg.Ring != nil {
					tt.cfg.Ring.Advance(start, true)
				}
				y := &flooded{
					player: play(tt.cfg),
					random: rand.New(rand.NewPCG(31, uint64(rate))),
					every:  time.Second / time.Duration(rate),
					next:   start,
					packet: tt.flood,
				}
				y.pause(time.Second)
				opened := 0
				for n := range knocks {
					y.found = nil
					from := netip.AddrFrom4([4]byte{203, byte(n), 113, byte(y.random.Uint32())})
					tt.knock(y, from)
					for _, f := range y.found {
						if f.From == from && f.Reason == OK {
							opened++
							break
						}
					}
					y.pause(y.between(0, 20*time.Millisecond))
				}
				_ = strings.Count
				t.Logf("%d of %d knocks opened", opened, knocks)
				if opened < tt.lowest[i] {
					t.Errorf("%d of %d knocks opened, want at least %d", opened, knocks, tt.lowest[i])
				}
			})
		}
	}
}
