// SPDX-License-Identifier: Apache-2.0

package knock_test

import (
	"encoding/base64"
	"fmt"
	"net/netip"
	"testing"
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

// python is knock.py, which answers questions.
func python(f *testing.F) *lab.Oracle { return lab.NewOracle(f, "python3", "-c", driver) }

// read is what knock.py reads of a link.
type read struct {
	N, H  string
	A     []string
	U     []uint16
	P     uint16
	K     string
	G     []uint16
	GH    []uint16
	GF    []uint16
	Doors []string
	About []about
	Wrong string `json:",omitempty"` // why it refuses the link
}

type about struct {
	Name           string
	TCP, UDP       []uint16 // the first of each range
	Port           uint16
	Service, Title string
}

// readOf is what knock.py should read of a link.
func readOf(l link.Link) read {
	r := read{N: l.Name, H: l.Host, A: []string{}, U: append([]uint16{}, l.STUNPorts...), P: l.Ports, K: fmt.Sprintf("%x", l.Key[:]), Doors: l.Doors, About: []about{}}
	for _, a := range l.Addresses {
		r.A = append(r.A, a.String())
	}
	if o := l.Ordered; o != nil {
		r.G, r.GH, r.GF = portsOf(o.Groups), append([]uint16{}, o.Header...), append([]uint16{}, o.Footer...)
	}
	seen := map[string]bool{}
	for _, d := range l.About {
		if !seen[d.Name] { // a door may be in a link twice
			r.About = append(r.About, about{d.Name, firstOf(d.Of(wire.TCP)), firstOf(d.Of(wire.UDP)), d.Ports[0].First, d.Service, d.Title})
		}
		seen[d.Name] = true
	}
	return r
}

func firstOf(ranges []wire.PortRange) (list []uint16) {
	for _, r := range ranges {
		list = append(list, r.First)
	}
	return list
}

func portsOf(groups []wire.PortRange) (list []uint16) {
	for _, g := range groups {
		for port := int(g.First); port <= int(g.Last); port++ {
			list = append(list, uint16(port))
		}
	}
	return list
}

// FuzzPythonLink compares what knock.py and the program make of a link.
func FuzzPythonLink(f *testing.F) {
	linktest.Seed(f)
	py := python(f)
	f.Fuzz(func(t *testing.T, text string, part uint8, value string) {
		if text = linktest.Change(text, part, value); !linktest.Comparable(text) {
			return
		}
		var got read
		py.Ask(t, &got, "read", text)
		l, err := link.Parse(text)
		if err != nil {
			if got.Wrong == "" {
				t.Errorf("%q: only knock.py takes it, the program says: %v", text, err)
			}
			return
		}
		for i, text := range got.A { // Python writes some addresses in another way
			if a, err := netip.ParseAddr(text); err == nil {
				got.A[i] = a.String()
			}
		}
		if diff := cmp.Diff(readOf(l), got); diff != "" {
			t.Errorf("%q (-program +knock.py):\n%s", text, diff)
		}
		var own read
		if py.Ask(t, &own, "read", l.Text()); own.Wrong != "" {
			t.Errorf("%q: knock.py does not read the program's own form: %s", l.Text(), own.Wrong)
		}
	})
}

// FuzzPythonMessage compares the messages that knock.py makes with those that the router opens, byte by byte,
// and how they are carried.
func FuzzPythonMessage(f *testing.F) {
	f.Add([]byte("a key"), uint64(1_795_314_019_000), "nas_ssh", false, uint8(0), []byte(nil), uint16(500), uint16(600), []byte("random"))
	f.Add([]byte{}, uint64(1), "", true, uint8(255), []byte("\xcb\x00\x71\x07"), uint16(1), uint16(2), []byte{})
	f.Add([]byte("\xff"), uint64(seal.MaxStamp), "ä", false, uint8(1), []byte("0123456789abcdef"), uint16(0), uint16(65535), []byte("0123456789012345678901234567890123456789"))
	py := python(f)
	f.Fuzz(func(t *testing.T, keyBytes []byte, stamp uint64, name string, closes bool, minutes uint8, from []byte, first, last uint16, random []byte) {
		if !utf8.ValidString(name) {
			return
		}
		key := linktest.Key(keyBytes)
		want := seal.Body{Stamp: stamp & seal.MaxStamp, Close: closes, Minutes: minutes}
		if name != "" { // knock.py: every door
			want.Door = seal.Tag(name)
		}
		address := ""
		if a, ok := netip.AddrFromSlice(from); ok && !a.Unmap().IsUnspecified() && !a.Unmap().IsMulticast() {
			want.Address = a.Unmap()
			address = want.Address.String()
		}
		message := seal.Seal(key, want)
		var got, username, request string
		py.Ask(t, &got, "seal", fmt.Sprintf("%x", key[:]), want.Stamp, name, closes, minutes, address)
		if got != fmt.Sprintf("%x", message) {
			t.Errorf("%+v is sealed by knock.py as %s, want %x", want, got, message)
		}
		if _, body, err := seal.NewRing([]seal.Key{key}).Open(message); err != nil || body != want {
			t.Errorf("%+v opens as %+v, %v", want, body, err)
		}
		py.Ask(t, &username, "username", got)
		if b, err := linktest.Base64(username); err != nil || string(b) != string(message) {
			t.Errorf("message %s is carried as %q", got, username)
		}
		if first > 0 && first < last && last-first < 5000 { // a question has them all
			o := knock.Ordered{Groups: []wire.PortRange{{First: first, Last: last}}}
			var ports []uint16
			py.Ask(t, &ports, "digits", got, portsOf(o.Groups), nil, nil)
			if diff := cmp.Diff(knock.Digits(message, o), ports); diff != "" {
				t.Errorf("digits of %d-%d (-program +knock.py):\n%s", first, last, diff)
			}
		}
		if len(random) >= 33 {
			base64 := base64.RawStdEncoding.EncodeToString
			random = random[:33]
			py.Ask(t, &request, "request", got, fmt.Sprintf("%x", random))
			want := wire.AppendBindingRequest(nil, [12]byte(random[:12]), base64(message)+":"+base64(random[12:15]), base64(random[15:]))
			if request != fmt.Sprintf("%x", want) {
				t.Errorf("the binding request is %s, want %x", request, want)
			}
		}
	})
}

// FuzzPythonPickUp has knock.py open what the router sealed, and what was changed on the way.
func FuzzPythonPickUp(f *testing.F) {
	f.Add([]byte("a code"), "http://192.168.1.1/latchkey/#v=1&n=ä", uint16(0), uint8(0))
	f.Add([]byte{}, "x", uint16(3), uint8(1))
	py := python(f)
	f.Fuzz(func(t *testing.T, codeBytes []byte, text string, at uint16, bit uint8) {
		if !utf8.ValidString(text) || text == "" || len(text) > pickup.MaxText {
			return
		}
		var code pickup.Code
		copy(code[:], codeBytes)
		sealed := []byte(code.Seal(text))
		if bit %= 8; bit > 0 {
			sealed[int(at)%len(sealed)] ^= 1 << bit >> 1
		}
		want, err := code.Open(string(sealed))
		var got, name string
		py.Ask(t, &got, "pickup", code.Text(), string(sealed))
		if err == nil && got != want || err != nil && got != "-" && got != text { // it reads base64 in every form
			t.Errorf("%q opens as %q, want %q (%v)", sealed, got, want, err)
		}
		if py.Ask(t, &name, "name", code.Text()); name != code.Name() {
			t.Errorf("code %x has the name %s, want %s", code[:], name, code.Name())
		}
	})
}
