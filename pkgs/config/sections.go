// SPDX-License-Identifier: Apache-2.0

package config

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/latchkey/latchkey/pkgs/knock"
	"github.com/latchkey/latchkey/pkgs/link"
	"github.com/latchkey/latchkey/pkgs/seal"
	"github.com/latchkey/latchkey/pkgs/uci"
	"github.com/latchkey/latchkey/pkgs/wire"
)

// The functions finish... complete a section, and check its options against each other.

func has(s *uci.Section, option string) bool {
	return slices.ContainsFunc(s.Options, func(o uci.Option) bool { return o.Name == option })
}

// failed reports whether an option of s has a problem already.
func (r *reader) failed(s *uci.Section, option string) bool {
	subject := about(s, 0, "")
	return slices.ContainsFunc(r.problems, func(p Problem) bool {
		return p.Option == option && p.Section == subject.Section && p.Name == subject.Name
	})
}

func (r *reader) finishMain(p *place[Main]) {
	m := &p.v
	if slices.Contains(m.STUNPorts, 0) {
		if len(m.STUNPorts) > 1 {
			r.refuse(p.at, "stun_port", "has 0, which switches it off, and ports: leave out one or the other")
		}
		m.STUNPorts = nil
	}
	m.complete()
	if m.SPAPort != 0 && slices.Contains(m.STUNPorts, m.SPAPort) {
		r.refuse(p.at, "spa_port", "is the same as stun_port: each needs a port of its own")
	}
	if names := slices.DeleteFunc(slices.Clone(p.v.Hosts), link.IsAddress); len(names) > 1 {
		r.refuse(p.at, "host", "has two names, '%s' and '%s': devices are told one, the others can be addresses", names[0], names[1])
	}
}

func (r *reader) finishDoor(p *place[doorSection]) {
	d, s := &p.v, p.at
	r.finishOpenings(d, s)
	d.complete()
	if d.MaxOpen < d.OpenFor && !r.failed(s, "max_open") && !r.failed(s, "open_for") {
		r.refuse(s, "max_open", "is shorter than open_for, which is %s", formatDuration(d.OpenFor))
	}
	if seal.Tag(d.Name) == (seal.DoorTag{}) {
		r.refuse(s, "", "has the one name in 65536 that means every door in a message: change it")
	}
	if has(s, "dest") {
		if !has(s, "dest_ip") && !has(s, "dest_ip6") {
			r.refuse(s, "dest", "needs the host's address: set dest_ip, dest_ip6 or both")
		}
		return
	}
	for _, name := range []string{"dest_ip", "dest_ip6", "dest_port", "wake"} {
		if has(s, name) {
			r.refuse(s, name, "needs option 'dest', the firewall zone of that host")
		}
	}
}

func (r *reader) finishClient(p *place[clientSection]) {
	c, s := &p.v, p.at
	if r.failed(s, "kind") {
		return
	}
	if c.Kind == knock.KindFwknop {
		c.SPA.Key = r.spaKey(s, "key", c.key, "key_text", c.keyText, MaxSPAKey)
		c.SPA.HMAC = r.spaKey(s, "hmac_key", c.hmacKey, "hmac_key_text", c.hmacKeyText, MaxSPAHMAC)
		return
	}
	for _, option := range []string{"key_text", "hmac_key", "hmac_key_text"} {
		if has(s, option) {
			r.refuse(s, option, "is for clients of kind 'fwknop' only")
		}
	}
	r.decodeKey(s, "key", c.key, func() (err error) {
		c.Key, err = seal.ParseKey(c.key)
		return err
	})
}

// spaKey reads a key of a fwknop client, which is given in base64 or as text.
func (r *reader) spaKey(s *uci.Section, option, encoded, textOption, text string, most int) (key []byte) {
	if !has(s, textOption) {
		r.decodeKey(s, option, encoded, func() (err error) {
			key, err = decodeSecret(encoded, most)
			return err
		})
		return key
	}
	if has(s, option) {
		r.refuse(s, textOption, "is instead of option '%s', not beside it", option)
		return nil
	}
	r.decodeKey(s, textOption, text, func() (err error) {
		key, err = textSecret(text, most)
		return err
	})
	return key
}

func (r *reader) decodeKey(s *uci.Section, option, text string, decode func() error) {
	if r.failed(s, option) {
		return
	}
	if text == "" {
		r.refuse(s, option, "is mandatory but not set")
		return
	}
	if err := decode(); err != nil {
		r.refuse(s, option, "specifies an invalid value: %v", err)
	}
}

// decodeSecret reads a key of a fwknop client as fwknop writes it (KEY_BASE64, HMAC_KEY_BASE64).
// Its errors do not repeat the text.
func decodeSecret(text string, most int) ([]byte, error) {
	if isPlaceholder(text) {
		return nil, errPlaceholder
	}
	b, err := seal.Unbase64(base64.RawStdEncoding, strings.TrimRight(strings.TrimSpace(text), "="))
	if err != nil {
		return nil, errors.New("want base64, as KEY_BASE64 and HMAC_KEY_BASE64 have it; for the text of KEY or HMAC_KEY there is 'key_text' or 'hmac_key_text'")
	}
	if len(b) == 0 || len(b) > most {
		return nil, fmt.Errorf("want 1 to %d bytes in base64, got %d bytes", most, len(b))
	}
	return b, nil
}

// textSecret reads a key of a fwknop client that is a text (KEY, HMAC_KEY).
func textSecret(text string, most int) ([]byte, error) {
	switch {
	case isPlaceholder(text):
		return nil, errPlaceholder
	case len(text) > most:
		return nil, fmt.Errorf("want 1 to %d bytes of text, got %d bytes", most, len(text))
	case strings.ContainsFunc(text, func(c rune) bool { return c < ' ' || c > '~' }):
		return nil, errors.New("want printable ASCII characters")
	}
	return []byte(text), nil
}

var errPlaceholder = errors.New("this is a placeholder that everybody knows, no key: make keys with fwknop --key-gen")

// isPlaceholder reports whether a key is what stands in examples and fresh files until somebody writes a
// key there: fwknop's own __CHANGEME__, and what others write.
func isPlaceholder(text string) bool {
	word := strings.Map(func(c rune) rune {
		if isNameRune(c) && c != '_' {
			return c
		}
		return -1
	}, strings.ToLower(text))
	switch word = strings.TrimSuffix(word, "here"); word {
	case "changeme", "changethis", "replaceme", "replacethis", "placeholder", "example", "password", "secret", "todo", "fixme",
		"key", "yourkey", "mykey", "secretkey", "yoursecretkey", "insertkey", "hmackey", "yourhmackey",
		"keybase64", "yourkeybase64", "base64key", "hmackeybase64", "yourhmackeybase64", "base64hmackey":
		return true
	}
	return word != "" && strings.Trim(word, "x") == ""
}

func (r *reader) finishSequence(p *place[Sequence]) {
	q, s := &p.v, p.at
	switch {
	case has(s, "step") && has(s, "once"):
		r.refuse(s, "once", "is instead of option 'step', not beside it")
	case !has(s, "step") && !has(s, "once"):
		r.refuse(s, "step", "is mandatory but not set")
	}
	if why := neighbours(q.Steps); why != "" {
		r.refuse(s, "step", "%s", why)
	}
	for i, text := range q.Once {
		if slices.Contains(q.Once[:i], text) {
			r.refuse(s, "once", "has '%s' twice: each entry can be used once", printable(text))
		}
		if why := neighbours(parseSteps(text)); why != "" {
			r.refuse(s, "once", "%s", why)
		}
	}
}

// parseSteps reads what parseOnce made.
func parseSteps(text string) []knock.Step {
	words := strings.Fields(text)
	steps := make([]knock.Step, len(words))
	for i, w := range words {
		steps[i], _ = knock.ParseStep(w) // parseOnce had no error
	}
	return steps
}

// neighbours tells which two steps are beside each other. The ports beside a step are trip wires,
// so such steps would trip each other; and without the wires a scan would open the sequence.
func neighbours(steps []knock.Step) string {
	for i, a := range steps {
		for _, b := range steps[:i] {
			if a.Beside(b) {
				return fmt.Sprintf("has ports %d and %d of %s beside each other: a scan would find them, leave at least one port between",
					min(a.Port, b.Port), max(a.Port, b.Port), protoName(a.Proto))
			}
		}
	}
	return ""
}

func (r *reader) finishPorts(p *place[portsSection]) {
	for _, markers := range []struct {
		option string
		ports  []uint16
	}{{"header", p.v.Header}, {"footer", p.v.Footer}} {
		for _, port := range markers.ports {
			if inRanges(p.v.Groups, port) {
				r.refuse(p.at, markers.option, "has port %d, which is one of the digits", port)
			}
		}
	}
}

func inRanges(list []wire.PortRange, port uint16) bool {
	return slices.ContainsFunc(list, func(r wire.PortRange) bool { return inRange(r, port) })
}

// inRange is false for the zero range, which stands for off.
func inRange(r wire.PortRange, port uint16) bool {
	return r.First <= port && port <= r.Last && r.Last != 0
}
