// SPDX-License-Identifier: Apache-2.0

// Package tests_test compares LuCI's validators with the daemon's own rules.
package tests_test

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/latchkey/latchkey/pkgs/config"
	"github.com/latchkey/latchkey/pkgs/foreign"
	"github.com/latchkey/latchkey/pkgs/lab"
	"github.com/latchkey/latchkey/pkgs/seal"
	"github.com/latchkey/latchkey/pkgs/uci"
)

// validators are those of latchkey.valid that look at one option, with the section that has it: the value
// comes where %s is.
var validators = []struct{ name, option, section string }{
	{"openFor", "open_for", "config door d\noption port 22\noption max_open 24h\noption open_for %s\n"},
	{"width4", "width4", "config door d\noption port 22\noption width4 %s\n"},
	{"width6", "width6", "config door d\noption port 22\noption width6 %s\n"},
	{"within", "within", "config sequence s\nlist step 9/tcp\noption within %s\n"},
	{"maxSkew", "max_skew", "config latchkey main\noption max_skew %s\n"},
	{"name", "", "config door %s\noption port 22\n"},
	{"title", "title", "config door d\noption port 22\noption title %s\n"},
	{"port", "spa_port", "config latchkey main\noption spa_port %s\n"},
	{"stunPorts", "stun_port", "config latchkey main\noption stun_port %s\n"},
	{"doorPorts", "port", "config door d\noption port %s\n"},
	{"step", "step", "config sequence s\nlist step %s\n"},
	{"span", "ports", "config latchkey main\noption ports %s\n"},
	{"key", "key", "config client c\noption key %s\n"},
	{"fwknopKey", "key", "config client c\noption kind fwknop\noption key %s\n"},
	{"fwknopHmac", "hmac_key", "config client c\noption kind fwknop\noption hmac_key %s\n"},
	{"fwknopKeyText", "key_text", "config client c\noption kind fwknop\noption key_text %s\n"},
	{"fwknopHmacText", "hmac_key_text", "config client c\noption kind fwknop\noption hmac_key_text %s\n"},
	{"expires", "expires", "config client c\noption expires %s\n"},
	{"ip6", "dest_ip6", "config door d\noption port 22\noption dest lan\noption dest_ip6 %s\n"},
	{"host", "host", "config latchkey main\noption host %s\n"},
	{"page", "page", "config latchkey main\noption page %s\n"},
}

// refused returns why the daemon refuses a value; "" if it takes it.
func refused(option, section, value string) string {
	quoted := "'" + strings.ReplaceAll(value, "'", `'\''`) + "'"
	if !strings.HasPrefix(section, "config latchkey") {
		section = "config latchkey main\n" + section
	}
	_, problems := config.Parse(strings.Replace(section, "%s", quoted, 1))
	for _, p := range problems.Errors() {
		if p.Option == option {
			return p.String()
		}
	}
	return ""
}

// FuzzValid asks LuCI and the daemon about a value. LuCI asks only about what is not empty, and fields cut the
// white space around it.
func FuzzValid(f *testing.F) {
	for i, v := range validators {
		for _, value := range strings.Fields("30s 1h30m 08h 25h 300s 0 1 7000/tcp 7000/tcp:syn,!ack 07000/udp icmp:77 icmp:1453 20480-26623 59392-65535 " +
			"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8= __CHANGEME__ 2027-01-31 2027-01-31T18:00:00+01:00 2029-02-29 ::22/-64 2001:db8::22 " +
			"fe80::1 ::ffff:1.2.3.4 home.example.net. 22,80 22/udp 60000-61000/udp 8010-8000 203.0.113.7 1.2.3 https://knock.example/x é\u00a0") {
			f.Add(uint8(i), value)
		}
		f.Add(uint8(i), "22 60000-61000/udp")
		f.Add(uint8(i), "80 443 80")
		f.Add(uint8(i), "41641 443 3478 443 51820")
		f.Add(uint8(i), "1 2 3 4 5")
		f.Add(uint8(i), "0 443")
		f.Add(uint8(i), "0 0")
		f.Add(uint8(i), "80 443 80-81/udp 80/tcp")
		f.Add(uint8(i), strings.Repeat("1 ", 32)+"1")
		f.Add(uint8(i), "a title, with spaces: "+v.name)
	}
	luci := lab.NewOracle(f, "node", "../../testdata/answer.mjs", "valid")
	f.Fuzz(func(t *testing.T, which uint8, value string) {
		v := validators[int(which)%len(validators)]
		if value == "" || value != strings.TrimSpace(value) || !utf8.ValidString(value) || strings.ContainsAny(value, "\x00\n\r\ufeff") {
			return // a field has one line
		}
		if isList := v.name == "host" || v.name == "step"; isList && len(strings.Fields(value)) > 1 {
			return // LuCI asks about each
		}
		if v.name == "port" && value == "0" {
			return // which is off, and LuCI asks about no port then
		}
		if (v.name == "doorPorts" || v.name == "stunPorts") && strings.Contains(value, "\u0085") {
			return // white space for Go
		}
		if v.name == "name" && seal.Tag(value) == (seal.DoorTag{}) {
			return // one in 65536 means every door, which takes SHA-256 to see
		}
		var said any
		luci.Ask(t, &said, v.name, value)
		why := refused(v.option, v.section, value)
		if (said == true) != (why == "") {
			t.Errorf("%s of %q: LuCI says %v, the daemon %q", v.name, value, said, why)
		}
		if fmt.Sprint(said) == "" {
			t.Errorf("%s of %q: LuCI refuses it without a word", v.name, value)
		}
	})
}

// imported is what LuCI reads of the translation of a file of another port knocker.
type imported struct {
	Sections []struct {
		Type, Name string
		Options    map[string]any
	}
}

// FuzzImported compares what LuCI reads of such a translation with what it is as a configuration.
func FuzzImported(f *testing.F) {
	f.Add("[openSSH]\nsequence = 7000,8000,9000\nseq_timeout = 5\ncommand = iptables -A INPUT -s %IP% -p tcp --dport 22 -j ACCEPT\n")
	f.Add("[a]\nsequence = 7000,8000\nstart_command = ufw allow from %IP% to any port 22\nstop_command = x 'y'\n[a]\nsequence=1,2,3\n")
	f.Add("SOURCE ANY\nKEY it's\\a'key\"\nHMAC_KEY b #c\nOPEN_PORTS tcp/22\n")
	f.Add("[home]\nACCESS tcp/22\nSPA_SERVER home.example\nKEY_BASE64 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\nHMAC_KEY_BASE64 AQID\n")
	f.Add("config access\n\toption SOURCE 'ANY'\n\toption OPEN_PORTS 'tcp/22'\n\toption KEY 'x y'\n")
	luci := lab.NewOracle(f, "node", "../../testdata/answer.mjs", "imported")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := foreign.Translate(text, foreign.Options{})
		if err != nil || !utf8.ValidString(got.Text) {
			return
		}
		file, errs := uci.Parse(got.Text)
		if len(errs) > 0 {
			t.Fatalf("%q becomes %q: %v", text, got.Text, errs)
		}
		var want, said imported
		for _, s := range file.Sections {
			options := map[string]any{}
			for _, o := range s.Options {
				if !o.List {
					options[o.Name] = o.Values[0].Text
					continue
				}
				list := []any{}
				for _, v := range o.Values {
					list = append(list, v.Text)
				}
				options[o.Name] = list
			}
			want.Sections = append(want.Sections, struct {
				Type, Name string
				Options    map[string]any
			}{s.Type, s.Name, options})
		}
		luci.Ask(t, &said, "parse", got.Text)
		if diff := cmp.Diff(want, said, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%q becomes %q (-configuration +LuCI):\n%s", text, got.Text, diff)
		}
	})
}
