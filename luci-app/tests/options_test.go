// SPDX-License-Identifier: Apache-2.0

package tests_test

import (
	"os"
	"regexp"
	"testing"

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
