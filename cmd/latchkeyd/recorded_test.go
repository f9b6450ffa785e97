// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/lab"
	"github.com/latchkey/latchkey/pkgs/wire"
)

// record collects what is in the UDP packets of carrier stun that leave the phone, each text once.
func record(t *testing.T) func() [][]byte {
	t.Helper()
	packets := tapOn(t, "phone", func(kind uint8, ip []byte) bool {
		var p wire.Packet
		return kind == unix.PACKET_OUTGOING && p.Decode(ip) == nil && p.Proto == wire.UDP && p.DstPort == stunPort
	})
	return func() (payloads [][]byte) {
		for _, ip := range packets() {
			var p wire.Packet
			if p.Decode(ip) == nil && !slices.ContainsFunc(payloads, func(b []byte) bool { return bytes.Equal(b, p.Payload) }) {
				payloads = append(payloads, p.Payload)
			}
		}
		return payloads
	}
}

// A door for IPv4 only: the IPv6 copy of a knock is refused, and who recorded it gets nothing for it,
// neither beside the owner nor when the door has closed.
func TestRecordedKnockOfStockClientOpensNothingForTheNeighbour(t *testing.T) {
	only4 := strings.NewReplacer("\toption dest_ip6 '2001:db8:2::22'\n", "").Replace(sealed)
	if only4 == sealed {
		t.Fatal("the door has no IPv6 address to take away")
	}
	for _, clock := range []string{"synchronised", "free"} {
		t.Run("clock_"+clock, func(t *testing.T) {
			d := start(t, only4, "--clock", clock)
			recorded := record(t)
			program, env := client(t, homeLink)
			knock := lab.On("phone", program, "knock", "home", "nas", "--carrier", "stun")
			knock.Env = env
			if out, err := knock.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			lab.Wait(t, "the owner's door opens", func() bool { return d.count("opened", phone) == 1 })
			var payloads [][]byte
			lab.Wait(t, "both copies are recorded", func() bool {
				payloads = recorded()
				return len(payloads) == 2
			})
			began := time.Now()
			for _, when := range []struct {
				name  string
				after time.Duration
			}{{"after_the_twin_s_time", 2100 * time.Millisecond}, {"when_the_press_is_over", 6 * time.Second}} {
				t.Run(when.name, func(t *testing.T) {
					lab.Wait(t, "that time passes", func() bool { return time.Since(began) > when.after })
					if err := d.ask(closeRequest("nas"), nil); err != nil {
						t.Fatal(err)
					}
					from := netip.MustParseAddrPort(neighbour + ":40000")
					for _, p := range payloads {
						spoof(t, "neighbour", wire.AppendUDP(nil, from, netip.MustParseAddrPort(router+":41641"), p))
					}
					lab.Wait(t, "the owner is told", func() bool { return slices.Contains(d.refusals(), "replayed "+neighbour) })
					if got := d.grants("nas"); slices.Contains(got, neighbour) {
						t.Errorf("open for %q", got)
					}
				})
			}
			lab.Withstood(t, "keys and doors", "both copies of a knock of a phone with two addresses, recorded and sent by a neighbour", "refused as replayed, also the one that was refused before")
		})
	}
}
