// SPDX-License-Identifier: Apache-2.0

package knock_test

import (
	"encoding/base64"
	"fmt"
	"net/netip"
	"os"
	"testing"

	"github.com/latchkey/latchkey/pkgs/knock"
	"github.com/latchkey/latchkey/pkgs/seal"
	"github.com/latchkey/latchkey/pkgs/seal/sealtest"
	"github.com/latchkey/latchkey/pkgs/wire"
)

// TestVectors plays each vector over each carrier, as packets. What is decided behind the
// detectors, such as "replayed", is "ok" here.
func TestVectors(t *testing.T) {
	vectors, err := sealtest.Load(os.DirFS("../../testdata/vectors"))
	if err != nil {
		t.Fatal(err)
	}
	played := make(map[string]int)
	for _, v := range vectors {
		want := knock.Reason(v.Expect)
		if want != knock.UnknownKey && want != knock.BadMessage {
			want = knock.OK
		}
		for name, carrier := range carriersOf(v) {
			t.Run(v.Name+"/"+name, func(t *testing.T) {
				played[name]++
				found := observe(v, carrier)
				switch {
				case len(found) == 0 && want == knock.UnknownKey && v.Synced:
					// A hint that is nobody's is as far as it gets.
				case len(found) == 0 && v.Expect == "stale" && name == "slots":
					// Single bytes of a hint would fit far too often to take more than are needed.
				case len(found) != 1 || found[0].Reason != want:
					t.Errorf("found %+v, want %q", found, want)
				case v.By != "" && found[0].Name != v.By:
					t.Errorf("found client %q, want %q", found[0].Name, v.By)
				}
			})
		}
	}
	if played["stun"] == 0 || played["slots"] == 0 || played["ordered0"] == 0 {
		t.Errorf("played %v", played)
	}
}

// carrier is what of a configuration a vector needs, and its packets.
type carrier struct {
	knock.Config
	packets [][]byte
}

func carriersOf(v sealtest.Vector) map[string]carrier {
	list := make(map[string]carrier)
	if n := len(v.Message); n == seal.ShortSize || n == seal.LongSize {
		username := base64.RawStdEncoding.EncodeToString(v.Message) + ":abcd"
		payload := wire.AppendBindingRequest(nil, [12]byte{}, username, "a password of 22 chars")
		list["stun"] = carrier{knock.Config{STUNPorts: []uint16{41641}},
			[][]byte{wire.AppendUDP(nil, source(v, 1), destination(v, 41641), payload)}}
	}
	if len(v.Message) == seal.ShortSize {
		const base = 20480
		list["slots"] = carrier{knock.Config{Ports: wire.PortRange{First: base, Last: base + 24*256 - 1}},
			syns(v, knock.Slots(v.Message, base))}
	}
	for i, o := range v.Ordered {
		form := &knock.Ordered{Header: o.Header, Footer: o.Footer}
		for _, g := range o.Groups {
			form.Groups = append(form.Groups, wire.PortRange{First: g[0], Last: g[1]})
		}
		list[fmt.Sprint("ordered", i)] = carrier{knock.Config{Ordered: form}, syns(v, o.Ports)}
	}
	return list
}

// syns is a new connection to each port.
func syns(v sealtest.Vector, ports []uint16) [][]byte {
	var list [][]byte
	for i, port := range ports {
		list = append(list, wire.AppendTCP(nil, source(v, uint16(i)), destination(v, port), uint32(i), wire.SYN, nil))
	}
	return list
}

func source(v sealtest.Vector, n uint16) netip.AddrPort { return netip.AddrPortFrom(v.From, 30000+n) }

func destination(v sealtest.Vector, port uint16) netip.AddrPort {
	if v.From.Is6() {
		return netip.AddrPortFrom(netip.MustParseAddr("2001:db8::1"), port)
	}
	return netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), port)
}

// observe plays a vector's packets from their bytes on, through the filter.
func observe(v sealtest.Vector, c carrier) (found []knock.Finding) {
	var keys []seal.Key
	for _, client := range v.Clients {
		keys = append(keys, client.Key)
		c.Clients = append(c.Clients, knock.Client{Name: client.Name})
	}
	c.Ring = seal.NewRing(keys)
	c.Ring.Advance(v.Now, v.Synced)
	var filter wire.Filter
	detectors := knock.New(c.Config, v.Now)
	for _, d := range detectors {
		d.AddFilter(&filter)
	}
	for _, b := range c.packets {
		var p wire.Packet
		if p.Decode(b) != nil || !filter.Match(&p) {
			continue
		}
		for _, d := range detectors {
			d.Observe(v.Now, &p, func(f knock.Finding) { found = append(found, f) })
		}
	}
	return found
}
