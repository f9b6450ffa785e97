// SPDX-License-Identifier: Apache-2.0

package knock

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha3"
	"crypto/sha512"
	"crypto/subtle"
	"hash"
	"net/netip"
	"time"

	"github.com/latchkey/latchkey/pkgs/rate"
	"github.com/latchkey/latchkey/pkgs/wire"
)

// Limits on fwknop packets, as on the slowest router: see Config.Speed. Unlike our messages they have no
// hint, so each one that could be genuine costs one HMAC per client. The work is counted in units of half a
// block (64 bytes) of SHA-256, 0.02 to 0.03 ms on a 580 MHz MIPS: a usual packet is 10 for each client, and all
// of them together take a fifth of its time. Of random base64 of a usual length 1 packet in 64 could be
// genuine, since but 6 bits of a packet are known to all, so with one client a flood of 38 000 of them per
// second shuts out nobody; one that is made to look genuine does so from 600/clients per second on, but for
// clients where they were heard last. A machine of four times that speed takes 150 000.
const (
	spaWork      = 6000 // units per second, a quarter of them for one sender
	spaWorkBurst = 8000

	// The share of each hash for clients that are not known to use it, on top of it: packets of the
	// usual length do not use up what is there for the others.
	spaOtherWork      = 250
	spaOtherWorkBurst = 500

	// The share of clients where they were heard last, on top of it.
	spaReservedWork      = 500
	spaReservedWorkBurst = 2000

	// Lengths of a packet in characters, as fwknopd limits them.
	spaMin, spaMax = 140, 1500
)

// spaHashes are the hashes of the HMAC and of the inner digest, the usual one first. Which one was
// used is told only by the length of its text, in characters; where that is the same, SHA-2 comes first,
// as for fwknopd. work is what a block of 64 bytes costs, in units; SHA-512 and SHA-3 are dear on
// processors of 32 bits, MD5 on those that have instructions for SHA.
var spaHashes = [...]struct {
	make       func() hash.Hash
	text, work int
}{
	{sha256.New, 43, 2}, {md5.New, 22, 2}, {sha1.New, 27, 1}, {sha512.New384, 64, 6}, {sha512.New, 86, 6},
	{func() hash.Hash { return sha3.New256() }, 43, 8}, {func() hash.Hash { return sha3.New512() }, 86, 15},
}

// spaDearest is the place of the hash that costs the most.
const spaDearest = len(spaHashes) - 1

// spaCost is the work of one HMAC over a text of some length: its blocks, and two for the key and
// the end.
func spaCost(kind, length int) int { return (length/64 + 2) * spaHashes[kind].work }

// fwknop recognises SPA packets (single packet authorisation) of the fwknop clients, in their
// default form: AES-256-CBC with an HMAC, by UDP.
type fwknop struct {
	port    uint16
	clients []spaClient
	base    time.Time
	tried   *budget                 // of the hash that each client uses, as far as that is known
	other   [len(spaHashes)]*budget // of the others
	reserve *reserve                // of clients where they were heard last
	reports rate.Bucket
	scratch struct { // here and not on the stack, where it would escape for each packet
		text [spaMax + len(spaPrefix)]byte
		sum  [sha512.Size]byte
		mac  [86]byte // the longest HMAC as text
	}
}

// spaClient is a client with its HMACs made ready, one for each of spaHashes.
type spaClient struct {
	name   string
	key    []byte
	macs   [len(spaHashes)]hash.Hash
	kind   int    // which of them it used last; the usual one before it was heard
	newest uint64 // its newest stamp
}

var _ Detector = (*fwknop)(nil)

func newFwknop(cfg Config, now time.Time) Detector {
	if cfg.SPAPort == 0 || len(cfg.SPA) == 0 {
		return nil
	}
	d := &fwknop{
		port: cfg.SPAPort,
		base: now,
	}
	dearest, speed := len(cfg.SPA)*spaCost(spaDearest, spaMax), max(1, cfg.Speed)
	d.tried = newBudget(now, speed*spaWork, spaWorkBurst, dearest)
	for i := range d.other {
		d.other[i] = newBudget(now, speed*spaOtherWork, spaOtherWorkBurst, dearest)
	}
	d.reserve = newReserve(now, len(cfg.SPA), speed*spaReservedWork, spaReservedWorkBurst)
	copy(d.scratch.text[:], spaPrefix)
	for _, c := range cfg.SPA {
		client := spaClient{name: c.Name, key: c.Keys.Key}
		for i, h := range spaHashes {
			client.macs[i] = hmac.New(h.make, c.Keys.HMAC)
		}
		d.clients = append(d.clients, client)
	}
	return d
}

// Observe implements Detector.
func (d *fwknop) Observe(now time.Time, p *wire.Packet, emit func(Finding)) {
	if p.Proto != wire.UDP || p.DstPort != d.port || !plausible(p.Payload) {
		return
	}
	text := d.scratch.text[:len(spaPrefix)+copy(d.scratch.text[len(spaPrefix):], p.Payload)]
	f := Finding{Request: Request{Kind: KindFwknop, From: p.Src}}
	client, kind, reason := d.sender(now, p.Src, text)
	if reason == OK {
		c := &d.clients[client]
		at, _ := split(text, kind)
		f.Name = c.name
		f.SPA, f.Fault = c.read(text[:at])
		switch f.Fault {
		case nil:
		case errCommand:
			reason = NotAllowed
		default:
			reason = BadMessage
		}
		if reason == OK && f.SPA.Stamp > c.newest { // an old packet that somebody sends again is not
			c.newest, c.kind = f.SPA.Stamp, kind
			d.reserve.heard(client, p.Src)
		}
	}
	f.Reason = reason
	limit := rate.Limit{Every: reportEvery, Burst: reportBurst}
	if reason == OK || reason != "" && d.reports.Take(limit, now.Sub(d.base), 1) {
		emit(f)
	}
}

// AddFilter implements Detector.
func (d *fwknop) AddFilter(f *wire.Filter) {
	text := wire.TextFilter{Port: d.port, Over: spaMin - 1}
	for _, c := range []byte(spaFirst) {
		text.First = append(text.First, wire.PortRange{First: uint16(c), Last: uint16(c)})
	}
	f.Text = append(f.Text, text)
}

// split returns where the HMAC would begin if it were of the given kind, and whether both parts
// can then be what they should be.
func split(text []byte, kind int) (at int, ok bool) {
	at = len(text) - spaHashes[kind].text
	if at <= 0 {
		return 0, false
	}
	sealed, mac := text[:at], text[at:]
	n := spaEncoding.DecodedLen(len(sealed))
	return at, spaEncoding.EncodedLen(n) == len(sealed) && n%aes.BlockSize == 0 && n >= 2*aes.BlockSize &&
		canonical(sealed) && canonical(mac)
}

// sender returns the client whose HMAC a text has, and the kind of its hash. The reason is OK, TooMany
// if some could not be tried, UnknownKey if all were, or empty if the text can have no HMAC.
func (d *fwknop) sender(now time.Time, from netip.Addr, text []byte) (client, kind int, reason Reason) {
	for kind := range spaHashes {
		at, ok := split(text, kind)
		if !ok {
			continue
		}
		if reason == "" {
			reason = UnknownKey
		}
		for i := range d.clients {
			if d.clients[i].kind == kind && d.reserve.take(now, i, from, spaCost(kind, at)) && d.fits(i, kind, text, at) {
				return i, kind, OK
			}
		}
		for _, usual := range [...]bool{true, false} {
			switch i, why := d.try(now, from, text, at, kind, usual); why {
			case OK:
				return i, kind, OK
			case TooMany:
				reason = TooMany
			}
		}
	}
	return 0, 0, reason
}

// try tries the keys of the clients for which a kind of HMAC is the usual one, or of the others.
func (d *fwknop) try(now time.Time, from netip.Addr, text []byte, at, kind int, usual bool) (client int, reason Reason) {
	count, share := 0, d.other[kind]
	if usual {
		share = d.tried
	}
	for i := range d.clients {
		if (d.clients[i].kind == kind) == usual {
			count++
		}
	}
	if count > 0 && !share.take(now, from, count*spaCost(kind, at)) {
		return 0, TooMany
	}
	for i := range d.clients {
		if (d.clients[i].kind == kind) == usual && d.fits(i, kind, text, at) {
			return i, OK
		}
	}
	return 0, UnknownKey
}

// fits reports whether the end of a text is a client's HMAC of the rest. It is compared as text, so
// that no other text that decodes to the same bytes is accepted.
func (d *fwknop) fits(client, kind int, text []byte, at int) bool {
	h := d.clients[client].macs[kind]
	h.Reset()
	h.Write(text[:at])
	sum := h.Sum(d.scratch.sum[:0])
	want := d.scratch.mac[:spaEncoding.EncodedLen(len(sum))]
	spaEncoding.Encode(want, sum)
	return subtle.ConstantTimeCompare(want, text[at:]) == 1
}

// read decrypts and parses what an HMAC has proved to come from the client.
func (c *spaClient) read(sealed []byte) (SPA, error) {
	plain, ok := c.decrypt(sealed)
	if !ok {
		return SPA{}, errDecrypt
	}
	return parseSPA(plain)
}

func (c *spaClient) decrypt(sealed []byte) (plain []byte, ok bool) {
	b := make([]byte, spaEncoding.DecodedLen(len(sealed)))
	if n, err := spaEncoding.Decode(b, sealed); err != nil || n != len(b) {
		return nil, false
	}
	salt, text := b[8:aes.BlockSize], b[aes.BlockSize:] // "Salted__" is what spaPrefix makes sure of
	key, iv := deriveKey(c.key, salt)
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, false
	}
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(text, text)
	return unpad(text)
}

// deriveKey is OpenSSL's EVP_BytesToKey with MD5 and one round.
func deriveKey(pass, salt []byte) (key, iv []byte) {
	var out []byte
	for len(out) < 32+aes.BlockSize {
		h := md5.New()
		h.Write(out[max(0, len(out)-md5.Size):])
		h.Write(pass)
		h.Write(salt)
		out = h.Sum(out)
	}
	return out[:32], out[32:]
}

// unpad removes the padding of PKCS #7 (RFC 5652, section 6.3), all of which is checked. Nobody
// learns from the result what it was, because the HMAC was right.
func unpad(b []byte) ([]byte, bool) {
	n := int(b[len(b)-1])
	if n == 0 || n > aes.BlockSize || n > len(b) {
		return nil, false
	}
	for _, v := range b[len(b)-n:] {
		if int(v) != n {
			return nil, false
		}
	}
	return b[:len(b)-n], true
}
