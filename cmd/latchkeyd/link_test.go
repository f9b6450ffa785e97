// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/latchkey/latchkey/pkgs/link"
	"github.com/latchkey/latchkey/pkgs/seal"
)

const linkConfig = `config latchkey 'main'
	option stun_port '41641'
	option host '192.168.2.2'

config door 'nas'
	option port '22'

config client 'phone'
	option key '3q2+7wABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhs='
	option door 'nas'
`

func TestLinkPrintsALinkAndWhatIsDoubtfulAboutIt(t *testing.T) {
	for _, test := range []struct {
		args   []string
		prefix string
	}{
		{[]string{"link", "phone"}, "#v=1&"},
		{[]string{"link", "--app", "phone"}, "latchkey:v=1&"},
	} {
		for from, name := range map[string]string{"a file": file(t, linkConfig), "standard input": "-"} {
			var out, said bytes.Buffer
			code := latchkeyd(append(test.args, name), env{in: strings.NewReader(linkConfig), out: &out, err: &said})
			l, err := link.Parse(out.String())
			if code != exitOK || err != nil || !strings.HasPrefix(out.String(), test.prefix) || strings.Count(out.String(), "\n") != 1 {
				t.Errorf("%q from %s returned %d and printed %q: %v", test.args, from, code, out.String(), err)
			}
			if d, ok := l.Door("nas"); !ok || d.Service != "ssh" {
				t.Errorf("%q from %s says of the door %v, %v", test.args, from, d, ok)
			}
			if !strings.HasPrefix(said.String(), "warning: private-address: ") || strings.Count(said.String(), "\n") != 1 {
				t.Errorf("%q from %s says %q", test.args, from, said.String())
			}
		}
	}
}

func TestNewKeyIsAnotherOneEachTime(t *testing.T) {
	var all, first seal.Key
	for range 8 {
		out, said, code := invoke("newkey")
		key, err := seal.ParseKey(out)
		if code != exitOK || said != "" || err != nil || key == first || strings.Count(out, "\n") != 1 {
			t.Errorf("returned %d and said %q: %v; the first key again: %v", code, said, err, key == first)
		}
		if all == (seal.Key{}) {
			first = key
		}
		for i := range key {
			all[i] |= key[i]
		}
	}
	if bytes.IndexByte(all[:], 0) >= 0 {
		t.Errorf("some bytes of keys are always the same")
	}
}

func TestLinkRefuses(t *testing.T) {
	const secret = "3q2+7wABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhs"
	fwknop := linkConfig + "\nconfig client 'app'\n\toption kind 'fwknop'\n\toption key '" + secret + "='\n\toption hmac_key '" + secret + "='\n"
	for name, test := range map[string]struct {
		want string
		args []string
	}{
		"no client":           {"there is no client 'laptop'\nlatchkeyd: hint: ubus call latchkey newclient makes one\n", []string{"laptop", file(t, linkConfig)}},
		"no file":             {"no such file", []string{"phone", "/none"}},
		"another kind":        {"client 'app' is of kind 'fwknop', and links are for kind 'latchkey'\nlatchkeyd: hint: give the fwknop client its keys by hand\n", []string{"app", file(t, fwknop)}},
		"a bad configuration": {"option 'port' specifies invalid value '70000': ports end at 65535 (line 12)\nlatchkeyd: hint: latchkeyd check tells what is wrong with the configuration\n", []string{"phone", file(t, linkConfig+"config door 'x'\n\toption port '70000'\n")}},
		"nothing":             {"is mandatory but not there", []string{"phone", file(t, "")}},
		"no arguments":        {"usage: latchkeyd link CLIENT FILE", nil},
	} {
		out, said, code := invoke(append([]string{"link"}, test.args...)...)
		if code == exitOK || out != "" || !strings.Contains(said, test.want) || strings.Contains(said, secret) {
			t.Errorf("%s: returned %d, printed %q and %q", name, code, out, said)
		}
	}
}
