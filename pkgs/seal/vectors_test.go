// SPDX-License-Identifier: Apache-2.0

package seal_test

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey/latchkey/pkgs/knock"
	"github.com/latchkey/latchkey/pkgs/seal"
	"github.com/latchkey/latchkey/pkgs/seal/sealtest"
	"github.com/latchkey/latchkey/pkgs/wire"
)

func loadVectors(t *testing.T) []sealtest.Vector {
	t.Helper()
	all, err := sealtest.Load(os.DirFS("../../testdata/vectors"))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// Every failure word that a message can meet has a vector. What the words behind "stale" mean is
// decided outside of this package, which must have opened such a message.
func TestVectors(t *testing.T) {
	words := map[string]bool{
		"ok": false, "unknown-key": false, "bad-message": false, "replayed": false, "stale": false,
		"not-allowed": false, "expired": false, "disabled": false, "too-many": false,
	}
	for _, v := range loadVectors(t) {
		t.Run(v.Name, func(t *testing.T) {
			if _, known := words[v.Expect]; !known {
				t.Fatalf("unknown word %q", v.Expect)
			}
			words[v.Expect] = true
			want := v.Expect
			switch want {
			case "not-allowed", "expired", "disabled", "too-many":
				want = "ok"
			}
			if got := judge(t, v); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
	for word, seen := range words {
		if !seen {
			t.Errorf("no vector ends with %q", word)
		}
	}
}

// judge returns the word that this package's parts give for a vector.
func judge(t *testing.T, v sealtest.Vector) string {
	var keys []seal.Key
	var stamps []*seal.Stamps
	for _, c := range v.Clients {
		keys = append(keys, c.Key)
		stamps = append(stamps, seal.NewStamps(seal.Millis, c.Past))
	}
	ring := seal.NewRing(keys)
	for _, e := range v.Earlier {
		ring.Advance(e.At, e.Synced)
		client, body, err := ring.Open(e.Message)
		if err != nil {
			t.Fatal(err)
		}
		verdict := stamps[client].Receive(e.At, windowAt(e.At, e.Synced), body.Stamp, e.From)
		if verdict != seal.Fresh && !(e.Refused && verdict == seal.Overtaken) {
			t.Fatalf("an earlier message does not count: verdict %d", verdict)
		}
		if !e.Refused {
			stamps[client].Accept(body.Stamp)
		}
	}
	ring.Advance(v.Now, v.Synced)
	client, body, err := ring.Open(v.Message)
	switch {
	case errors.Is(err, seal.ErrUnknownKey):
		return "unknown-key"
	case errors.Is(err, seal.ErrBadMessage):
		return "bad-message"
	case stamps[client].Receive(v.Now, windowAt(v.Now, v.Synced), body.Stamp, v.From) != seal.Fresh:
		return "replayed"
	}
	if !slices.Equal(seal.Seal(keys[client], body), v.Message) {
		t.Errorf("sealing %+v gives other bytes", body)
	}
	if v.By != "" && v.Clients[client].Name != v.By {
		t.Errorf("opened by the key of %s, want %s", v.Clients[client].Name, v.By)
	}
	skew := seal.Skew(v.Now, body.Stamp)
	if v.Ahead != 0 && skew != v.Ahead {
		t.Errorf("the sender's clock is ahead by %v, want %v", skew, v.Ahead)
	}
	if v.Synced && skew.Abs() > seal.MaxSkew {
		return "stale"
	}
	if v.Body != "" {
		checkBody(t, v, body)
	}
	return "ok"
}

// windowAt is what a router's clock allows, if it is right.
func windowAt(now time.Time, synced bool) seal.Window {
	if !synced {
		return seal.Window{}
	}
	return seal.Window{First: millis(now.Add(-seal.MaxSkew)), Last: millis(now.Add(seal.MaxSkew))}
}

func checkBody(t *testing.T, v sealtest.Vector, body seal.Body) {
	t.Helper()
	b, err := hex.DecodeString(v.Body)
	if err != nil {
		t.Fatal(err)
	}
	stamp := uint64(0)
	for _, digit := range b[:6] {
		stamp = stamp<<8 | uint64(digit)
	}
	want := seal.Body{Stamp: stamp, Door: seal.DoorTag(b[6:8]), Close: b[8] == 1, Minutes: b[9], Address: body.Address}
	if diff := cmp.Diff(want, body, sameBody); diff != "" {
		t.Errorf("body (-want +got):\n%s", diff)
	}
	for _, g := range slices.Concat(v.Opens, v.Closes) {
		if body.Address.IsValid() != (len(b) == 26) || body.Address.IsValid() && g.Address != body.Address {
			t.Errorf("address is %v, want %v", body.Address, g.Address)
		}
		if body.Door != (seal.DoorTag{}) && body.Door != seal.Tag(g.Door) {
			t.Errorf("door tag is %x, want that of %s", body.Door, g.Door)
		}
	}
}

func TestVectors_carriers(t *testing.T) {
	checked := 0
	for _, v := range loadVectors(t) {
		if v.Username != "" {
			checked++
			if got := base64.RawStdEncoding.EncodeToString(v.Message); got != v.Username {
				t.Errorf("%s: user name %s, want %s", v.Name, got, v.Username)
			}
		}
		if v.Slots.Ports != nil {
			checked++
			if diff := cmp.Diff(v.Slots.Ports, knock.Slots(v.Message, v.Slots.Base)); diff != "" {
				t.Errorf("%s: slots (-want +got):\n%s", v.Name, diff)
			}
		}
		for _, o := range v.Ordered {
			checked++
			form := knock.Ordered{Header: o.Header, Footer: o.Footer}
			for _, g := range o.Groups {
				form.Groups = append(form.Groups, wire.PortRange{First: g[0], Last: g[1]})
			}
			if diff := cmp.Diff(o.Ports, knock.Digits(v.Message, form)); diff != "" {
				t.Errorf("%s: digits (-want +got):\n%s", v.Name, diff)
			}
		}
	}
	if checked < 10 {
		t.Errorf("only %d examples of carriers", checked)
	}
}
