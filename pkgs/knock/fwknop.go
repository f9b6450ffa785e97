// SPDX-License-Identifier: Apache-2.0

package knock

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"hash"
	"time"

	"github.com/latchkey/latchkey/pkgs/rate"
	"github.com/latchkey/latchkey/pkgs/wire"
)

// Limits on fwknop packets. Unlike our messages they have no hint, so each one that could be
// genuine costs one HMAC per client: 0.2 to 0.3 ms on a 580 MHz MIPS. Of random base64 of a usual
// length at most 1 packet in 64 could be, so with three clients a flood of 8000 of them per second
// shuts out nobody; one that is made to look genuine does so from 400/clients per second on.
const (
	spaTries      = 400 // HMACs per second, a quarter of them for one sender
	spaTriesBurst = 800

	// The share of the hashes that clients do not use by themselves, on top of it.
	spaOtherTries      = 100
	spaOtherTriesBurst = 200

	// Lengths of a packet in characters, as fwknopd limits them.
	spaMin, spaMax = 140, 1500
)

// spaHashes are the hashes of the HMAC and of the inner digest, the usual one first. Which one was
// used is told only by the length of its text.
var spaHashes = [...]func() hash.Hash{sha256.New, md5.New, sha1.New, sha512.New384, sha512.New}

// fwknop recognises SPA packets (single packet authorisation) of the fwknop clients, in their
// default form: AES-256-CBC with an HMAC, by UDP.
type fwknop struct {
	port         uint16
	clients      []spaClient
	base         time.Time
	tried, other *budget // in HMACs of the usual hash, and of the others
	told         rate.Bucket
	scratch      struct { // here and not on the stack, where it would escape for each packet
		text [spaMax + len(spaPrefix)]byte
		sum  [sha512.Size]byte
		mac  [86]byte // the longest HMAC as text
	}
}

// spaClient is a client with its HMACs made ready, one for each of spaHashes.
type spaClient struct {
	name string
	key  []byte
	macs [len(spaHashes)]hash.Hash
}

var _ Detector = (*fwknop)(nil)

func newFwknop(cfg Config, now time.Time) Detector {
	if cfg.SPAPort == 0 || len(cfg.SPA) == 0 {
		return nil
	}
	d := &fwknop{
		port:  cfg.SPAPort,
		base:  now,
		tried: newBudget(now, spaTries, spaTriesBurst, len(cfg.SPA)),
		other: newBudget(now, spaOtherTries, spaOtherTriesBurst, (len(spaHashes)-1)*len(cfg.SPA)),
	}
	copy(d.scratch.text[:], spaPrefix)
	for _, c := range cfg.SPA {
		client := spaClient{name: c.Name, key: c.Keys.Key}
		for i, h := range spaHashes {
			client.macs[i] = hmac.New(h, c.Keys.HMAC)
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
	clock := now.Sub(d.base)
	text := d.scratch.text[:len(spaPrefix)+copy(d.scratch.text[len(spaPrefix):], p.Payload)]
	f := Finding{Request: Request{Kind: KindFwknop, From: p.Src}, Reason: UnknownKey}
	possible := false
	for kind := range spaHashes {
		split, ok := d.split(text, kind)
		if !ok {
			continue
		}
		possible = true
		budget := d.tried
		if kind > 0 {
			budget = d.other
		}
		if !budget.take(now, p.Src, len(d.clients)) {
			f.Reason = TooMany
			continue
		}
		if c := d.sender(text[:split], text[split:], kind); c != nil {
			f.Name = c.name
			f.SPA, f.Reason = c.read(text[:split])
			break
		}
	}
	if f.Reason == OK || possible && d.told.Take(rate.Limit{Every: toldEvery, Burst: toldBurst}, clock, 1) {
		emit(f)
	}
}

// AddFilter implements Detector.
func (d *fwknop) AddFilter(f *wire.Filter) {
	f.UDP = append(f.UDP, wire.PortRange{First: d.port, Last: d.port})
}

// split returns where the HMAC would begin if it were of the given kind, and whether both parts
// can then be what they should be.
func (d *fwknop) split(text []byte, kind int) (at int, ok bool) {
	size := d.clients[0].macs[kind].Size()
	at = len(text) - spaEncoding.EncodedLen(size)
	if at <= 0 {
		return 0, false
	}
	sealed, mac := text[:at], text[at:]
	n := spaEncoding.DecodedLen(len(sealed))
	return at, spaEncoding.EncodedLen(n) == len(sealed) && n%aes.BlockSize == 0 && n >= 2*aes.BlockSize &&
		canonical(sealed) && canonical(mac)
}

// sender returns the client whose HMAC it is. It is compared as text, so that no other text that
// decodes to the same bytes is accepted.
func (d *fwknop) sender(sealed, mac []byte, kind int) *spaClient {
	for i := range d.clients {
		h := d.clients[i].macs[kind]
		h.Reset()
		h.Write(sealed)
		sum := h.Sum(d.scratch.sum[:0])
		want := d.scratch.mac[:spaEncoding.EncodedLen(len(sum))]
		spaEncoding.Encode(want, sum)
		if subtle.ConstantTimeCompare(want, mac) == 1 {
			return &d.clients[i]
		}
	}
	return nil
}

// read decrypts and parses what an HMAC has proved to come from the client.
func (c *spaClient) read(sealed []byte) (SPA, Reason) {
	plain, ok := c.decrypt(sealed)
	if !ok {
		return SPA{}, BadMessage
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
