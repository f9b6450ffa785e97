// SPDX-License-Identifier: Apache-2.0

package offertest

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"net"
	"net/url"
	"strings"
	"sync"
)

// Ear listens to every byte that goes over the connections of a listener, in both directions.
type Ear struct {
	net.Listener
	mu    sync.Mutex
	heard bytes.Buffer
}

// Accept returns a connection that is listened to.
func (e *Ear) Accept() (net.Conn, error) {
	c, err := e.Listener.Accept()
	return &tapped{c, e}, err
}

// Heard returns all that was heard so far.
func (e *Ear) Heard() []byte {
	e.mu.Lock()
	defer e.mu.Unlock()
	return bytes.Clone(e.heard.Bytes())
}

func (e *Ear) hear(b []byte) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.heard.Write(b)
}

type tapped struct {
	net.Conn
	ear *Ear
}

func (t *tapped) Read(b []byte) (int, error) {
	n, err := t.Conn.Read(b)
	t.ear.hear(b[:n])
	return n, err
}

func (t *tapped) Write(b []byte) (int, error) {
	t.ear.hear(b)
	return t.Conn.Write(b)
}

// Finds returns in which form a secret stands in a text; "" is in none: as it is, in hex, percent-encoded, or in
// base64 of either alphabet, wherever in the encoded text the secret begins.
func Finds(text, secret []byte) string {
	lower := bytes.ToLower(text)
	for form, needle := range map[string]string{
		"bytes":           string(secret),
		"percent-encoded": url.QueryEscape(string(secret)),
	} {
		if bytes.Contains(text, []byte(needle)) {
			return form
		}
	}
	if bytes.Contains(lower, []byte(hex.EncodeToString(secret))) {
		return "hex"
	}
	for shift := range 3 {
		// What stands before and behind the secret changes the characters at both ends.
		encoded := base64.RawStdEncoding.EncodeToString(append(make([]byte, shift), secret...))
		inner := encoded[(shift*8+5)/6 : len(encoded)-1]
		for _, needle := range []string{inner, strings.NewReplacer("+", "-", "/", "_").Replace(inner)} {
			if bytes.Contains(text, []byte(needle)) {
				return "base64"
			}
		}
	}
	return ""
}
