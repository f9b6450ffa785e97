// SPDX-License-Identifier: Apache-2.0

package knock

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/latchkey/latchkey/pkgs/seal"
	"github.com/latchkey/latchkey/pkgs/wire"
)

const slotsBase = 20480

func slotsConfig(synced bool) Config {
	cfg := messageConfig(synced)
	cfg.Ports = wire.PortRange{First: slotsBase, Last: slotsBase + slotCount*slotSize - 1}
	return cfg
}

// knock is the SYNs of a new message.
func (y *player) knock(from netip.Addr, key seal.Key) []wire.Packet {
	var list []wire.Packet
	for _, port := range Slots(y.newMessage(key), slotsBase) {
		list = append(list, y.syn(from, port))
	}
	return list
}

// again is the same ports from new connections.
func (y *player) again(packets []wire.Packet) []wire.Packet {
	var list []wire.Packet
	for _, p := range packets {
		list = append(list, y.syn(p.Src, p.DstPort))
	}
	return list
}

func (y *player) sendAll(packets []wire.Packet, gap time.Duration) {
	for _, p := range packets {
		y.send(p)
		y.wait(gap)
	}
}

func TestSlotsCarrier(t *testing.T) {
	expect := func(t *testing.T, y *player, want string) {
		t.Helper()
		if got := y.reasons(); got != want {
			t.Errorf("found %q, want %q", got, want)
		}
	}
	const gap = time.Millisecond
	for _, synced := range []bool{true, false} {
		name := map[bool]string{true: "synchronised", false: "not_synchronised"}[synced]
		t.Run(name, func(t *testing.T) {
			y := play(slotsConfig(synced))
			y.sendAll(y.knock(phone, annKey), gap)
			expect(t, y, "ann ok")
			y.sendAll(y.knock(phone6, bobKey), gap)
			expect(t, y, "bob ok")
			y.sendAll(y.knock(cafe, eveKey), gap)
			if synced {
				expect(t, y, "")
			} else {
				expect(t, y, "unknown-key")
			}
		})
	}
	t.Run("order_between_slots_does_not_matter", func(t *testing.T) {
		random := rand.New(rand.NewPCG(7, 8))
		for range 20 {
			y := play(slotsConfig(true))
			packets := y.knock(phone, annKey)
			rest := packets[1:]
			random.Shuffle(len(rest), func(i, j int) { rest[i], rest[j] = rest[j], rest[i] })
			y.sendAll(packets, gap)
			expect(t, y, "ann ok")
		}
	})
	t.Run("retransmissions_are_silent", func(t *testing.T) {
		y := play(slotsConfig(true))
		packets := y.knock(phone, annKey)
		for range 4 {
			y.sendAll(packets, gap)
			y.wait(time.Second)
		}
		expect(t, y, "ann ok")
	})
	t.Run("backups_and_stragglers_are_silent", func(t *testing.T) {
		y := play(slotsConfig(true))
		packets := y.knock(phone, annKey)
		y.sendAll(packets, gap)
		y.wait(230 * time.Millisecond)
		y.sendAll(y.again(packets), gap)
		y.wait(2 * time.Second)
		y.sendAll(y.again(packets), gap)
		expect(t, y, "ann ok")
	})
	t.Run("lost_packet_comes_as_backup", func(t *testing.T) {
		y := play(slotsConfig(true))
		packets := y.knock(phone, annKey)
		y.sendAll(slices.Delete(slices.Clone(packets), 9, 10), gap)
		y.wait(230 * time.Millisecond)
		expect(t, y, "")
		y.sendAll(y.again(packets), gap)
		expect(t, y, "ann ok")
	})
	t.Run("second_knock_with_retransmissions_of_the_first", func(t *testing.T) {
		y := play(slotsConfig(true))
		for range 20 {
			first := y.knock(phone, annKey)
			y.sendAll(first, gap)
			y.wait(970 * time.Millisecond)
			second := y.knock(phone, annKey)
			for i := range second { // the kernel sends the first again between
				y.sendAll([]wire.Packet{second[i], first[i]}, gap)
			}
			expect(t, y, "ann ok, ann ok")
			y.wait(4 * time.Second)
		}
	})
	t.Run("backups_of_the_first_in_the_second_knock", func(t *testing.T) {
		y := play(slotsConfig(true))
		first := y.knock(phone, annKey)
		y.sendAll(first, gap)
		y.wait(180 * time.Millisecond)
		second, backups := y.knock(phone, annKey), y.again(first)
		y.sendAll(second[:20], gap)
		y.wait(20 * time.Millisecond)
		y.sendAll(backups, gap)
		y.sendAll(second[20:], gap)
		expect(t, y, "ann ok, ann ok")
	})
	t.Run("bytes_of_no_hint_are_nothing", func(t *testing.T) {
		cfg := slotsConfig(true)
		y := play(cfg)
		y.filter.SYN = []wire.PortRange{cfg.Ports}
		packets := y.knock(phone, annKey)
		y.sendAll(packets[:3], gap)
		for b := range slotSize {
			if !cfg.Ring.HintByte(0, byte(b)) {
				y.send(y.syn(phone, uint16(slotsBase+b)))
			}
		}
		y.sendAll(packets[3:], gap)
		expect(t, y, "ann ok")
	})
	t.Run("half_a_knock_does_not_spoil_the_next", func(t *testing.T) {
		y := play(slotsConfig(true))
		y.sendAll(y.knock(phone, annKey)[:15], gap)
		y.wait(20 * time.Second)
		y.sendAll(y.knock(phone, annKey), gap)
		expect(t, y, "ann ok")
	})
	t.Run("what_is_older_than_a_minute_is_forgotten", func(t *testing.T) {
		y := play(slotsConfig(true))
		packets := y.knock(phone, annKey)
		y.sendAll(packets[:12], gap)
		y.wait(slotTime - time.Second)
		y.sendAll(packets[12:23], gap)
		y.wait(2 * time.Second)
		y.sendAll(packets[23:], gap)
		expect(t, y, "")
	})
	t.Run("of_any_time_when_the_clock_is_not_synchronised", func(t *testing.T) {
		y := play(slotsConfig(false))
		for i := range 100 {
			msg := seal.Seal(annKey, stampAt(start.AddDate(0, 0, i-50)))
			from := netip.AddrFrom4([4]byte{203, 0, byte(i), 7})
			for _, port := range Slots(msg, slotsBase) {
				y.send(y.syn(from, port))
			}
			expect(t, y, "ann ok")
			y.wait(time.Minute)
		}
	})
	t.Run("two_systems_behind_one_address_at_once", func(t *testing.T) {
		y := play(slotsConfig(true))
		mine, other := y.knock(phone, annKey), y.knock(phone, bobKey)
		for i := range mine {
			mine[i].Options, other[i].Options = options(1460), options(1400)
			y.sendAll([]wire.Packet{mine[i], other[i]}, gap)
		}
		expect(t, y, "ann ok, bob ok")
	})
	t.Run("twelve_knocks_in_two_seconds", func(t *testing.T) { // the ports of their hints are the same
		y := play(slotsConfig(true))
		for range 12 {
			y.sendAll(y.knock(phone, annKey), gap)
			y.wait(150 * time.Millisecond)
			expect(t, y, "ann ok")
		}
	})
	t.Run("changed_byte_is_told_once", func(t *testing.T) {
		y := play(slotsConfig(true))
		packets := y.knock(phone, annKey)
		packets[20].DstPort = packets[20].DstPort&^0xff | (packets[20].DstPort+1)&0xff
		y.sendAll(packets, gap)
		y.wait(time.Second)
		y.sendAll(y.again(packets), gap)
		expect(t, y, "bad-message")
	})
	t.Run("other_senders_do_not_mix_in", func(t *testing.T) {
		y := play(slotsConfig(true))
		mine, other := y.knock(phone, annKey), y.knock(cafe, bobKey)
		for i := range mine {
			y.sendAll([]wire.Packet{mine[i], other[i]}, gap)
		}
		expect(t, y, "ann ok, bob ok")
	})
	t.Run("scan", func(t *testing.T) {
		y := play(slotsConfig(true))
		for port := slotsBase; port < slotsBase+slotCount*slotSize; port++ {
			y.send(y.syn(scanner, uint16(port)))
		}
		expect(t, y, "")
	})
	t.Run("edges", func(t *testing.T) {
		y := play(slotsConfig(false))
		for _, port := range []uint16{slotsBase - 1, slotsBase + slotCount*slotSize} {
			p := y.syn(phone, port)
			if y.filter.Match(&p) {
				t.Errorf("the filter wants port %d", port)
			}
			y.detectors[0].Observe(y.now, &p, func(f Finding) { t.Errorf("port %d: found %+v", port, f) })
		}
	})
}

// TestSlotsFlood knocks while 100 000 forged SYNs per second reach the span. The honest SYNs come
// 12 ms apart, as from the slowest browser, and one of them only a second later, when it was lost.
func TestSlotsFlood(t *testing.T) {
	y := play(slotsConfig(true))
	random := rand.New(rand.NewPCG(9, 10))
	flood := func(d time.Duration) {
		const gap = time.Second / 100_000
		for end := y.now.Add(d); y.now.Before(end); y.wait(gap) {
			var b [4]byte
			binary.BigEndian.PutUint32(b[:], random.Uint32())
			y.send(y.syn(netip.AddrFrom4(b), slotsBase+uint16(random.IntN(slotCount*slotSize))))
		}
	}
	opened := 0
	for i := range 5 {
		from := netip.AddrFrom4([4]byte{203, 0, byte(i), 7})
		for n, p := range y.knock(from, annKey) {
			if n == 3 {
				flood(time.Second)
			}
			y.send(p)
			flood(12 * time.Millisecond)
		}
		opened += strings.Count(y.reasons(), "ann ok")
	}
	if opened < 5 {
		t.Errorf("%d of 5 knocks opened", opened)
	}
}

func TestSlotsAllocatesNothing(t *testing.T) {
	y := play(slotsConfig(true))
	var packets []wire.Packet
	for range 3 { // the first of them opens, later they are mixtures and copies
		packets = append(packets, y.knock(phone, annKey)...)
	}
	packets = append(packets, y.syn(phone, 22), y.syn(phone, slotsBase+999))
	ignore := func(Finding) {}
	run := func() {
		for i := range packets {
			y.wait(time.Second / 10)
			packets[i].Seq++
			y.detectors[0].Observe(y.now, &packets[i], ignore)
		}
	}
	run()
	if n := testing.AllocsPerRun(20, run); n != 0 {
		t.Errorf("%v allocations for %d packets, want none", n, len(packets))
	}
}

func BenchmarkSlots(b *testing.B) {
	y := play(slotsConfig(true))
	ignore := func(Finding) {}
	packets := y.knock(phone, annKey)
	for name, p := range map[string]wire.Packet{"slot": packets[12], "unmatched": y.syn(phone, 22)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			y.send(packets[0])
			for b.Loop() {
				p.Seq++
				y.detectors[0].Observe(y.now, &p, ignore)
			}
		})
	}
}
