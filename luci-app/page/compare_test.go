// SPDX-License-Identifier: Apache-2.0

package page

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey/latchkey/pkgs/knock"
	"github.com/latchkey/latchkey/pkgs/lab"
	"github.com/latchkey/latchkey/pkgs/link"
	"github.com/latchkey/latchkey/pkgs/link/linktest"
	"github.com/latchkey/latchkey/pkgs/pickup"
	"github.com/latchkey/latchkey/pkgs/seal"
	"github.com/latchkey/latchkey/pkgs/wire"
)

// read is what the page reads of a link.
type read struct {
	N, H  string
	A     []string
	U     []uint16
	P     uint16
	K     string
	Doors []door
	Wrong string // the part for which it refuses the link
}

type door struct {
	Name, Title string
	TCP, UDP    string
	Port        uint16
	Service     string
	Usual, Most int
}

// pageOf is what the page should read of a link.
func pageOf(l link.Link) read {
	r := read{N: l.Name, H: l.Host, A: []string{}, U: append([]uint16{}, l.STUNPorts...), P: l.Ports, K: fmt.Sprintf("%x", l.Key[:])}
	for _, a := range l.Addresses {
		r.A = append(r.A, a.String())
	}
	for _, name := range l.Doors {
		d := door{Name: name, Title: strings.ReplaceAll(name, "_", " ")}
		if about, ok := l.Door(name); ok {
			d.TCP, d.UDP, d.Port, d.Service = joined(about.Of(wire.TCP)), joined(about.Of(wire.UDP)), about.Ports[0].First, about.Service
			if about.Title != "" {
				d.Title = about.Title
			}
		}
		if i := slices.IndexFunc(l.Times, func(t link.Time) bool { return t.Door == name }); i >= 0 {
			d.Usual, d.Most = int(l.Times[i].Usual/time.Second), int(l.Times[i].Most/time.Second)
		}
		r.Doors = append(r.Doors, d)
	}
	return r
}

// joined writes ports as links have them, in the one way that this is done.
func joined(ports []wire.PortRange) string {
	texts := make([]string, len(ports))
	for i, r := range ports {
		texts[i] = r.String()
	}
	return strings.Join(texts, "+")
}

// FuzzLink compares what the page and the program make of a link. The page knows no ordered ports: a link
// with no other way to knock is none for it, and what is wrong in their parts it does not see.
func FuzzLink(f *testing.F) {
	linktest.Seed(f)
	page := lab.NewOracle(f, "node", "../../testdata/answer.mjs", "page")
	reads := func(t *testing.T, text string) read {
		var r read
		page.Ask(t, &r, "link", text)
		for i, text := range r.A {
			if a, err := netip.ParseAddr(text); err == nil {
				r.A[i] = a.Unmap().String()
			}
		}
		return r
	}
	f.Fuzz(func(t *testing.T, text string, part uint8, value string) {
		if text = linktest.Change(text, part, value); !linktest.Comparable(text) {
			return
		}
		l, err := link.Parse(text)
		got := reads(t, text)
		if err != nil {
			if got.Wrong == "" && !strings.HasPrefix(err.Error(), "link part 'g") && !strings.HasPrefix(err.Error(), "link parts 'gh' and 'gf'") {
				t.Errorf("%q: only the page takes it, the program says: %v", text, err)
			}
			return
		}
		if l.STUNPorts == nil && l.Ports == 0 {
			if got.Wrong != "u" {
				t.Errorf("%q has ordered ports only, but the page reads %+v", text, got)
			}
			return
		}
		for _, form := range []string{text, l.Text(), l.AppText()} {
			again, err := link.Parse(form)
			if err != nil {
				t.Fatalf("%q: %v", form, err)
			}
			if diff := cmp.Diff(pageOf(again), reads(t, form)); diff != "" {
				t.Errorf("%q (-program +page):\n%s", form, diff)
			}
		}
	})
}

// FuzzMessage compares the messages that the page makes with those that the router opens, byte by byte, and
// how they are carried.
func FuzzMessage(f *testing.F) {
	f.Add([]byte("a key"), uint64(1_795_314_019_000), "nas_ssh", false, uint8(0), uint16(20480))
	f.Add([]byte{}, uint64(0), "", true, uint8(255), uint16(1))
	f.Add([]byte("\xff"), uint64(seal.MaxStamp), "ä", false, uint8(1), uint16(59392))
	page := lab.NewOracle(f, "node", "../../testdata/answer.mjs", "page")
	f.Fuzz(func(t *testing.T, keyBytes []byte, stamp uint64, name string, closes bool, minutes uint8, base uint16) {
		if !utf8.ValidString(name) {
			return
		}
		key := linktest.Key(keyBytes)
		want := seal.Body{Stamp: stamp & seal.MaxStamp, Door: seal.Tag(name), Close: closes, Minutes: minutes}
		message := seal.Seal(key, want)
		var got, username string
		page.Ask(t, &got, "seal", fmt.Sprintf("%x", key[:]), want.Stamp, name, closes, minutes)
		if got != fmt.Sprintf("%x", message) {
			t.Errorf("%+v is sealed by the page as %s, want %x", want, got, message)
		}
		if _, body, err := seal.NewRing([]seal.Key{key}).Open(message); err != nil || body != want {
			t.Errorf("%+v opens as %+v, %v", want, body, err)
		}
		page.Ask(t, &username, "username", got)
		if b, err := linktest.Base64(username); err != nil || string(b) != string(message) {
			t.Errorf("message %s is carried as %q", got, username)
		}
		if base = max(base, 1); base <= 59392 {
			var ports []uint16
			page.Ask(t, &ports, "slots", got, base)
			if diff := cmp.Diff(knock.Slots(message, base), ports); diff != "" {
				t.Errorf("slots from %d (-program +page):\n%s", base, diff)
			}
		}
	})
}

// FuzzPickUp has the page open what the router sealed, and what was changed on the way.
func FuzzPickUp(f *testing.F) {
	f.Add([]byte("a code"), "http://192.168.1.1/latchkey/#v=1&n=ä", uint16(0), uint8(0))
	f.Add([]byte{}, strings.Repeat("long ", 40), uint16(3), uint8(1))
	page := lab.NewOracle(f, "node", "../../testdata/answer.mjs", "page")
	f.Fuzz(func(t *testing.T, codeBytes []byte, text string, at uint16, bit uint8) {
		if !utf8.ValidString(text) || len(text) > pickup.MaxText || strings.HasPrefix(text, "\ufeff") { // a BOM is nothing to a page
			return
		}
		var code pickup.Code
		copy(code[:], codeBytes)
		sealed := []byte(code.Seal(text))
		if bit %= 8; bit > 0 {
			sealed[int(at)%len(sealed)] ^= 1 << bit >> 1
		}
		want, err := code.Open(string(sealed))
		var got struct{ Text, Wrong, Name string }
		page.Ask(t, &got, "pickup", fmt.Sprintf("%x", code[:]), string(sealed))
		if err == nil && (got.Wrong != "" || got.Text != want) || err != nil && got.Wrong == "" && got.Text != text {
			t.Errorf("%q opens as %q (%s), want %q (%v)", sealed, got.Text, got.Wrong, want, err)
		}
		page.Ask(t, &got.Name, "name", fmt.Sprintf("%x", code[:]))
		if got.Name != code.Name() {
			t.Errorf("code %x has the name %s, want %s", code[:], got.Name, code.Name())
		}
	})
}
