// SPDX-License-Identifier: Apache-2.0

package manual

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/latchkey/latchkey/pkgs/config"
	"github.com/latchkey/latchkey/pkgs/knock"
	"github.com/latchkey/latchkey/pkgs/link"
	"github.com/latchkey/latchkey/pkgs/seal"
	"github.com/latchkey/latchkey/pkgs/uci"
)

// rows returns what the table in README.md says of each option, by "type.option".
func rows(t *testing.T) map[string]string {
	t.Helper()
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	sections, err := table(string(readme))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, s := range sections {
		kind, _, _ := strings.Cut(s.name, " ")
		for _, o := range s.options {
			names, _, _ := strings.Cut(o.name, " (list")
			for name := range strings.SplitSeq(names, ", ") {
				if all[kind+"."+name] != "" {
					t.Errorf("the table has %s twice in section %s", name, kind)
				}
				all[kind+"."+name] = o.does
			}
		}
	}
	return all
}

// testdata/config/full has every option that there is, as a test of pkgs/config demands.
func TestTable_has_the_options_that_there_are_and_no_others(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "testdata/config/full"))
	if err != nil {
		t.Fatal(err)
	}
	file, errs := uci.Parse(string(text))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	said, there := rows(t), map[string]bool{}
	page := render(t, "latchkey.5", pages(t)["latchkey.5"])
	for _, s := range file.Sections {
		for _, o := range s.Options {
			name := s.Type + "." + o.Name
			there[name] = true
			if said[name] == "" || !regexp.MustCompile(`\b`+o.Name+`\b`).MatchString(page) {
				t.Errorf("the table or the manual page does not explain %s", name)
			}
		}
	}
	for name := range said {
		if !there[name] {
			t.Errorf("the table has %s, which does not exist", name)
		}
	}
}

// smallest has one section of each type, with no option that is not needed. Of type ports it has none:
// that has no defaults.
func smallest() []string {
	return []string{
		"config latchkey 'main'\n",
		"config door 'd'\n\toption port '2222'\n",
		"config client 'c'\n\toption key 'AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8='\n\tlist door 'd'\n",
		"config sequence 's'\n\tlist step '7431/tcp'\n\tlist step '2951/udp'\n\tlist step '8812/tcp'\n\tlist door 'd'\n",
	}
}

func parse(t *testing.T, sections []string) *config.Config {
	t.Helper()
	c, problems := config.Parse(strings.Join(sections, "\n"))
	if c == nil {
		t.Fatalf("%v", problems)
	}
	return c
}

// To write down what the table calls the default changes nothing.
func TestTable_tells_the_defaults_that_hold(t *testing.T) {
	want, said := parse(t, smallest()), 0
	for name, does := range rows(t) {
		kind, option, _ := strings.Cut(name, ".")
		m := regexp.MustCompile("default `([^`]+)`").FindStringSubmatch(does)
		if m == nil {
			continue
		}
		said++
		sections := smallest()
		i := slices.IndexFunc(sections, func(s string) bool { return strings.HasPrefix(s, "config "+kind+" ") })
		if i < 0 {
			t.Errorf("%s has a default, but this test has no section for it", name)
			continue
		}
		sections[i] += fmt.Sprintf("\toption %s '%s'\n", option, m[1])
		if got := parse(t, sections); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %s is not what holds without it:\n%+v\n%+v", name, m[1], got, want)
		}
	}
	if said < 10 {
		t.Errorf("the table tells %d defaults, there are more", said)
	}
}

// What is not empty without being written has a default that the table tells.
func TestTable_tells_every_default(t *testing.T) {
	c, said := parse(t, smallest()), rows(t)
	written := map[string]bool{"door.port": true, "client.key": true, "client.door": true, "sequence.door": true, "sequence.step": true}
	for kind, section := range map[string]any{"latchkey": c.Main, "door": c.Doors[0], "client": c.Clients[0], "sequence": c.Sequences[0]} {
		v := reflect.ValueOf(section)
		for _, field := range reflect.VisibleFields(v.Type()) {
			if v.FieldByIndex(field.Index).IsZero() {
				continue
			}
			for name, does := range said {
				of, option, _ := strings.Cut(name, ".")
				spelt := strings.ReplaceAll(option, "_", "")
				if of == kind && (strings.EqualFold(field.Name, spelt) || strings.EqualFold(field.Name, spelt+"s")) &&
					!written[name] && !strings.Contains(does, "default") {
					t.Errorf("the table does not tell the default of %s, which is %v", name, v.FieldByIndex(field.Index))
				}
			}
		}
	}
}

// What the table calls a limit is the one that holds, and it names every word that an option may be.
func TestTable_tells_the_limits_that_hold(t *testing.T) {
	said := rows(t)
	for name, words := range map[string][]any{
		"latchkey.host":        {link.MaxAddresses},
		"latchkey.name":        {link.MaxName},
		"latchkey.stun_port":   {link.MaxSTUNPorts},
		"latchkey.ports":       {knock.SpanPorts},
		"door.title":           {config.MaxTitle},
		"door.port":            {config.MaxPorts},
		"door.dest_port":       {config.MaxMoved},
		"door.open_for":        {fmt.Sprintf("%dh", int(config.MaxOpenFor/time.Hour))},
		"door.width4":          {config.MinWidth4, config.MaxWidth4},
		"door.width6":          {config.MinWidth6, config.MaxWidth6},
		"door.service":         {strings.Join(link.Services, "`, `")},
		"client.key":           {seal.KeySize, config.MaxSPAKey},
		"client.hmac_key_text": {config.MaxSPAKey, config.MaxSPAHMAC},
		"latchkey.log_level":   {"debug", "info", "warn", "error"},
		"client.kind":          {"latchkey", "fwknop"},
	} {
		for _, word := range words {
			if !regexp.MustCompile(`(^|\W)` + regexp.QuoteMeta(fmt.Sprint(word)) + `(\D|$)`).MatchString(said[name]) {
				t.Errorf("what the table says of %s does not tell %v: %s", name, word, said[name])
			}
		}
	}
}
