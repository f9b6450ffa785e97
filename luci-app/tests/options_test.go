// SPDX-License-Identifier: Apache-2.0

package tests_test

import (
	"net/netip"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/latchkey/latchkey/pkgs/config"
	"github.com/latchkey/latchkey/pkgs/uci"
)

// views are the files with the fields of each type of section.
var views = map[string]string{"latchkey": "settings.js", "door": "doors.js", "client": "clients.js", "sequence": "sequences.js"}

// fieldless are options that have no field, and why.
var fieldless = map[string]string{
	"latchkey.device":            "the init script looks it up",
	"latchkey.inside":            "the init script looks it up",
	"latchkey.missing_interface": "the init script looks it up",
	"latchkey.missing_zone":      "the init script looks it up",
	"latchkey.found_host":        "the plugin of rpcd looks it up",
	"latchkey.found_name":        "the plugin of rpcd looks it up",
	"latchkey.found_page":        "the plugin of rpcd looks it up",
	"latchkey.name":              "the router's host name is what most people want",
	"client.kind":                "is chosen when a client is added, and a key is of one kind",
	"client.key":                 "is made by New code and New key, and never shown",
	"client.hmac_key":            "is made by New key, and never shown",
}

// TestEveryOptionHasAField: what can be configured can be configured in LuCI. testdata/config/full has every
// option that there is, as a test of pkgs/config demands.
func TestEveryOptionHasAField(t *testing.T) {
	text, err := os.ReadFile("../../testdata/config/full")
	if err != nil {
		t.Fatal(err)
	}
	file, errs := uci.Parse(string(text))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	field := regexp.MustCompile(`ption\((?:'\w+', )?(?:form|widgets)\.\w+, '([a-z0-9_]+)'`)
	fields := map[string]bool{}
	for section, view := range views {
		source, err := os.ReadFile("../htdocs/luci-static/resources/view/latchkey/" + view)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range field.FindAllStringSubmatch(string(source), -1) {
			fields[section+"."+m[1]] = true
		}
	}
	there := map[string]bool{}
	for _, s := range file.Sections {
		if views[s.Type] == "" {
			continue // the classic form of carrier ports is for who has apps that send it
		}
		for _, o := range s.Options {
			name := s.Type + "." + o.Name
			there[name] = true
			if why := fieldless[name]; fields[name] == (why != "") {
				t.Errorf("option %s has a field: %v; why it has none: %q", name, fields[name], why)
			}
		}
	}
	for name := range fieldless {
		if !there[name] {
			t.Errorf("there is no option %s", name)
		}
	}
	if len(there) < 40 {
		t.Errorf("only %d options were found", len(there))
	}
}

// minimal is a section of each type that has fields, without an option that is not needed.
const minimal = `config latchkey 'main'

config door 'x'
	option port '22'

config client 'y'
	option key '3q2+7wABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhs='

config sequence 'z'
	list step '7000/tcp'
`

// What a field shows where an option is not set is what the daemon takes then.
func TestFieldsHaveTheDaemonsDefaults(t *testing.T) {
	want, problems := config.Parse(minimal)
	if want == nil {
		t.Fatal(problems)
	}
	field := regexp.MustCompile(`ption\((?:'\w+', )?form\.\w+, '([a-z0-9_]+)'|\.default = ('\w+'|o\.enabled);`)
	seen := 0
	for section, view := range views {
		source, err := os.ReadFile("../htdocs/luci-static/resources/view/latchkey/" + view)
		if err != nil {
			t.Fatal(err)
		}
		option := ""
		for _, m := range field.FindAllStringSubmatch(string(source), -1) {
			if m[1] != "" {
				option = m[1]
				continue
			}
			seen++
			value := strings.Replace(strings.Trim(m[2], "'"), "o.enabled", "1", 1)
			text := regexp.MustCompile(`config `+section+` '\w+'\n`).ReplaceAllString(minimal, "$0\toption "+option+" '"+value+"'\n")
			got, problems := config.Parse(text)
			if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
				t.Errorf("%s.%s is %q in its field, %v (-daemon +field):\n%s", section, option, value, problems.Errors(), diff)
			}
		}
	}
	if seen < 10 {
		t.Errorf("only %d defaults were found", seen)
	}
}
