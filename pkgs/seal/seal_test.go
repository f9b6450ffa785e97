// SPDX-License-Identifier: Apache-2.0

package seal_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/latchkey/latchkey/pkgs/seal"
)

var (
	noon     = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	sameBody = cmpopts.EquateComparable(netip.Addr{})
)

// key returns a key that differs with n.
func key(n int) seal.Key {
	k := seal.Key{31: 1}
	k[0], k[1] = byte(n), byte(n>>8)
	return k
}

func keys(n int) []seal.Key {
	var all []seal.Key
	for i := range n {
		all = append(all, key(i))
	}
	return all
}

func millis(t time.Time) uint64 { return uint64(t.UnixMilli()) }

func TestParseKey(t *testing.T) {
	want := seal.Key(bytes.Repeat([]byte{0xfb, 0xef}, 16))
	for _, text := range []string{
		"++/77/vv++/77/vv++/77/vv++/77/vv++/77/vv++8=",
		"--_77_vv--_77_vv--_77_vv--_77_vv--_77_vv--8",
		"  --_77_vv--_77_vv--_77_vv--_77_vv--_77_vv--8\n",
		want.Text(),
	} {
		got, err := seal.ParseKey(text)
		if err != nil || got != want {
			t.Errorf("ParseKey(%q): equal %v, error %v", text, got == want, err)
		}
	}
	for text, message := range map[string]string{
		"":                          "key is 0 bytes long, but must be 32",
		"c2VjcmV0":                  "key is 6 bytes long, but must be 32",
		"secret!":                   "key is not base64",
		"c2Vj\ncmV0":                "key is not base64",
		strings.Repeat("A", 43):     "key is all zeros",
		strings.Repeat("c2Vj", 100): "key is 300 bytes long",
	} {
		_, err := seal.ParseKey(text)
		if err == nil || !strings.HasPrefix(err.Error(), message) {
			t.Errorf("ParseKey(%q): %v, want %q", text, err, message)
		}
		if err != nil && len(text) > 0 && strings.Contains(err.Error(), text) {
			t.Errorf("the error shows the key: %v", err)
		}
	}
}

func TestKey_hides(t *testing.T) {
	k := key(200)
	holder := struct{ Key seal.Key }{k}
	j, err := json.Marshal(holder)
	if err != nil {
		t.Fatal(err)
	}
	shown := []string{string(j), fmt.Sprint(k), fmt.Sprint(&k), fmt.Sprint(holder)}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%c"} {
		shown = append(shown, fmt.Sprintf(verb, k), fmt.Sprintf(verb, holder))
	}
	for _, s := range shown {
		if !strings.Contains(s, "(key)") || strings.Contains(s, "200") || strings.Contains(strings.ToLower(s), "c8") {
			t.Errorf("shows the key: %s", s)
		}
	}
}

func TestSeal_opens(t *testing.T) {
	ring := seal.NewRing(keys(3))
	for _, synced := range []bool{false, true} {
		ring.Advance(noon, synced)
		for _, body := range []seal.Body{
			{Stamp: millis(noon)},
			{Stamp: millis(noon.Add(-seal.MaxSkew)), Door: seal.Tag("nas_ssh"), Minutes: 255},
			{Stamp: millis(noon.Add(seal.MaxSkew)), Close: true},
			{Stamp: millis(noon), Address: netip.MustParseAddr("203.0.113.7"), Minutes: 1},
			{Stamp: millis(noon), Address: netip.MustParseAddr("2001:db8::7"), Close: true},
		} {
			for client := range 3 {
				message := seal.Seal(key(client), body)
				if want := map[bool]int{false: 24, true: 40}[body.Address.IsValid()]; len(message) != want {
					t.Errorf("message is %d bytes long, want %d", len(message), want)
				}
				got, b, err := ring.Open(message)
				if err != nil || got != client {
					t.Errorf("client %d, synced %v: got client %d, error %v", client, synced, got, err)
				}
				if diff := cmp.Diff(body, b, sameBody); diff != "" {
					t.Errorf("synced %v (-sealed +opened):\n%s", synced, diff)
				}
			}
		}
	}
}

func TestSeal_is_deterministic_and_hides_the_body(t *testing.T) {
	a := seal.Seal(key(1), seal.Body{Stamp: millis(noon)})
	if !bytes.Equal(a, seal.Seal(key(1), seal.Body{Stamp: millis(noon)})) {
		t.Error("the same body gives two messages")
	}
	b := seal.Seal(key(1), seal.Body{Stamp: millis(noon) + 1})
	if !bytes.Equal(a[:3], b[:3]) {
		t.Error("the hint changed within an epoch")
	}
	same := 0
	for i := range a[3:] {
		if a[3+i] == b[3+i] {
			same++
		}
	}
	if same > 3 {
		t.Errorf("%d of 21 bytes behind the hint are the same for two stamps", same)
	}
}

func TestRing_refuses_every_changed_bit(t *testing.T) {
	ring := seal.NewRing(keys(2))
	ring.Advance(noon, true)
	message := seal.Seal(key(1), seal.Body{Stamp: millis(noon), Address: netip.MustParseAddr("203.0.113.7")})
	for bit := range len(message) * 8 {
		changed := slices.Clone(message)
		changed[bit/8] ^= 1 << (bit % 8)
		_, _, err := ring.Open(changed)
		if bit >= 24 && !errors.Is(err, seal.ErrBadMessage) {
			t.Errorf("bit %d: %v, want %v", bit, err, seal.ErrBadMessage)
		}
		if err == nil {
			t.Errorf("bit %d changed, and it opens", bit)
		}
	}
	for n := range len(message) + 10 {
		if n == 40 {
			continue
		}
		if _, _, err := ring.Open(append(slices.Clone(message), make([]byte, 10)...)[:n]); err == nil {
			t.Errorf("opens at %d bytes", n)
		}
	}
}

// A changed tag also changes what it encrypts. Here the body is put right again, so that nothing but the
// bytes of the tag tells: each of the eleven counts.
func TestRing_compares_every_byte_of_the_tag(t *testing.T) {
	ring := seal.NewRing(keys(2))
	ring.Advance(noon, true)
	k := key(1)
	sum := func(key []byte, parts ...[]byte) []byte {
		mac := hmac.New(sha256.New, key)
		for _, p := range parts {
			mac.Write(p)
		}
		return mac.Sum(nil)
	}
	box := sum(k[:], []byte("latchkey1 box"))
	message := seal.Seal(k, seal.Body{Stamp: millis(noon)})
	body := make([]byte, len(message)-14)
	subtle.XORBytes(body, message[14:], sum(box, message[3:14]))
	for i := 3; i < 14; i++ {
		for _, flip := range []byte{1, 0x80} {
			changed := slices.Clone(message)
			changed[i] ^= flip
			subtle.XORBytes(changed[14:], body, sum(box, changed[3:14]))
			if _, _, err := ring.Open(changed); !errors.Is(err, seal.ErrBadMessage) {
				t.Errorf("byte %d of the tag: %v, want %v", i-3, err, seal.ErrBadMessage)
			}
		}
	}
}

// SPEC.md, section 1, "Opening": whose key fits is known, also by a router that knows no epoch.
func TestRing_right_key_and_impossible_address(t *testing.T) {
	message := seal.Seal(key(1), seal.Body{Stamp: uint64(noon.UnixMilli()), Address: netip.MustParseAddr("ff02::1")})
	for _, synced := range []bool{true, false} {
		ring := seal.NewRing(keys(3))
		ring.Advance(noon, synced)
		if _, _, err := ring.Open(message); !errors.Is(err, seal.ErrBadMessage) {
			t.Errorf("synchronised %v: %v, want %v", synced, err, seal.ErrBadMessage)
		}
	}
}

func TestRing_window(t *testing.T) {
	ring := seal.NewRing(keys(100)) // too many for hints beyond MaxSkew
	message := func(at time.Time) []byte { return seal.Seal(key(50), seal.Body{Stamp: millis(at)}) }
	for _, second := range []int{0, 29, 30, 59} {
		now := noon.Add(time.Duration(second) * time.Second)
		ring.Advance(noon, true)
		for _, skew := range []time.Duration{-seal.MaxSkew, 0, seal.MaxSkew} {
			if _, _, err := ring.Open(message(now.Add(skew))); err != nil {
				t.Errorf("at second %d, skew %v: %v", second, skew, err)
			}
		}
	}
	if got, want := len(ring.Hints()), 5*100; got != want {
		t.Errorf("%d hints, want %d", got, want)
	}
	for _, skew := range []time.Duration{-4 * time.Minute, 4 * time.Minute} {
		if _, _, err := ring.Open(message(noon.Add(skew))); !errors.Is(err, seal.ErrUnknownKey) {
			t.Errorf("skew %v: %v, want %v", skew, err, seal.ErrUnknownKey)
		}
	}
}

func TestRing_few_clients_are_known_with_a_wrong_clock(t *testing.T) {
	ring := seal.NewRing(keys(8))
	ring.Advance(noon, true)
	for _, skew := range []time.Duration{-10 * time.Minute, 10 * time.Minute} {
		_, body, err := ring.Open(seal.Seal(key(3), seal.Body{Stamp: millis(noon.Add(skew))}))
		if err != nil {
			t.Errorf("skew %v: %v", skew, err)
		} else if got := seal.Skew(noon, body.Stamp); got != skew {
			t.Errorf("skew is %v, want %v", got, skew)
		}
	}
	if n := len(ring.Hints()); n > 256 {
		t.Errorf("%d hints for 8 clients", n)
	}
}

func TestRing_advances(t *testing.T) {
	ring := seal.NewRing(keys(2))
	if ring.Hints() != nil {
		t.Error("there are hints before the clock is known")
	}
	for minute := range 40 {
		now := noon.Add(time.Duration(minute)*time.Minute + 59*time.Second)
		if !ring.Advance(now, true) {
			t.Errorf("minute %d: Advance says that nothing changed", minute)
		}
		if ring.Advance(now.Add(999*time.Millisecond), true) {
			t.Errorf("minute %d: hints change within an epoch", minute)
		}
		fresh := seal.NewRing(keys(2))
		fresh.Advance(now, true)
		if diff := cmp.Diff(fresh.Hints(), ring.Hints()); diff != "" {
			t.Errorf("minute %d: a ring that advanced differs from a new one:\n%s", minute, diff)
		}
		if _, _, err := ring.Open(seal.Seal(key(1), seal.Body{Stamp: millis(now)})); err != nil {
			t.Errorf("minute %d: %v", minute, err)
		}
	}
	ring.Advance(noon.AddDate(-5, 0, 0), true) // NTP sets the clock
	if _, _, err := ring.Open(seal.Seal(key(1), seal.Body{Stamp: millis(noon.AddDate(-5, 0, 0))})); err != nil {
		t.Errorf("after a jump of the clock: %v", err)
	}
	if !ring.Advance(noon, false) || ring.Hints() != nil || !ring.HintByte(0, 1) {
		t.Error("a clock that is not synchronised any more leaves hints")
	}
	if ring.Advance(noon.Add(time.Hour), false) {
		t.Error("hints that are not there changed")
	}
}

func TestRing_without_keys_wants_nothing(t *testing.T) {
	ring := seal.NewRing(nil)
	ring.Advance(noon, true)
	if h := ring.Hints(); h == nil || len(h) != 0 {
		t.Errorf("hints %v, want none but not nil", h)
	}
	if _, _, err := ring.Open(make([]byte, 24)); !errors.Is(err, seal.ErrUnknownKey) {
		t.Error(err)
	}
}

func TestRing_too_many_hints_for_the_kernel(t *testing.T) {
	ring := seal.NewRing(keys(100))
	ring.MaxSkew = 30 * time.Minute
	ring.Advance(noon, true)
	if n := len(ring.Hints()); n != 0 || ring.Hints() != nil {
		t.Errorf("%d hints, want nil", n)
	}
	late := noon.Add(-30 * time.Minute)
	if client, _, err := ring.Open(seal.Seal(key(70), seal.Body{Stamp: millis(late)})); err != nil || client != 70 {
		t.Errorf("client %d, %v", client, err)
	}
	if _, _, err := ring.Open(make([]byte, 24)); !errors.Is(err, seal.ErrUnknownKey) {
		t.Error(err)
	}
}

func TestRing_shared_hint(t *testing.T) {
	// Among 9000 keys two share a 24-bit hint almost surely (birthday bound: 1 - e^-2.4); this
	// key numbering does.
	hints, pair := map[[3]byte]int{}, [2]int{-1, -1}
	for n := range 20000 {
		h := [3]byte(seal.Seal(key(n), seal.Body{Stamp: millis(noon)}))
		if other, ok := hints[h]; ok {
			pair = [2]int{other, n}
			break
		}
		hints[h] = n
	}
	if pair[0] < 0 {
		t.Fatal("no two keys share a hint")
	}
	ring := seal.NewRing([]seal.Key{key(pair[0]), key(pair[1])})
	ring.Advance(noon, true)
	for client, n := range pair {
		got, _, err := ring.Open(seal.Seal(key(n), seal.Body{Stamp: millis(noon)}))
		if err != nil || got != client {
			t.Errorf("client %d: got %d, %v", client, got, err)
		}
	}
	all := ring.Hints()
	if !slices.IsSortedFunc(all, func(a, b [3]byte) int { return bytes.Compare(a[:], b[:]) }) {
		t.Error("the hints are not in order")
	}
	if n := len(all); n != len(slices.Compact(all)) {
		t.Error("a hint is there twice")
	}
}

func TestRing_hint_bytes(t *testing.T) {
	ring := seal.NewRing(keys(1))
	ring.Advance(noon, true)
	count := 0
	for b := range 256 {
		if ring.HintByte(0, byte(b)) {
			count++
		}
	}
	if count < 3 || count > 5 {
		t.Errorf("%d of 256 first bytes can begin a message, want about 5", count)
	}
	message := seal.Seal(key(0), seal.Body{Stamp: millis(noon)})
	for slot := range 3 {
		if !ring.HintByte(slot, message[slot]) {
			t.Errorf("byte %d of a hint is not known", slot)
		}
	}
	if ring.HintByte(3, message[3]) || ring.HintByte(-1, 0) {
		t.Error("a hint has more than three bytes")
	}
}

func TestRing_open_allocates_nothing(t *testing.T) {
	ring := seal.NewRing(keys(10))
	good := seal.Seal(key(5), seal.Body{Stamp: millis(noon)})
	bad := slices.Clone(good)
	bad[23] ^= 1
	for _, synced := range []bool{true, false} {
		ring.Advance(noon, synced)
		for name, message := range map[string][]byte{"good": good, "bad": bad, "unknown": make([]byte, 40), "short": good[:9]} {
			allocs := testing.AllocsPerRun(100, func() {
				var onStack [40]byte
				_, _, _ = ring.Open(onStack[:copy(onStack[:], message)])
			})
			if allocs != 0 {
				t.Errorf("%s message, synced %v: %v allocations", name, synced, allocs)
			}
		}
	}
}

func TestTag(t *testing.T) {
	// printf 'latchkey door\0nas_ssh' | sha256sum
	if got, want := fmt.Sprintf("%x", [2]byte(seal.Tag("nas_ssh"))), "be07"; got != want {
		t.Errorf("Tag(nas_ssh) = %s, want %s", got, want)
	}
}

func FuzzOpen(f *testing.F) {
	f.Add(seal.Seal(key(0), seal.Body{Stamp: millis(noon)}))
	f.Add(seal.Seal(key(1), seal.Body{Stamp: millis(noon), Address: netip.MustParseAddr("203.0.113.7")}))
	f.Add(make([]byte, 23))
	synced, free := seal.NewRing(keys(2)), seal.NewRing(keys(2))
	synced.Advance(noon, true)
	f.Fuzz(func(t *testing.T, message []byte) {
		client, body, err := synced.Open(message)
		if err == nil && !bytes.Equal(seal.Seal(key(client), body), message) {
			t.Errorf("%x opens, but sealing what it says gives other bytes", message)
		}
		freeClient, freeBody, freeErr := free.Open(message)
		if err == nil && (freeErr != nil || freeClient != client || freeBody != body) {
			t.Errorf("%x opens only with a synchronised clock", message)
		}
	})
}

func BenchmarkRing_Open(b *testing.B) {
	ring := seal.NewRing(keys(8))
	ring.Advance(noon, true)
	good := seal.Seal(key(5), seal.Body{Stamp: millis(noon)})
	for name, message := range map[string][]byte{"good": good, "unknown": make([]byte, 24)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _, _ = ring.Open(message)
			}
		})
	}
}

func TestSeal_stamps_have_48_bits(t *testing.T) {
	const last = 281_474_976_710_655 // in the year 10889
	want := seal.Seal(key(0), seal.Body{Stamp: last})
	for _, stamp := range []uint64{last + 1, 1 << 60} {
		if got := seal.Seal(key(0), seal.Body{Stamp: stamp}); !bytes.Equal(got, want) {
			t.Errorf("stamp %d makes %x, want %x as of the last one", stamp, got, want)
		}
	}
	r := seal.NewRing([]seal.Key{key(0)})
	r.Advance(time.UnixMilli(last), true)
	for _, stamp := range []uint64{last - 1, last} {
		if _, b, err := r.Open(seal.Seal(key(0), seal.Body{Stamp: stamp})); err != nil || b.Stamp != stamp {
			t.Errorf("stamp %d: opened as %d, %v", stamp, b.Stamp, err)
		}
	}
}
