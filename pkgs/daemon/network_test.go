// SPDX-License-Identifier: Apache-2.0

package daemon_test

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/daemon"
	"github.com/latchkey/latchkey/pkgs/door"
	"github.com/latchkey/latchkey/pkgs/seal"
)

// wideNAS makes the door nas of home one that opens to networks.
const wideNAS = "config door 'nas'\n\toption width4 '24'\n\toption width6 '64'\n"

// The phone after its provider has given it other addresses.
var (
	phoneAgain  = netip.MustParseAddr("203.0.113.99")
	phoneAgain6 = netip.MustParseAddr("2001:db8:1::a:b:c")
	elsewhere   = netip.MustParseAddr("203.0.114.7")
)

// newWideRig starts a daemon whose door nas opens to networks.
func newWideRig(t *testing.T, text string) *rig {
	t.Helper()
	return newRigThat(t, strings.Replace(text, "config door 'nas'\n", wideNAS, 1), func(r *rig) { r.fw.MakeWideSets("nas") })
}

// knockNAS is a press of the phone's button, a while after the one before.
func (r *rig) knockNAS(from netip.Addr, b seal.Body) {
	r.t.Helper()
	r.now = r.now.Add(6 * time.Second) // no copy of the one before
	b.Door = seal.Tag("nas")
	r.message(from, r.seal(b))
}

func TestGrantForANetwork(t *testing.T) {
	for _, tt := range []struct {
		from, again netip.Addr
		network     string
	}{
		{phone, phoneAgain, "203.0.113.0/24"},
		{phone6, phoneAgain6, "2001:db8:1::/64"},
	} {
		r := newWideRig(t, home)
		r.knockNAS(tt.from, seal.Body{})
		if e := r.newest(); e.Kind != "opened" || e.Address != tt.network {
			t.Errorf("event %+v, want one that names %s", e, tt.network)
		}
		r.knockNAS(tt.again, seal.Body{Minutes: 20})
		if e := r.newest(); e.Kind != "extended" || e.Address != tt.network {
			t.Errorf("event %+v, want one that extends %s", e, tt.network)
		}
		if got, want := r.open("nas"), tt.network+" 20m0s"; got != want {
			t.Errorf("open to %q, want %q", got, want)
		}
		if g := r.Status().Doors[0].Grants; len(g) != 1 || g[0].Address != tt.network {
			t.Errorf("status has %+v, want %s", g, tt.network)
		}
		r.knockNAS(tt.again, seal.Body{Close: true})
		if e := r.newest(); e.Kind != "closed" || e.Address != tt.network || r.open("nas") != "" {
			t.Errorf("event %+v, still open to %q", e, r.open("nas"))
		}
		r.knockNAS(tt.from, seal.Body{})
		r.now = r.now.Add(10 * time.Minute)
		r.Tick()
		if e := r.newest(); e.Kind != "expired" || e.Address != tt.network {
			t.Errorf("event %+v, want the end of %s", e, tt.network)
		}
	}
}

func TestOwnerOpensAndClosesNetworks(t *testing.T) {
	r := newWideRig(t, home)
	g := r.ask(t, control.Request{Method: "open", Door: "nas", Address: phone.String()}).(control.Grant)
	if g.Address != "203.0.113.0/24" || r.open("nas") != "203.0.113.0/24 10m0s" {
		t.Errorf("granted to %q, open to %q", g.Address, r.open("nas"))
	}
	// As status names it.
	g = r.ask(t, control.Request{Method: "open", Door: "nas", Address: "203.0.113.0/24", For: "20m"}).(control.Grant)
	if g.Address != "203.0.113.0/24" || r.open("nas") != "203.0.113.0/24 20m0s" {
		t.Errorf("granted to %q, open to %q", g.Address, r.open("nas"))
	}
	for request, want := range map[control.Request]string{
		{Method: "open", Door: "nas", Address: "203.0.112.0/23"}:          `door "nas" opens to 203.0.112.0/24, not to 203.0.112.0/23`,
		{Method: "open", Door: "nas", Address: "203.0.113.0/25"}:          `door "nas" opens to 203.0.113.0/24, not to 203.0.113.0/25`,
		{Method: "open", Door: "nas", Address: "::ffff:203.0.113.0/120"}:  `not to ::ffff:203.0.113.0/120`,
		{Method: "open", Door: "nas", Address: "127.0.0.0/24"}:            "not that of a host",
		{Method: "open", Door: "web", Address: "203.0.113.0/24"}:          `door "web" opens to 203.0.113.0, not to 203.0.113.0/24`,
		{Method: "open", Door: "nas", Address: "203.0.113.0/33"}:          `not to 203.0.113.0/33`,
		{Method: "open", Door: "nas", Address: "203.0.113.7/24"}:          `not to 203.0.113.7/24`,
		{Method: "close", Door: "nas", Address: "203.0.113.0/"}:           `not to 203.0.113.0/`,
		{Method: "close", Door: "nas", Address: "203.0.0.0/16"}:           `not to 203.0.0.0/16`,
		{Method: "close", Door: "nas", Address: "::ffff:203.0.113.7/120"}: `not to ::ffff:203.0.113.7/120`,
		{Method: "close", Door: "nas", Address: "/24"}:                    "not an IP address",
	} {
		err := r.Answer(t.Context(), request, func(any) error { return nil })
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s %s %s: error %v, want %q", request.Method, request.Door, request.Address, err, want)
		}
	}
	for _, address := range []string{"203.0.113.200", "203.0.113.0/24", "::ffff:203.0.113.200"} {
		r.ask(t, control.Request{Method: "open", Door: "nas", Address: phone.String()})
		if list := r.ask(t, control.Request{Method: "close", Door: "nas", Address: elsewhere.String()}).(control.Closed).Grants; len(list) != 0 {
			t.Errorf("close of %s closed %+v", elsewhere, list)
		}
		list := r.ask(t, control.Request{Method: "close", Door: "nas", Address: address}).(control.Closed).Grants
		if len(list) != 1 || list[0].Address != "203.0.113.0/24" || r.open("nas") != "" {
			t.Errorf("close of %s closed %+v, open to %q", address, list, r.open("nas"))
		}
	}
}

// Sessions end with the grant that let them in, whichever address of the network they came from.
func TestSessionsOfANetworkEndWithItsGrant(t *testing.T) {
	r := newWideRig(t, strings.Replace(home, "config door 'nas'\n", cutNAS, 1))
	r.knockNAS(phone, seal.Body{})
	r.sessions.list = []door.Session{toNAS(phone), toNAS(phoneAgain), toNAS(elsewhere), toWeb(phone, "8443")}
	r.now = r.now.Add(10 * time.Minute)
	r.Tick()
	if e := r.newest(); e.Kind != "expired" || e.Sessions != 2 {
		t.Errorf("event %+v, want the end of two sessions", e)
	}
	if n := len(r.sessions.list); n != 2 {
		t.Errorf("%d sessions go on, want 2", n)
	}
	if want := netip.MustParsePrefix("203.0.113.0/24"); len(r.sessions.asked) != 1 || r.sessions.asked[0] != want {
		t.Errorf("the kernel was asked for %v, want %v", r.sessions.asked, want)
	}
}

// Somebody inside whose address is in the network of a grant came by no door: his sessions go on.
func TestSessionsFromInsideOutliveANetworksGrant(t *testing.T) {
	r := newWideRig(t, strings.Replace(home, "config door 'nas'\n", cutNAS, 1))
	var fails error
	r.home = func(_ []string, a netip.Addr) (string, error) {
		if netip.MustParsePrefix("203.0.113.96/28").Contains(a) {
			return "the network at lan", fails
		}
		return "", fails
	}
	d, err := daemon.New(r.system())
	if err != nil {
		t.Fatal(err)
	}
	r.Daemon = d
	r.knockNAS(phone, seal.Body{})
	r.sessions.list = []door.Session{toNAS(phone), toNAS(phoneAgain)} // the latter from inside
	r.knockNAS(phone, seal.Body{Close: true})
	if got, want := r.left(), "203.0.113.99 at 203.0.113.1:2222"; got != want || r.newest().Sessions != 1 {
		t.Errorf("left are %q, want %q; reported %+v", got, want, r.newest())
	}

	// While it is not known who is inside, nobody's sessions end, and it is reported.
	fails = errors.New("netlink broke")
	r.knockNAS(phone, seal.Body{}) // counts all the same
	r.sessions.list = []door.Session{toNAS(phone), toNAS(phoneAgain), toWeb(phone, "8443")}
	r.now = r.now.Add(10 * time.Minute)
	r.Tick()
	trouble := slices.ContainsFunc(r.reported(), func(e control.Event) bool { return e.Kind == "trouble" && e.Detail == "cut: netlink broke" })
	if n := len(r.sessions.list); n != 3 || r.Status().Cut != fails.Error() || !trouble || r.open("nas") != "" {
		t.Errorf("%d sessions go on, want 3; status says %q; reported %+v", n, r.Status().Cut, r.reported())
	}
	fails = nil
	r.knockNAS(phone, seal.Body{})
	r.knockNAS(phone, seal.Body{Close: true})
	if s := r.Status(); s.Cut != "" || r.newest().Sessions != 1 {
		t.Errorf("status still says %q; reported %+v", s.Cut, r.newest())
	}
}

// Who ends the sessions of an address at a door that is closed ends those of nobody else in its network.
func TestCloseWithCutOfAnAddressWithoutAGrant(t *testing.T) {
	for _, tt := range []struct{ address, reported, left string }{
		{"203.0.113.7", "203.0.113.7", "203.0.113.99 at 203.0.113.1:2222"},
		{"::ffff:203.0.113.7", "203.0.113.7", "203.0.113.99 at 203.0.113.1:2222"},
		{"203.0.113.0/24", "203.0.113.0/24", ""},
	} {
		r := newWideRig(t, home)
		r.sessions.list = []door.Session{toNAS(phone), toNAS(phoneAgain)}
		list := r.ask(t, control.Request{Method: "close", Door: "nas", Address: tt.address, Cut: true}).(control.Closed).Grants
		if len(list) != 1 || list[0].Address != tt.reported || r.newest().Address != tt.reported || r.left() != tt.left {
			t.Errorf("%s: the answer is %+v, the event %+v, left are %q", tt.address, list, r.newest(), r.left())
		}
		// A grant is closed as a whole, and its sessions with it.
		r.ask(t, control.Request{Method: "open", Door: "nas", Address: phone.String()})
		r.sessions.list = []door.Session{toNAS(phone), toNAS(phoneAgain)}
		list = r.ask(t, control.Request{Method: "close", Door: "nas", Address: tt.address, Cut: true}).(control.Closed).Grants
		if len(list) != 1 || list[0].Sessions != 2 || list[0].Address != "203.0.113.0/24" || r.left() != "" {
			t.Errorf("%s, with a grant: the answer is %+v, left are %q", tt.address, list, r.left())
		}
	}
}

// Grants of another width end at a reload, each with an event of its own that says why, and their sessions do what
// the door says; a knock never takes or shortens what somebody else has.
func TestReloadWithAnotherWidth(t *testing.T) {
	for _, tt := range []struct{ from, to, was, is string }{
		{"24", "28", "203.0.113.0/24", "203.0.113.0/28"},
		{"24", "32", "203.0.113.0/24", "203.0.113.7"},
		{"32", "24", "203.0.113.7", "203.0.113.0/24"},
	} {
		t.Run(tt.from+"_to_"+tt.to, func(t *testing.T) {
			r := newRigThat(t, strings.Replace(strings.Replace(home, "config door 'nas'\n", cutNAS, 1), "config door 'nas'\n", wideNAS, 1), func(r *rig) {
				r.fw.MakeWideSets("nas")
				r.text = strings.Replace(r.text, "width4 '24'", "width4 '"+tt.from+"'", 1)
			})
			r.ask(t, control.Request{Method: "open", Door: "nas", Address: phone.String(), For: "1h"})
			r.knockNAS(phone, seal.Body{})
			r.sessions.list = []door.Session{toNAS(phone), toWeb(phone, "8443")}
			r.read = r.newest().Number
			r.text = strings.Replace(r.text, "width4 '"+tt.from+"'", "width4 '"+tt.to+"'", 1)
			r.Reload()
			var reported []string
			for _, e := range r.reported() {
				if e.Kind == "closed" {
					reported = append(reported, strings.TrimSpace(e.Address+" "+e.Client)+": "+e.Detail)
				}
			}
			want := []string{tt.was + " phone: the door was given another width", tt.was + ": the door was given another width"}
			if slices.Sort(reported); !slices.Equal(reported, want) {
				t.Errorf("reported %q, want %q", reported, want)
			}
			if got := r.fw.Elements(r.now, "nas"); len(got) != 0 {
				t.Errorf("the firewall has %v", got)
			}
			if got := r.left(); got != "203.0.113.7 at 203.0.113.1:8443" {
				t.Errorf("left are %q", got)
			}
			r.ask(t, control.Request{Method: "open", Door: "nas", Address: phone.String(), For: "1h"})
			r.knockNAS(phone, seal.Body{})
			if got, want := r.open("nas"), tt.is+" 59m54s"; got != want {
				t.Errorf("open to %q, want %q", got, want)
			}
			if n := len(r.Status().Doors[0].Grants); n != 2 {
				t.Errorf("%d grants, want the owner's and the phone's", n)
			}
		})
	}
}

// A door that became wide for one family waits for that family's set: the knock counts, and is not refused.
func TestKnockBeforeTheSetOfTheNewWidthIsThere(t *testing.T) {
	r := newRig(t, home) // with sets for addresses
	r.text = strings.Replace(home, "config door 'nas'\n", "config door 'nas'\n\toption width6 '64'\n", 1)
	r.Reload()
	r.knockNAS(phone6, seal.Body{})
	if e := r.newest(); e.Kind != "opened" || e.Address != "2001:db8:1::/64" || e.Detail != "the firewall has no set for this door yet" {
		t.Errorf("event %+v", e)
	}
	r.knockNAS(phone, seal.Body{})
	if e := r.newest(); e.Kind != "opened" || e.Detail != "" || r.open("nas") != "203.0.113.7 10m0s" {
		t.Errorf("event %+v, open to %q", e, r.open("nas"))
	}
	r.fw.MakeWideSets("nas")
	r.Reload() // looks at the firewall, too
	if got := r.fw.ElementsOf(r.now, "nas", true); len(got) != 1 {
		t.Errorf("in the set of networks are %v", got)
	}
	for _, g := range r.Status().Doors[0].Grants {
		if g.Pending {
			t.Errorf("%+v is pending", g)
		}
	}
}
