// SPDX-License-Identifier: Apache-2.0

package daemon_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/daemon"
	"github.com/latchkey/latchkey/pkgs/seal"
)

func TestTimesAreWrittenAsPeopleSayThem(t *testing.T) {
	const year = 365 * 24 * time.Hour
	for behind, want := range map[time.Duration]string{
		91 * time.Second:                              "1 minute 31 seconds behind",
		10 * time.Minute:                              "10 minutes behind",
		time.Hour + 5*time.Second:                     "1 hour behind",
		3*24*time.Hour + 4*time.Hour + 59*time.Minute: "3 days 4 hours behind",
		-(24*time.Hour + time.Hour):                   "1 day 1 hour ahead of",
		56*year + 300*24*time.Hour:                    "56 years behind",
		year - time.Second:                            "364 days 23 hours behind",
	} {
		r := spaRig(t, "nas", time.Unix(1795314019, 0).Add(behind))
		r.spa(phone, "basic.spa")
		if e := r.newest(); e.Detail != "the client's clock is "+want+" the router's" {
			t.Errorf("%s behind: %+v, want %s", behind, e, want)
		}
	}
}

func TestTheLastDayOfAClientIsReported(t *testing.T) {
	for expires, want := range map[string]string{
		"2026-11-21":                `client "phone" was valid until 2026-11-21`,
		"2026-11-22T03:00:00+01:00": `client "phone" was valid until 2026-11-22 02:00:00 UTC`,
	} {
		r := newRig(t, strings.Replace(home, "config client 'phone'", "config client 'phone'\n\toption expires '"+expires+"'", 1))
		r.message(phone, r.seal(seal.Body{Door: seal.Tag("nas")}))
		if e := r.newest(); e.Reason != "expired" || e.Detail != want {
			t.Errorf("%s: %+v, want %s", expires, e, want)
		}
	}
}

func TestWhatADeviceLacksIsReported(t *testing.T) {
	for want, dev := range map[string]control.Device{
		"link device wan is up":   {State: "up"},
		"link device wan is down": {State: "down", Coarse: "without the hints of messages, because there is no room"},
		"trouble device wan is up, but the kernel filters it without hints, because there is no room": {State: "up", Coarse: "without hints, because there is no room"},
		"trouble device wan is up, but cannot be read from: no memory":                                {State: "up", Problem: "no memory"},
	} {
		r := newRig(t, home)
		dev.Name = "wan"
		r.DeviceChanged(dev)
		if e := r.newest(); e.Kind+" "+e.Detail != want {
			t.Errorf("%+v is reported as %q, want %q", dev, e.Kind+" "+e.Detail, want)
		}
	}
}

// TestNobodyConnectsFrom asks for doors for addresses that are not a host's.
func TestNobodyConnectsFrom(t *testing.T) {
	for address, why := range map[string]string{
		"255.255.255.255": "not-allowed", "240.0.0.1": "not-allowed", "0.1.2.3": "not-allowed", "127.0.0.1": "not-allowed", "::1": "not-allowed",
		"::ffff:240.0.0.1": "not-allowed",
		"224.0.0.1":        "bad-message", "ff02::1": "bad-message", // by the message's own rules
		"169.254.1.1": "not-allowed", "fe80::1": "not-allowed", "::192.0.2.1": "not-allowed",
		"64:ff9b::7f00:1": "not-allowed", "64:ff9b::e000:1": "not-allowed", "64:ff9b::a9fe:101": "not-allowed",
		"192.168.1.7": "", "100.64.0.1": "", "223.255.255.255": "", "2001:db8::7": "", "64:ff9b::cb00:7107": "", "64:ff9b:1::7f00:1": "",
	} {
		a := netip.MustParseAddr(address)
		r := newRig(t, home)
		r.message(phone, r.seal(seal.Body{Door: seal.Tag("nas"), Address: a}))
		if e := r.newest(); e.Reason != why || (r.open("nas") == "") != (why != "") {
			t.Errorf("a message for %s: %+v, want reason %q", address, e, why)
		}
		if want := a.Unmap().String() + " is not the address of a host: nobody can connect from there"; why == "not-allowed" && r.newest().Detail != want {
			t.Errorf("it says %q, want %q", r.newest().Detail, want)
		}
		err := r.Answer(t.Context(), control.Request{Method: "open", Door: "web", Address: address}, func(any) error { return nil })
		if (err != nil) != (why != "") || (r.open("web") == "") != (why != "") {
			t.Errorf("the owner opens for %s: %v", address, err)
		}
	}
}

// TestNobodyComesFromHome asks from outside for doors for addresses that the router knows to be elsewhere.
func TestNobodyComesFromHome(t *testing.T) {
	homes := map[netip.Addr]string{
		netip.MustParseAddr("203.0.113.1"): "the router",
		netip.MustParseAddr("192.168.1.7"): "the network at lan",
	}
	r := newRig(t, home)
	sys := r.system()
	asked := 0
	sys.Home = func(devices []string, a netip.Addr) (string, error) {
		asked++
		if len(devices) != 1 || devices[0] != "wan" {
			t.Errorf("asked by devices %q, want wan", devices)
		}
		return homes[a], nil
	}
	d, err := daemon.New(sys)
	if err != nil {
		t.Fatal(err)
	}
	r.Daemon = d
	for a, whose := range homes {
		r.now = r.now.Add(10 * time.Second)
		r.message(a, r.seal(seal.Body{Door: seal.Tag("nas")}))
		if e := r.newest(); e.Reason != "not-allowed" || !strings.Contains(e.Detail, a.String()+" belongs to "+whose) {
			t.Errorf("from %s: %+v", a, e)
		}
		r.now = r.now.Add(10 * time.Second)
		r.message(phone, r.seal(seal.Body{Door: seal.Tag("nas"), Address: a}))
		if e := r.newest(); e.Reason != "not-allowed" || !strings.Contains(e.Detail, a.String()+" belongs to "+whose) {
			t.Errorf("for %s: %+v", a, e)
		}
		r.sequence(a, shy...)
		if e := r.newest(); e.Reason != "not-allowed" {
			t.Errorf("from %s by a sequence: %+v", a, e)
		}
	}
	if open := r.open("nas"); open != "" {
		t.Errorf("open for %s", open)
	}
	r.now = r.now.Add(10 * time.Second)
	r.message(phone, r.seal(seal.Body{Door: seal.Tag("nas")}))
	if r.open("nas") == "" {
		t.Errorf("the phone is refused: %+v", r.newest())
	}
	asked = 0
	before := r.now
	for range 100 {
		r.sequence(netip.MustParseAddr("192.168.1.7"), shy...)
	}
	if most := 40 + int(r.now.Sub(before)/time.Second); asked < 40 || asked > most {
		t.Errorf("100 sequences in a row ask the kernel for its addresses %d times, want 40 to %d", asked, most)
	}
}
