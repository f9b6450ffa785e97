// SPDX-License-Identifier: Apache-2.0

package adb

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha512"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
)

// Key signs databases: ECDSA on the curve P-256. Its secret is in no text but
// that of MarshalSecret.
type Key struct{ secret *ecdsa.PrivateKey }

// GenerateKey makes a key from the system's random bytes.
func GenerateKey() (*Key, error) {
	secret, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	return &Key{secret}, nil
}

// ParseSecret reads a secret key's file: PEM, of PKCS #8 or, as OpenWrt's build
// makes it, of SEC 1. Errors contain nothing of it.
func ParseSecret(file []byte) (*Key, error) {
	for block, rest := pem.Decode(file); block != nil; block, rest = pem.Decode(rest) {
		var key any
		var err error
		switch block.Type {
		case "PRIVATE KEY":
			key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
		case "EC PRIVATE KEY":
			key, err = x509.ParseECPrivateKey(block.Bytes)
		default: // such as EC PARAMETERS
			continue
		}
		secret, ok := key.(*ecdsa.PrivateKey)
		switch {
		case err != nil:
			return nil, errors.New("secret key: damaged")
		case !ok || secret.Curve != elliptic.P256():
			return nil, errors.New("secret key: not an ECDSA key on the curve P-256")
		}
		return &Key{secret}, nil
	}
	return nil, errors.New(`secret key: no PEM file with a "PRIVATE KEY" (one with a password is not supported)`)
}

// MarshalSecret returns the secret key's file.
func (k *Key) MarshalSecret() ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(k.secret)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), err
}

// MarshalPublic returns the public key's file, for a router's /etc/apk/keys.
func (k *Key) MarshalPublic() ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(&k.secret.PublicKey)
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), err
}

// ID is by what apk finds the public key for a signature: it looks at no names.
func (k *Key) ID() ([16]byte, error) {
	point, err := k.secret.PublicKey.Bytes()
	sum := sha512.Sum512(point)
	return [16]byte(sum[:]), err
}

// sign returns the payload of a signature's block. The same key and database
// give the same bytes (RFC 6979).
func (k *Key) sign(schema Schema, database []byte) ([]byte, error) {
	const version, sha512Digest = 0, 4
	id, err := k.ID()
	if err != nil {
		return nil, err
	}
	head := append([]byte{version, sha512Digest}, id[:]...)
	sum := sha512.Sum512(database)
	signed := sha512.New()
	signed.Write([]byte(schema))
	signed.Write(head)
	signed.Write(sum[:])
	signature, err := k.secret.Sign(nil, signed.Sum(nil), crypto.SHA512)
	return append(head, signature...), err
}
