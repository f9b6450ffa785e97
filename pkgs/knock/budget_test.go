// SPDX-License-Identifier: Apache-2.0

package knock

import (
	"encoding/binary"
	"hash"
	"net/netip"
	"testing"
	"time"

	"github.com/latchkey/latchkey/pkgs/seal"
)

// stranger is another address, and another network, for each number.
func stranger(i int) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], 0x01000000+uint32(i)*0x10101)
	return netip.AddrFrom4(b)
}

// TestWorkIsBoundedOverAllSenders counts the keys that are tried for a flood in which no sender comes
// twice, so that only the limit for all of them together can hold.
func TestWorkIsBoundedOverAllSenders(t *testing.T) {
	const seconds, rate = 20, 1000
	flood := func(each func(i int, now time.Time)) {
		for i := range seconds * rate {
			each(i, start.Add(time.Duration(i)*time.Second/rate))
		}
	}
	t.Run("of_messages_with_an_expected_hint", func(t *testing.T) {
		o, tried := newOpener(messageConfig(true), start), 0
		msg := seal.Seal(annKey, stampAt(start))
		flood(func(i int, now time.Time) {
			binary.BigEndian.PutUint32(msg[10:], uint32(i))
			if _, _, reason := o.try(now, stranger(i), msg); reason != TooMany {
				tried++
			}
		})
		if most := expectedKeysBurst + seconds*expectedKeys; tried > most || tried < most/2 {
			t.Errorf("%d keys were tried, want %d", tried, most)
		}
	})
	t.Run("and_one_of_them_has_a_quarter", func(t *testing.T) {
		o, tried := newOpener(messageConfig(true), start), 0
		msg := seal.Seal(annKey, stampAt(start))
		flood(func(i int, now time.Time) {
			binary.BigEndian.PutUint32(msg[10:], uint32(i))
			if _, _, reason := o.try(now, scanner, msg); reason != TooMany {
				tried++
			}
		})
		if most := (expectedKeysBurst + seconds*expectedKeys) / 4; tried > most || tried < most/2 {
			t.Errorf("%d keys were tried, want %d", tried, most)
		}
	})
	t.Run("of_messages_of_any_time", func(t *testing.T) {
		o, tried := newOpener(messageConfig(false), start), 0
		msg := make([]byte, seal.ShortSize)
		flood(func(i int, now time.Time) {
			binary.BigEndian.PutUint32(msg[10:], uint32(i))
			if _, _, reason := o.try(now, stranger(i), msg); reason != TooMany {
				tried += 2 // both keys
			}
		})
		if most := otherKeysBurst + seconds*otherKeys; tried > most || tried < most/2 {
			t.Errorf("%d keys were tried, want %d", tried, most)
		}
	})
	t.Run("of_messages_where_clients_were_heard_last", func(t *testing.T) {
		const clients = 200
		cfg := Config{Ring: seal.NewRing(make([]seal.Key, clients)), Clients: make([]Client, clients)}
		r, taken := newReserve(start, len(cfg.Clients), reservedKeys, reservedKeysBurst), 0
		for i := range clients {
			r.heard(i, stranger(i))
		}
		flood(func(i int, now time.Time) {
			for range 2 {
				if r.take(now, i%clients, stranger(i%clients), 1) {
					taken++
				}
			}
		})
		if most := reservedKeysBurst + seconds*reservedKeys; taken > most || taken < most/2 {
			t.Errorf("%d units were taken, want %d", taken, most)
		}
	})
	t.Run("of_fwknop_packets", func(t *testing.T) {
		d := newFwknop(spaConfig(t), start).(*fwknop)
		work := 0
		for i := range d.clients {
			for kind, h := range d.clients[i].macs {
				d.clients[i].macs[kind] = counted{h, func() { work += spaCost(kind, 235-spaHashes[kind].text) }}
			}
		}
		packet := readSPA(t, "tamper.pkt")
		text := append([]byte(spaPrefix), packet[:min(len(packet), 225)]...)
		flood(func(i int, now time.Time) { d.sender(now, stranger(i), text) })
		most := spaWorkBurst + seconds*spaWork + len(spaHashes)*(max(spaOtherWorkBurst, 2*spaCost(4, spaMax))+seconds*spaOtherWork)
		if work > most || work == 0 {
			t.Errorf("%d units of work, want at most %d", work, most)
		}
	})
}

// counted is a hash that tells each use.
type counted struct {
	hash.Hash
	use func()
}

func (c counted) Reset() { c.use(); c.Hash.Reset() }

// TestReserve keeps work for who was heard last, and for the network around him, apart.
func TestReserve(t *testing.T) {
	r := newReserve(start, 2, 10, 40) // 10 at once for each address
	all := func(client int, from netip.Addr) (n int) {
		for r.take(start, client, from, 1) {
			n++
		}
		return n
	}
	r.heard(0, phone)
	for _, tt := range []struct {
		name   string
		client int
		from   netip.Addr
		want   int
	}{
		{"a stranger", 0, scanner, 0},
		{"a client that was never heard", 1, phone, 0},
		{"the network", 0, cafe, 10},
		{"the network again, from another address", 0, netip.MustParseAddr("203.0.113.99"), 0},
		{"the address, though its network has used up its own share", 0, phone, 10},
		{"the other family", 0, phone6, 0},
	} {
		if got := all(tt.client, tt.from); got != tt.want {
			t.Errorf("%s: %d units, want %d", tt.name, got, tt.want)
		}
	}
	r.heard(0, phone6)
	if got := all(0, netip.MustParseAddr("2001:db8:1:ffff::1")); got != 10 {
		t.Errorf("the same /48: %d units, want 10", got)
	}
	r.heard(0, scanner)
	if got := all(0, phone); got != 0 {
		t.Errorf("where the client was before: %d units, want none", got)
	}
}

// TestReplayedMessageMovesNothing sends a client's old message again, from elsewhere: the work that is
// kept for the client must stay where its newest one came from.
func TestReplayedMessageMovesNothing(t *testing.T) {
	t.Run("message", func(t *testing.T) {
		o := newOpener(messageConfig(false), start)
		old, recent := seal.Seal(annKey, stampAt(start)), seal.Seal(annKey, stampAt(start.Add(time.Second)))
		for _, from := range []struct {
			addr netip.Addr
			msg  []byte
		}{{phone, recent}, {scanner, recent}, {scanner, old}} {
			if f, _ := o.open(start, CarrierSTUN, from.addr, from.msg); f.Reason != OK {
				t.Fatalf("found %+v", f)
			}
		}
		if o.reserve.take(start, 0, scanner, 1) || !o.reserve.take(start, 0, phone, 1) {
			t.Error("a copy took the client's place")
		}
	})
	t.Run("fwknop", func(t *testing.T) {
		y := play(spaConfig(t))
		d := y.detectors[0].(*fwknop)
		y.send(y.udp(phone, spaPort, readSPA(t, "basic.spa")))
		y.send(y.udp(scanner, spaPort, readSPA(t, "md5.spa"))) // of the same second
		if got := y.reasons(); got != "main ok, main ok" {
			t.Fatalf("found %q", got)
		}
		if d.reserve.take(y.now, 1, scanner, 1) || !d.reserve.take(y.now, 1, phone, 1) || d.clients[1].kind != 0 {
			t.Error("a packet that is not newer took the client's place")
		}
	})
}
