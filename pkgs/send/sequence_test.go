// SPDX-License-Identifier: Apache-2.0

package send_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/latchkey/latchkey/pkgs/knock"
	"github.com/latchkey/latchkey/pkgs/send"
)

func TestCheckSteps(t *testing.T) {
	tests := []struct{ step, want string }{
		{"7000/tcp", ""},
		{"7000/tcp:syn", ""},
		{"7000/tcp:syn,!ack", ""},
		{"7000/tcp:!psh", ""},
		{"8000/udp", ""},
		{"icmp:77", ""},
		{"7000/tcp:fin", "step 7000/tcp:fin: an ordinary program can send no TCP packet with these flags but SYN"},
		{"7000/tcp:syn,ack", "step 7000/tcp:syn,ack: an ordinary program can send no TCP packet with these flags but SYN"},
		{"7000/tcp:!syn", "step 7000/tcp:!syn: an ordinary program can send no TCP packet with these flags but SYN"},
	}
	for _, test := range tests {
		s, err := knock.ParseStep(test.step)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if err := send.CheckSteps([]knock.Step{s}); err != nil {
			got = err.Error()
			if !strings.Contains(send.Hint(err), "7000/tcp") {
				t.Errorf("%s: hint %q", test.step, send.Hint(err))
			}
		}
		if got != test.want {
			t.Errorf("%s: error %q, want %q", test.step, got, test.want)
		}
	}
	if send.CheckSteps(nil) == nil {
		t.Error("no steps are no sequence, but were accepted")
	}
}

func TestResolve(t *testing.T) {
	four, six := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")
	mapped := netip.MustParseAddr("::ffff:192.0.2.1")
	tests := []struct {
		name     string
		host     string
		literals []netip.Addr
		family   send.Family
		want     []netip.Addr
		err      string
	}{
		{"a_literal_host", "192.0.2.1", nil, send.BothFamilies, []netip.Addr{four}, ""},
		{"both_once", "192.0.2.1", []netip.Addr{six, mapped, six}, send.BothFamilies, []netip.Addr{four, six}, ""},
		{"only_ipv6", "192.0.2.1", []netip.Addr{six}, send.IPv6, []netip.Addr{six}, ""},
		{"none_of_the_family", "2001:db8::1", nil, send.IPv4, nil, `"2001:db8::1" has no IPv4 address`},
		{"none_of_the_family_and_no_host", "", []netip.Addr{six}, send.IPv4, nil, "the link has no IPv4 address"},
		{"no_host", "", []netip.Addr{six}, send.BothFamilies, []netip.Addr{six}, ""},
		{"a_bad_name_beside_a_literal", "no such host", []netip.Addr{six}, send.BothFamilies, []netip.Addr{six}, ""},
		{"a_bad_name", "no such host", nil, send.BothFamilies, nil, `look up "no such host": no such host`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := send.Resolve(t.Context(), test.host, test.literals, test.family)
			text := ""
			if err != nil {
				text = err.Error()
			}
			if text != test.err {
				t.Errorf("error %q, want %q", text, test.err)
			}
			if diff := cmp.Diff(test.want, got, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
				t.Errorf("addresses (-want +got)\n%s", diff)
			}
		})
	}
}
