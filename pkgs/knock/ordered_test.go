// SPDX-License-Identifier: Apache-2.0

package knock

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/latchkey/latchkey/pkgs/seal"
	"github.com/latchkey/latchkey/pkgs/wire"
)

func orderedConfig(o Ordered, synced bool) Config {
	cfg := messageConfig(synced)
	cfg.Ordered = &o
	return cfg
}

// row is the SYNs of a message in the ordered form.
func (y *player) row(from netip.Addr, msg []byte, o Ordered) []wire.Packet {
	var list []wire.Packet
	for _, port := range Digits(msg, o) {
		list = append(list, y.syn(from, port))
	}
	return list
}

// longMessage seals a message of 40 bytes.
func (y *player) longMessage(key seal.Key) []byte {
	y.wait(time.Millisecond)
	body := stampAt(y.now)
	body.Address = phone6
	return seal.Seal(key, body)
}

func TestOrdered(t *testing.T) {
	const gap = time.Millisecond
	expect := func(t *testing.T, y *player, want string) {
		t.Helper()
		if got := y.reasons(); got != want {
			t.Errorf("found %q, want %q", got, want)
		}
	}
	for _, f := range forms {
		for _, synced := range []bool{true, false} {
			y := play(orderedConfig(f.Ordered, synced))
			for range 3 {
				y.sendAll(y.row(phone, y.newMessage(annKey), f.Ordered), gap)
				expect(t, y, "ann ok")
				y.sendAll(y.row(phone, y.longMessage(bobKey), f.Ordered), gap)
				expect(t, y, "bob ok")
			}
		}
	}
	framed, bare := forms[3].Ordered, forms[4].Ordered
	t.Run("finding", func(t *testing.T) {
		y := play(orderedConfig(framed, true))
		y.sendAll(y.row(phone, y.longMessage(annKey), framed), gap)
		if len(y.found) != 1 || y.found[0].Carrier != CarrierPorts || y.found[0].From != phone ||
			y.found[0].Body.Address != phone6 || y.found[0].Name != "ann" {
			t.Errorf("found %+v", y.found)
		}
	})
	t.Run("retransmissions_do_no_harm", func(t *testing.T) {
		y := play(orderedConfig(framed, true))
		packets := y.row(phone, y.newMessage(annKey), framed)
		for i, p := range packets {
			y.send(p)
			y.send(packets[i/2])
			y.send(p)
		}
		expect(t, y, "ann ok")
		y.wait(time.Second)
		y.sendAll(packets, gap)
		expect(t, y, "")
	})
	t.Run("equal_digits_in_a_row_count", func(t *testing.T) {
		o := forms[0].Ordered // radix 2: no message is without them
		y := play(orderedConfig(o, true))
		y.sendAll(y.row(phone, y.newMessage(annKey), o), gap)
		expect(t, y, "ann ok")
	})
	t.Run("wrong_digit", func(t *testing.T) {
		y := play(orderedConfig(framed, true))
		packets := y.row(phone, y.newMessage(annKey), framed)
		packets[20], packets[21] = packets[21], packets[20]
		y.sendAll(packets, gap)
		expect(t, y, "bad-message")
		y.sendAll(y.row(phone, y.newMessage(annKey), framed), gap)
		expect(t, y, "ann ok")
	})
	t.Run("frame_in_the_middle_resets", func(t *testing.T) {
		for _, port := range []uint16{900, 901, 902} {
			y := play(orderedConfig(framed, true))
			packets := y.row(phone, y.newMessage(annKey), framed)
			y.sendAll(packets[:10], gap)
			y.send(y.syn(phone, port))
			y.sendAll(packets[10:], gap)
			expect(t, y, "")
			y.sendAll(y.row(phone, y.newMessage(annKey), framed), gap)
			expect(t, y, "ann ok")
		}
	})
	t.Run("header_starts_over", func(t *testing.T) {
		y := play(orderedConfig(framed, true))
		y.sendAll(y.row(phone, y.newMessage(annKey), framed)[:17], gap)
		y.sendAll(y.row(phone, y.newMessage(annKey), framed), gap)
		expect(t, y, "ann ok")
	})
	t.Run("wrong_footer", func(t *testing.T) {
		y := play(orderedConfig(framed, true))
		packets := y.row(phone, y.newMessage(annKey), framed)
		packets[len(packets)-1].DstPort = 500 // one digit more instead
		y.sendAll(packets, gap)
		expect(t, y, "")
	})
	t.Run("digits_between_footers", func(t *testing.T) {
		o := framed
		o.Footer = []uint16{902, 903}
		y := play(orderedConfig(o, true))
		packets := y.row(phone, y.longMessage(annKey), o)
		first := len(o.Header) + forms[3].short
		last := len(packets) - 2
		y.sendAll(slices.Concat(packets[:first], packets[last:last+1], packets[first:last], packets[last+1:]), gap)
		expect(t, y, "")
	})
	t.Run("too_slow", func(t *testing.T) {
		y := play(orderedConfig(framed, true))
		packets := y.row(phone, y.newMessage(annKey), framed)
		y.sendAll(packets[:10], gap)
		y.wait(orderedTime)
		y.sendAll(packets[10:], gap)
		expect(t, y, "")
	})
	t.Run("other_ports_and_senders_do_not_matter", func(t *testing.T) {
		y := play(orderedConfig(bare, true))
		for _, p := range y.row(phone, y.newMessage(annKey), bare) {
			y.sendAll([]wire.Packet{p, y.syn(cafe, 500), y.syn(phone, 650), y.syn(phone6, 501)}, gap)
		}
		expect(t, y, "ann ok")
	})
	t.Run("nobodys_key", func(t *testing.T) {
		y := play(orderedConfig(bare, true))
		y.sendAll(y.row(phone, y.longMessage(eveKey), bare), gap)
		expect(t, y, "unknown-key")
		y.sendAll(y.row(phone, y.newMessage(annKey), bare), gap)
		expect(t, y, "ann ok")
	})
}

func TestOrderedAllocatesNothing(t *testing.T) {
	o := forms[3].Ordered
	y := play(orderedConfig(o, true))
	packets := y.row(phone, y.newMessage(annKey), o)
	packets = append(packets[:len(packets)-1], y.syn(phone, 901), y.syn(phone, 22))
	ignore := func(Finding) {}
	n := testing.AllocsPerRun(20, func() {
		for i := range packets {
			packets[i].Seq++
			y.detectors[0].Observe(y.now, &packets[i], ignore)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations for %d packets, want none", n, len(packets))
	}
}

func FuzzOrdered(f *testing.F) {
	f.Add([]byte("seed"), uint16(1), uint16(2), uint16(3), uint16(4), uint8(9))
	f.Fuzz(func(t *testing.T, seed []byte, a, b, gap, header uint16, stray uint8) {
		o := formOf(a, b, gap, header)
		y := play(orderedConfig(o, true))
		for i, c := range seed { // anything may come before, from the same sender
			y.send(y.syn(phone, o.port(uint32(c)%o.radix())))
			if len(o.Footer) > 0 && i%3 == int(stray)%3 {
				y.send(y.syn(phone, o.Footer[0]))
			}
		}
		y.wait(orderedTime + 1)
		y.found = nil
		y.sendAll(y.row(phone, y.newMessage(annKey), o), time.Microsecond)
		if got := y.reasons(); got != "ann ok" {
			t.Errorf("%+v: found %q, want ok", o, got)
		}
	})
}

func BenchmarkOrdered(b *testing.B) {
	o := forms[3].Ordered
	y := play(orderedConfig(o, true))
	p := y.syn(phone, 500)
	y.sendAll(y.row(phone, y.newMessage(annKey), o)[:4], 0)
	ignore := func(Finding) {}
	b.ReportAllocs()
	for b.Loop() {
		p.Seq++
		y.detectors[0].Observe(y.now, &p, ignore)
	}
}
