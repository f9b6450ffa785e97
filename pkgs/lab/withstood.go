// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// Groups are the parts of SECURITY.md's table of faults and attacks, in their order there.
var Groups = []string{"power and disk", "firewall", "network", "clock", "control", "load", "packets", "keys and doors", "isolation"}

// Withstood says at the end of a test that a fault or an attack was tried and what happened. From these
// lines `make check` sees that SECURITY.md's table is true (testdata/withstood). A test that failed
// says nothing. The group is one of Groups; fault and outcome are a few words each, without a "|".
func Withstood(t testing.TB, group, fault, outcome string) {
	t.Helper()
	if !slices.Contains(Groups, group) {
		t.Fatalf("group %q of fault %q: is none of %q", group, fault, Groups)
	}
	record(t, group, fault, outcome)
}

// Peer says what another program, "knockd" or "fwknopd", did on a fault or an attack that Withstood
// names with the same words.
func Peer(t testing.TB, program, fault, outcome string) {
	t.Helper()
	if program != "knockd" && program != "fwknopd" {
		t.Fatalf("peer %q of fault %q: is neither knockd nor fwknopd", program, fault)
	}
	record(t, program, fault, outcome)
}

func record(t testing.TB, first, fault, outcome string) {
	t.Helper()
	if t.Failed() {
		return
	}
	if strings.ContainsAny(fault+outcome, "|\n\t") {
		t.Fatalf("fault %q, outcome %q: has a character that a table cannot", fault, outcome)
	}
	_, file, _, _ := runtime.Caller(2)
	root := filepath.Dir(filepath.Dir(script()))
	folder, err := filepath.Rel(root, filepath.Dir(file))
	if err != nil {
		t.Fatal(err)
	}
	test, _, _ := strings.Cut(t.Name(), "/")
	fmt.Fprintf(os.Stdout, "withstood: %s|%s|%s|%s %s\n", first, fault, outcome, path.Clean(filepath.ToSlash(folder)), test)
}
