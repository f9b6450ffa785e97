// SPDX-License-Identifier: Apache-2.0

// Package signify signs files as OpenBSD's signify and OpenWrt's usign do:
// Ed25519, and files of two lines, a comment and base64.
//
// Keys protected by a password are not supported, as usign has none.
package signify

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
)

// commentPrefix begins the first line of each file.
const commentPrefix = "untrusted comment: "

const (
	algorithm   = "Ed" // Ed25519
	derivation  = "BK" // of a password: bcrypt, with 0 rounds for none
	saltSize    = 16
	checkSize   = 8
	secretSize  = len(algorithm) + len(derivation) + 4 + saltSize + checkSize + len(Fingerprint{}) + ed25519.PrivateKeySize
	publicSize  = len(algorithm) + len(Fingerprint{}) + ed25519.PublicKeySize
	secretStart = secretSize - ed25519.PrivateKeySize
)

// Fingerprint is the random number that names a key pair; routers keep public
// keys in files of that name. It proves nothing.
type Fingerprint [8]byte

// String returns the name that a router gives to the public key's file.
func (f Fingerprint) String() string { return fmt.Sprintf("%x", f[:]) }

// Key is a key pair. Its secret is in no text but that of MarshalSecret.
type Key struct {
	Fingerprint Fingerprint
	secret      ed25519.PrivateKey
}

// Generate makes a key pair from a source of random bytes.
func Generate(random io.Reader) (*Key, error) {
	k := new(Key)
	if _, err := io.ReadFull(random, k.Fingerprint[:]); err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	seed := make([]byte, ed25519.SeedSize)
	if _, err := io.ReadFull(random, seed); err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	k.secret = ed25519.NewKeyFromSeed(seed)
	return k, nil
}

// ParseSecret reads a secret key's file. Errors contain nothing of it.
func ParseSecret(file []byte) (*Key, error) {
	b, err := decode(file)
	switch {
	case err != nil:
		return nil, fmt.Errorf("secret key: %w", err)
	case len(b) != secretSize || !bytes.HasPrefix(b, []byte(algorithm+derivation)):
		return nil, fmt.Errorf("secret key: not an Ed25519 secret key of usign or signify (%d bytes, not %d)", len(b), secretSize)
	case !bytes.Equal(b[4:8], make([]byte, 4)):
		return nil, errors.New("secret key: it is protected by a password, which usign does not support")
	}
	secret := b[secretStart:]
	sum := sha512.Sum512(secret)
	if !bytes.Equal(b[8+saltSize:8+saltSize+checkSize], sum[:checkSize]) {
		return nil, errors.New("secret key: damaged: its checksum does not match")
	}
	k := &Key{secret: ed25519.NewKeyFromSeed(secret[:ed25519.SeedSize])}
	if !bytes.Equal(k.secret, secret) {
		return nil, errors.New("secret key: its public half belongs to another key")
	}
	copy(k.Fingerprint[:], b[8+saltSize+checkSize:])
	return k, nil
}

// MarshalSecret returns the secret key's file. The salt matters only with a
// password.
func (k *Key) MarshalSecret() []byte {
	sum := sha512.Sum512(k.secret)
	b := append([]byte(algorithm+derivation), make([]byte, 4+saltSize)...)
	b = append(b, sum[:checkSize]...)
	b = append(b, k.Fingerprint[:]...)
	b = append(b, k.secret...)
	return encode("secret key "+k.Fingerprint.String(), b)
}

// MarshalPublic returns the public key's file, which routers need.
func (k *Key) MarshalPublic() []byte {
	b := append([]byte(algorithm), k.Fingerprint[:]...)
	b = append(b, k.secret[ed25519.SeedSize:]...)
	return encode("public key "+k.Fingerprint.String(), b)
}

// Sign returns the signature's file for a message.
func (k *Key) Sign(message []byte) []byte {
	b := append([]byte(algorithm), k.Fingerprint[:]...)
	b = append(b, ed25519.Sign(k.secret, message)...)
	return encode("signed by key "+k.Fingerprint.String(), b)
}

// Verify checks a signature's file with a public key's file.
func Verify(message, signature, public []byte) error {
	pub, err := decode(public)
	if err != nil {
		return fmt.Errorf("public key: %w", err)
	}
	if len(pub) != publicSize || !bytes.HasPrefix(pub, []byte(algorithm)) {
		return errors.New("public key: not an Ed25519 public key")
	}
	sig, err := decode(signature)
	if err != nil {
		return fmt.Errorf("signature: %w", err)
	}
	head := len(algorithm) + len(Fingerprint{})
	if len(sig) != head+ed25519.SignatureSize || !bytes.Equal(sig[:head], pub[:head]) {
		return errors.New("signature: by another key")
	}
	if !ed25519.Verify(pub[head:], message, sig[head:]) {
		return errors.New("signature: does not match")
	}
	return nil
}

func encode(comment string, b []byte) []byte {
	return []byte(commentPrefix + comment + "\n" + base64.StdEncoding.EncodeToString(b) + "\n")
}

func decode(file []byte) ([]byte, error) {
	comment, rest, ok := strings.Cut(string(file), "\n")
	if !ok || !strings.HasPrefix(comment, commentPrefix) {
		return nil, fmt.Errorf("the first line does not begin with %q", commentPrefix)
	}
	line, _, _ := strings.Cut(rest, "\n")
	b, err := base64.StdEncoding.DecodeString(line)
	if err != nil {
		return nil, errors.New("the second line is not base64")
	}
	return b, nil
}
