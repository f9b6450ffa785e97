// SPDX-License-Identifier: Apache-2.0

package knock

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha3"
	"crypto/sha512"
	"encoding/base64"
	"hash"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/latchkey/latchkey/pkgs/wire"
)

const spaPort = 62201

const spaVectors = "../../testdata/fwknop"

// spaConfig has the clients "main" and "text", whose keys the vectors were made with.
func spaConfig(t testing.TB) Config {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(spaVectors, "keys.txt"))
	if err != nil {
		t.Fatal(err)
	}
	keys := make(map[string][]byte)
	for line := range strings.Lines(string(b)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		if keys[name], err = base64.StdEncoding.DecodeString(value); err != nil {
			t.Fatal(err)
		}
	}
	return Config{SPAPort: spaPort, SPA: []SPAClient{
		{Name: "text", Keys: SPAKeys{Key: []byte("correcthorse"), HMAC: []byte("batterystaple")}},
		{Name: "main", Keys: SPAKeys{Key: keys["KEY_BASE64"], HMAC: keys["HMAC_KEY_BASE64"]}},
	}}
}

func readSPA(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(spaVectors, name))
	if err != nil {
		t.Fatal(err)
	}
	return bytes.TrimSuffix(b, []byte("\n"))
}

func TestFwknopVectors(t *testing.T) {
	allow := netip.MustParseAddr("203.0.113.7")
	ssh := []SPAPort{{wire.TCP, 22}}
	const base, app = 1795314019000, 1795314926000
	want := map[string]Finding{
		"basic.spa":      {Reason: OK, Request: Request{SPA: SPA{allow, base, 1990130374513027, ssh, 0, SPATarget{}}}},
		"multi.spa":      {Reason: OK, Request: Request{SPA: SPA{allow, base, 3206800589570169, []SPAPort{{wire.TCP, 22}, {wire.UDP, 1194}}, 0, SPATarget{}}}},
		"nat.spa":        {Reason: OK, Request: Request{SPA: SPA{allow, base, 1812247814245340, ssh, 0, SPATarget{"192.168.1.50", 22, false}}}},
		"natport.spa":    {Reason: OK, Request: Request{SPA: SPA{allow, base, 1468426638205641, []SPAPort{{wire.TCP, 40022}}, 0, SPATarget{"192.168.1.50", 22, false}}}},
		"natlocalto.spa": {Reason: OK, Request: Request{SPA: SPA{allow, base, 3559176002052825, []SPAPort{{wire.TCP, 40022}}, time.Minute, SPATarget{"192.0.2.1", 22, true}}}},
		"nattimeout.spa": {Reason: OK, Request: Request{SPA: SPA{allow, base, 1406611221896067, ssh, 10 * time.Minute, SPATarget{"192.168.1.50", 22, false}}}},
		"timeout.spa":    {Reason: OK, Request: Request{SPA: SPA{allow, base, 1897415192707480, ssh, 10 * time.Minute, SPATarget{}}}},
		"src.spa":        {Reason: OK, Request: Request{SPA: SPA{netip.Addr{}, base, 1989121860140279, ssh, 0, SPATarget{}}}},
		"pw.spa":         {Reason: OK, Request: Request{Name: "text", SPA: SPA{allow, base + 1000, 3987156864591464, ssh, 0, SPATarget{}}}},
		"cmd.spa":        {Reason: NotAllowed, Fault: errCommand},
		"sha512.spa":     {Reason: OK, Request: Request{SPA: SPA{allow, base, 1039206061160109, ssh, 0, SPATarget{}}}},
		"md5.spa":        {Reason: OK, Request: Request{SPA: SPA{allow, base, 8093195781049416, ssh, 0, SPATarget{}}}},
		"f2_open.pkt":    {Reason: OK, Request: Request{SPA: SPA{netip.Addr{}, app, 1534458821800238, ssh, time.Minute, SPATarget{}}}},
		"f2_nat.pkt":     {Reason: OK, Request: Request{SPA: SPA{allow, app, 1299633064125791, []SPAPort{{wire.TCP, 2222}}, time.Minute, SPATarget{"192.168.1.50", 22, false}}}},
		"f2_local.pkt":   {Reason: OK, Request: Request{SPA: SPA{allow, app, 1986719269378458, []SPAPort{{wire.TCP, 2222}}, time.Minute, SPATarget{"127.0.0.1", 22, true}}}},
		"tamper.pkt":     {Reason: UnknownKey},
	}
	for name, want := range want {
		t.Run(name, func(t *testing.T) {
			want.Kind, want.From = KindFwknop, phone
			if want.Name == "" && want.Reason != UnknownKey {
				want.Name = "main"
			}
			y := play(spaConfig(t))
			y.send(y.udp(phone, spaPort, readSPA(t, name)))
			sameAddr := cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
			if diff := cmp.Diff([]Finding{want}, y.found, sameAddr, cmpopts.EquateErrors()); diff != "" {
				t.Error(diff)
			}
		})
	}
	entries, err := os.ReadDir(spaVectors)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != len(want)+2 { // keys.txt and the README
		t.Errorf("%d files, of which %d are tested", len(entries), len(want))
	}
}

// TestFwknopChanged changes each character of a good packet.
func TestFwknopChanged(t *testing.T) {
	good := readSPA(t, "basic.spa")
	y := play(spaConfig(t))
	for i := range good {
		for _, c := range []byte("AQ8\n=") {
			if c == good[i] {
				continue
			}
			bad := bytes.Clone(good)
			bad[i] = c
			y.wait(time.Second)
			y.send(y.udp(phone, spaPort, bad))
			if got := y.reasons(); got != "" && got != "unknown-key" {
				t.Fatalf("character %d as %q: found %q", i, c, got)
			}
		}
	}
	for name, bad := range map[string][]byte{
		"empty":      nil,
		"short":      good[:139],
		"long":       bytes.Repeat(good, 7),
		"newline":    append(bytes.Clone(good), '\n'),
		"prefixed":   append([]byte(spaPrefix), good...),
		"cut":        good[:len(good)-1],
		"one longer": append(bytes.Clone(good), 'A'),
	} {
		y.wait(time.Second)
		y.send(y.udp(phone, spaPort, bad))
		if got := y.reasons(); got != "" && got != "unknown-key" {
			t.Errorf("%s: found %q", name, got)
		}
	}
}

// sealSPA does what a fwknop client does with a plain text, padded as told.
func sealSPA(c SPAClient, plain string, padding []byte) []byte {
	return sealSPAWith(sha256.New, c, plain, padding)
}

// sealSPAWith is sealSPA with another hash for the HMAC.
func sealSPAWith(h func() hash.Hash, c SPAClient, plain string, padding []byte) []byte {
	text := append([]byte(plain), padding...)
	b := append([]byte("Salted__"), "8 octets"...)
	key, iv := deriveKey(c.Keys.Key, b[8:])
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(text, text)
	sealed := spaEncoding.EncodeToString(append(b, text...))
	mac := hmac.New(h, c.Keys.HMAC)
	mac.Write([]byte(sealed))
	return []byte(strings.TrimPrefix(sealed, spaPrefix) + spaEncoding.EncodeToString(mac.Sum(nil)))
}

func padding(plain string) []byte {
	n := 16 - len(plain)%16
	return bytes.Repeat([]byte{byte(n)}, n)
}

// withDigest puts the inner digest behind a message.
func withDigest(msg string) string {
	sum := sha256.Sum256([]byte(msg))
	return msg + ":" + spaEncoding.EncodeToString(sum[:])
}

func b64(s string) string { return spaEncoding.EncodeToString([]byte(s)) }

// TestFwknopPlainText has packets of a client who has the right keys and says something else.
func TestFwknopPlainText(t *testing.T) {
	cfg := spaConfig(t)
	client := cfg.SPA[1]
	const head = "1234567890123456:YW5u:1795314019:3.0.0:"
	access := b64("192.0.2.9,tcp/22")
	nat := b64("192.168.1.50,22")
	auth := b64("server")
	for _, tt := range []struct{ name, msg, want string }{
		{"access", head + "1:" + access, "main ok"},
		{"access_with_server_auth", head + "1:" + access + ":" + auth, "main ok"},
		{"timeout_with_server_auth", head + "3:" + access + ":" + auth + ":60", "main ok"},
		{"nat_with_all", head + "4:" + access + ":" + nat + ":" + auth + ":60", "main ok"},
		{"largest_timeout", head + "3:" + access + ":65536", "main ok"},
		{"other_version", strings.Replace(head, "3.0.0", "9", 1) + "1:" + access, "main ok"},
		{"command", head + "0:" + b64("192.0.2.9,reboot"), "main not-allowed"},
		{"timeout_too_long", head + "3:" + access + ":65537", "main bad-message"},
		{"timeout_is_no_number", head + "3:" + access + ":-1", "main bad-message"},
		{"timeout_missing", head + "3:" + access, "main bad-message"},
		{"nat_missing", head + "2:" + access, "main bad-message"},
		{"nat_without_port", head + "2:" + access + ":" + b64("192.168.1.50"), "main bad-message"},
		{"nat_with_two_commas", head + "2:" + access + ":" + b64("192.168.1.50,22,23"), "main bad-message"},
		{"nat_host_with_a_quote", head + "2:" + access + ":" + b64("192.168.1.50',22"), "main bad-message"},
		{"nat_host_too_long", head + "2:" + access + ":" + b64(strings.Repeat("a", 71)+",22"), "main bad-message"},
		{"a_field_too_many", head + "1:" + access + ":" + auth + ":60", "main bad-message"},
		{"type_7", head + "7:" + access, "main bad-message"},
		{"type_is_no_number", head + "x:" + access, "main bad-message"},
		{"ipv6_address", head + "1:" + b64("2001:db8::1,tcp/22"), "main bad-message"},
		{"leading_zero", head + "1:" + b64("192.0.2.010,tcp/22"), "main bad-message"},
		{"no_port", head + "1:" + b64("192.0.2.9"), "main bad-message"},
		{"empty_port", head + "1:" + b64("192.0.2.9,"), "main bad-message"},
		{"port_0", head + "1:" + b64("192.0.2.9,tcp/0"), "main bad-message"},
		{"port_65536", head + "1:" + b64("192.0.2.9,tcp/65536"), "main bad-message"},
		{"icmp", head + "1:" + b64("192.0.2.9,icmp/0"), "main bad-message"},
		{"unprintable", head + "1:" + b64("192.0.2.9,tcp/22\n"), "main bad-message"},
		{"message_is_no_base64", head + "1:####", "main bad-message"},
		{"message_too_long", head + "1:" + b64("192.0.2.9"+strings.Repeat(",tcp/22", 30)), "main bad-message"},
		{"no_user", strings.Replace(head, "YW5u", "", 1) + "1:" + access, "main bad-message"},
		{"user_with_a_quote", strings.Replace(head, "YW5u", b64(`"ann`), 1) + "1:" + access, "main bad-message"},
		{"random_too_short", head[1:] + "1:" + access, "main bad-message"},
		{"random_too_long", "1" + head + "1:" + access, "main bad-message"},
		{"random_with_a_sign", "+" + head[1:] + "1:" + access, "main bad-message"},
		{"time_is_no_number", strings.Replace(head, "1795314019", "soon", 1) + "1:" + access, "main bad-message"},
		{"time_too_long", strings.Replace(head, "1795314019", "1795314019000", 1) + "1:" + access, "main bad-message"},
		{"version_too_long", strings.Replace(head, "3.0.0", "123456789", 1) + "1:" + access, "main bad-message"},
		{"too_few_fields", "1234567890123456:YW5u:1795314019:3.0.0", "main bad-message"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			y := play(cfg)
			plain := withDigest(tt.msg)
			y.send(y.udp(phone, spaPort, sealSPA(client, plain, padding(plain))))
			if got := y.reasons(); got != tt.want {
				t.Errorf("found %q, want %q", got, tt.want)
			}
		})
	}
	good := withDigest(head + "1:" + access)
	raw := func(t *testing.T, plain string, padding []byte) {
		y := play(cfg)
		y.send(y.udp(phone, spaPort, sealSPA(client, plain, padding)))
		if got := y.reasons(); got != "main bad-message" {
			t.Errorf("found %q, want a bad message", got)
		}
	}
	t.Run("digest", func(t *testing.T) {
		for _, plain := range []string{good[:len(good)-1] + "A", good[:len(good)-1], head + "1:" + access} {
			raw(t, plain, padding(plain))
		}
	})
	t.Run("padding", func(t *testing.T) {
		right := padding(good)
		for i := range right {
			wrong := bytes.Clone(right)
			wrong[i] ^= 0x40
			raw(t, good, wrong)
		}
		zero := bytes.Clone(right)
		zero[len(zero)-1] = 0
		raw(t, good, zero)
	})
}

// TestFwknopNamesWhatIsWrong has packets whose HMAC is right, so that the owner can be told what the
// rest lacks.
func TestFwknopNamesWhatIsWrong(t *testing.T) {
	cfg := spaConfig(t)
	client := cfg.SPA[1]
	const head = "1234567890123456:YW5u:1795314019:3.0.0:"
	access := b64("192.0.2.9,tcp/22")
	stranger := client
	stranger.Keys.Key = []byte("another key")
	pack := func(msg string) []byte { return sealSPA(client, withDigest(msg), padding(withDigest(msg))) }
	good := withDigest(head + "1:" + access)
	ports := "192.0.2.9" + strings.Repeat(",tcp/22", 30)
	for name, tt := range map[string]struct {
		packet []byte
		want   string
	}{
		"another_key":           {sealSPA(stranger, good, padding(good)), "the encryption key is another one, or the cipher mode (only CBC is understood)"},
		"another_key_by_chance": {sealSPA(client, "\x80"+good[1:], padding(good)), "the encryption key is another one, or the cipher mode (only CBC is understood)"},
		"digest":                {sealSPA(client, good[:len(good)-1]+"A", padding(good)), "its inner digest does not fit"},
		"kind_of_digest":        {sealSPA(client, good+"A", padding(good+"A")), "its inner digest has 44 characters: want one of MD5, SHA-1, SHA-2 or SHA-3"},
		"30_ports":              {pack(head + "1:" + b64(ports)), "its access request has 292 characters of base64, 256 are the limit"},
		"timeout":               {pack(head + "3:" + access + ":65537"), `its wished time is "65537", 0 to 65536 seconds are the limits`},
		"type":                  {pack(head + "7:" + access), `its message type is "7", 0 to 6 are known`},
		"address":               {pack(head + "1:" + b64("2001:db8::1,tcp/22")), `its address to be let in is "2001:db8::1", which is no IPv4 address`},
		"port":                  {pack(head + "1:" + b64("192.0.2.9,icmp/0")), `it asks for "icmp/0": a port is written as tcp/22 or udp/1194, from 1 to 65535`},
		"target":                {pack(head + "2:" + access + ":" + b64("192.168.1.50")), "its target to forward to is not one of the form host,port"},
		"command":               {pack(head + "0:" + b64("192.0.2.9,reboot")), "it asks the router to run a command: no knock does that"},
	} {
		t.Run(name, func(t *testing.T) {
			y := play(cfg)
			y.send(y.udp(phone, spaPort, tt.packet))
			if len(y.found) != 1 || y.found[0].Name != "main" || y.found[0].Fault == nil || !strings.Contains(y.found[0].Fault.Error(), tt.want) {
				t.Errorf("found %+v, want %q", y.found, tt.want)
			}
		})
	}
}

// TestFwknopHashes has each hash as HMAC, and each as inner digest.
func TestFwknopHashes(t *testing.T) {
	cfg := spaConfig(t)
	const msg = "1234567890123456:YW5u:1795314019:3.0.0:1:" // the access request follows
	for name, make := range map[string]func() hash.Hash{
		"md5": md5.New, "sha1": sha1.New, "sha256": sha256.New, "sha384": sha512.New384, "sha512": sha512.New,
		"sha3_256": func() hash.Hash { return sha3.New256() },
		"sha3_512": func() hash.Hash { return sha3.New512() },
	} {
		inner := make()
		text := msg + b64("192.0.2.9,tcp/22")
		inner.Write([]byte(text))
		digested := text + ":" + spaEncoding.EncodeToString(inner.Sum(nil))
		for kind, packet := range map[string][]byte{
			"HMAC":         sealSPAWith(make, cfg.SPA[1], withDigest(text), padding(withDigest(text))),
			"inner digest": sealSPA(cfg.SPA[1], digested, padding(digested)),
		} {
			y := play(cfg)
			y.send(y.udp(phone, spaPort, packet))
			if got := y.reasons(); got != "main ok" {
				t.Errorf("%s as %s: found %q", name, kind, got)
			}
		}
	}
	for i := range spaHashes {
		if spaCost(i, spaMax) > spaCost(spaDearest, spaMax) {
			t.Errorf("hash %d is dearer than the dearest", i)
		}
	}
}

// TestFwknopFlood knocks while 10 000 packets arrive per second.
func TestFwknopFlood(t *testing.T) {
	flood := func(t *testing.T, next func() (from netip.Addr, payload []byte)) {
		y := play(spaConfig(t))
		good := y.udp(phone, spaPort, readSPA(t, "basic.spa"))
		opened, reported := 0, 0
		for range 30 {
			for range 1000 {
				from, payload := next()
				y.send(y.udp(from, spaPort, payload))
				y.wait(time.Second / 10000)
			}
			y.send(good)
			reported += len(y.found)
			opened += strings.Count(y.reasons(), "main ok")
		}
		if opened != 30 {
			t.Errorf("%d of 30 knocks opened", opened)
		}
		if reported-opened > reportBurst+4 {
			t.Errorf("%d refusals were reported in 3 s", reported-opened)
		}
	}
	t.Run("genuine_look_from_one_sender", func(t *testing.T) {
		tampered := readSPA(t, "tamper.pkt")
		flood(t, func() (netip.Addr, []byte) { return scanner, tampered })
	})
	t.Run("random_from_forged_senders", func(t *testing.T) {
		random := rand.New(rand.NewPCG(11, 12))
		flood(t, func() (netip.Addr, []byte) {
			return netip.AddrFrom4([4]byte(randomBase64(random, 4))), randomBase64(random, 225)
		})
	})
	t.Run("few_random_packets_cost_anything", func(t *testing.T) {
		random := rand.New(rand.NewPCG(13, 14))
		const packets = 64 * 1000
		for _, size := range []int{204, 225, 247} {
			cost := 0
			for range packets {
				if b := randomBase64(random, size); plausible(b) {
					if _, ok := split(append([]byte(spaPrefix), b...), 0); ok {
						cost++
					}
				}
			}
			if cost > packets/64*11/10 {
				t.Errorf("%d of %d packets of %d characters cost an HMAC, want 1 in 64 at most", cost, packets, size)
			}
		}
	})
}

func randomBase64(random *rand.Rand, size int) []byte {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	b := make([]byte, size)
	var bits uint64
	for i := range b {
		if i%10 == 0 { // 10 letters of 6 bits
			bits = random.Uint64()
		}
		b[i] = alphabet[bits%64]
		bits >>= 6
	}
	return b
}

func TestFwknopAllocatesNothing(t *testing.T) {
	cfg := spaConfig(t)
	y := play(cfg)
	packets := []wire.Packet{
		y.udp(phone, spaPort, readSPA(t, "tamper.pkt")),
		y.udp(phone, spaPort, []byte("short")),
		y.udp(phone, spaPort, bytes.Repeat([]byte("8"), 225)),
		y.udp(phone, 53, readSPA(t, "basic.spa")),
	}
	ignore := func(Finding) {}
	run := func() {
		for i := range packets {
			y.wait(time.Second)
			y.detectors[0].Observe(y.now, &packets[i], ignore)
		}
	}
	run()
	if n := testing.AllocsPerRun(20, run); n != 0 {
		t.Errorf("%v allocations for %d packets, want none", n, len(packets))
	}
}

func FuzzFwknop(f *testing.F) {
	cfg := spaConfig(f)
	for _, name := range []string{"basic.spa", "md5.spa", "sha512.spa", "tamper.pkt"} {
		f.Add(readSPA(f, name))
	}
	good := make(map[string]bool)
	for _, name := range []string{"basic.spa", "md5.spa", "sha512.spa"} {
		good[string(readSPA(f, name))] = true
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		y := play(cfg)
		y.send(y.udp(phone, spaPort, payload))
		for _, found := range y.found {
			if found.Reason != UnknownKey && !good[string(payload)] {
				t.Errorf("%q: found %+v without the keys", payload, found)
			}
		}
	})
}

func FuzzFwknopPlainText(f *testing.F) {
	f.Add("1234567890123456:YW5u:1795314019:3.0.0:1:" + b64("192.0.2.9,tcp/22"))
	f.Add("1234567890123456:YW5u:1795314019:3.0.0:6:" + b64("192.0.2.9,tcp/22") + ":" + b64("10.0.0.1,22") + ":60")
	f.Fuzz(func(t *testing.T, msg string) {
		spa, err := parseSPA([]byte(withDigest(msg)))
		switch err {
		case nil:
			if len(spa.Ports) == 0 || spa.Random >= 1e16 || spa.Timeout > spaTimeoutMax*time.Second ||
				spa.Allow.IsValid() && !spa.Allow.Is4() {
				t.Errorf("%q asks for %+v", msg, spa)
			}
		default:
			if diff := cmp.Diff(SPA{}, spa, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
				t.Errorf("%q is refused and asks for something: %s", msg, diff)
			}
			if words := err.Error(); !printable(words) || len(words) > 200 {
				t.Errorf("%q: the error is %q", msg, words)
			}
		}
	})
}

func BenchmarkFwknop(b *testing.B) {
	y := play(spaConfig(b))
	ignore := func(Finding) {}
	for name, payload := range map[string][]byte{
		"genuine_look": readSPA(b, "tamper.pkt"),
		"random_look":  append([]byte("8"), bytes.Repeat([]byte("Q"), 224)...),
	} {
		b.Run(name, func(b *testing.B) {
			p := y.udp(phone, spaPort, payload)
			b.ReportAllocs()
			for b.Loop() {
				y.wait(time.Second)
				y.detectors[0].Observe(y.now, &p, ignore)
			}
		})
	}
}
