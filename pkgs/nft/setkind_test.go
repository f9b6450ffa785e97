// SPDX-License-Identifier: Apache-2.0

package nft_test

import (
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/latchkey/latchkey/pkgs/door"
	"github.com/latchkey/latchkey/pkgs/lab"
	"github.com/latchkey/latchkey/pkgs/nft"
)

// TestOpen_looks_at_the_kind_of_a_set goes through what nft can make.
func TestOpen_looks_at_the_kind_of_a_set(t *testing.T) {
	const must = "; it must be { type ipv4_addr; flags timeout; }"
	tests := []struct {
		name, set string
		want      string // the words about it, "" = it is right
	}{
		{"as_fw4_makes_it", "type ipv4_addr; flags timeout;", ""},
		{"with_a_time_of_its_own", "type ipv4_addr; flags timeout; timeout 1h; gc-interval 1s;", ""},
		{"of_a_size", "type ipv4_addr; size 128; flags timeout;", ""},
		{"that_rules_change", "type ipv4_addr; size 128; flags dynamic, timeout;", ""},
		{"with_a_counter", "type ipv4_addr; flags timeout; counter;", ""},
		{"by_typeof", "typeof ip saddr; flags timeout;", ""},
		{"interval", "type ipv4_addr; flags interval, timeout;", "has flag interval"},
		{"interval_and_auto-merge", "type ipv4_addr; flags interval, timeout; auto-merge;", "has flag interval"},
		{"interval_without_timeout", "type ipv4_addr; flags interval;", "has no flag timeout and has flag interval"},
		{"without_timeout", "type ipv4_addr;", "has no flag timeout"},
		{"constant", "type ipv4_addr; flags constant; elements = { 192.0.2.9 }", "has no flag timeout and has flag constant"},
		{"of_the_other_family", "type ipv6_addr; flags timeout;", "is not of type ipv4_addr"},
		{"of_marks_that_are_as_long", "type mark; flags timeout;", "is not of type ipv4_addr"},
		{"of_ports", "type inet_service; flags timeout;", "is not of type ipv4_addr"},
		{"of_names", "type ifname; flags timeout;", "is not of type ipv4_addr"},
		{"concatenation", "type ipv4_addr . inet_service; flags timeout;", "is not of type ipv4_addr"},
		{"concatenation_of_intervals", "type ipv4_addr . inet_service; flags interval, timeout;",
			"is not of type ipv4_addr and has flag interval and is a concatenation"},
		{"map", "MAP type ipv4_addr : inet_service; flags timeout;", "is a map"},
		{"verdict_map", "MAP type ipv4_addr : verdict; flags timeout;", "is a map"},
		{"map_of_counters", "MAP type ipv4_addr : counter; flags timeout;", "is a map"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			fw := start(t)
			kind := "set"
			set, isMap := strings.CutPrefix(test.set, "MAP ")
			if isMap {
				kind = "map"
			}
			script(t, fmt.Sprintf("delete set inet fw4 latchkey1_nas_4\nadd %s inet fw4 latchkey1_nas_4 { %s }\n", kind, set))
			before := listed(t, kind)

			g := grant(four, time.Minute)
			err := fw.Open(time.Now(), nas, g)
			unserved, syncErr := fw.Sync(time.Now(), []door.Door{nas}, []door.Grant{g})
			if syncErr != nil {
				t.Errorf("sync: %v", syncErr)
			}
			if test.want == "" {
				if err != nil || len(unserved) > 0 {
					t.Errorf("error %v, unserved %v, want it to open", err, unserved)
				}
				if after := listed(t, kind); !strings.Contains(after, four.String()) || !strings.Contains(after, "expires") {
					t.Errorf("the grant is not there, with an end:\n%s", after)
				}
				return
			}
			if !errors.Is(err, door.ErrWrongSet) || !strings.Contains(err.Error(), "latchkey1_nas_4 of table inet fw4 "+test.want+must) {
				t.Errorf("error %v, want one that says %q", err, test.want+must)
			}
			if len(unserved) != 1 || unserved[0].Reason.Error() != err.Error() {
				t.Errorf("sync says %v, open said %v", unserved, err)
			}
			if err := fw.Close(nas, alone(four)); err != nil {
				t.Errorf("close: %v", err)
			}
			if after := listed(t, kind); after != before {
				t.Errorf("it was changed:\n%s\nto\n%s", before, after)
			}
		})
	}
	const wideMust = "; it must be { type ipv6_addr; flags interval, timeout; }"
	door6 := door.Door{Name: "nas", Width6: 64}
	for name, tt := range map[string]struct{ set, want string }{
		"networks_as_fw4_makes_them": {"type ipv6_addr; auto-merge; flags interval,timeout;", ""},
		"networks_without_interval":  {"type ipv6_addr; flags timeout;", "has no flag interval"},
		"networks_without_timeout":   {"type ipv6_addr; flags interval;", "has no flag timeout"},
		"networks_of_IPv4":           {"type ipv4_addr; flags interval, timeout;", "is not of type ipv6_addr"},
		"networks_with_ports":        {"type ipv6_addr . inet_service; flags interval, timeout;", "is not of type ipv6_addr and is a concatenation"},
	} {
		t.Run(name, func(t *testing.T) {
			fw := start(t)
			script(t, fmt.Sprintf("add set inet fw4 latchkey2_nas_6 { %s }\n", tt.set))
			err := fw.Open(time.Now(), door6, door.Grant{Door: "nas", Network: netip.MustParsePrefix("2001:db8::/64"), Until: time.Now().Add(time.Minute)})
			out, _ := exec.Command("nft", "list", "set", "inet", "fw4", "latchkey2_nas_6").CombinedOutput()
			if tt.want == "" {
				if err != nil || !strings.Contains(string(out), "2001:db8::/64") || !strings.Contains(string(out), "expires") {
					t.Errorf("error %v, the set is\n%s", err, out)
				}
				return
			}
			if !errors.Is(err, door.ErrWrongSet) || !strings.Contains(err.Error(), "latchkey2_nas_6 of table inet fw4 "+tt.want+wideMust) || strings.Contains(string(out), "elements") {
				t.Errorf("error %v, want one that says %q; the set is\n%s", err, tt.want+wideMust, out)
			}
		})
	}
	lab.Withstood(t, "firewall", "set of another type or with other flags in the place of a door's",
		"the knock is refused with the set's name and how it must be; nothing is put into it")
}

// listed is the set of door nas for IPv4 by nft's word.
func listed(t *testing.T, kind string) string {
	t.Helper()
	out, err := exec.Command("nft", "list", kind, "inet", "fw4", "latchkey1_nas_4").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

// TestOpen_does_not_take_a_set_of_another_family leaves a table of the same name alone.
func TestOpen_does_not_take_a_set_of_another_family(t *testing.T) {
	needKernel(t)
	script(t, "flush ruleset\nadd table ip fw4\nadd set ip fw4 latchkey1_nas_4 { type ipv4_addr; flags timeout; }\n")
	fw, err := nft.Open(nft.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer fw.Shutdown()
	if err := fw.Open(time.Now(), nas, grant(four, time.Minute)); !errors.Is(err, door.ErrPending) {
		t.Errorf("error %v, want ErrPending", err)
	}
}

// TestOpen_beside_somebody_who_replaces_the_set: at no time is there an element in the wrong one.
func TestOpen_beside_somebody_who_replaces_the_set(t *testing.T) {
	fw := start(t)
	over, ended := make(chan struct{}), make(chan struct{})
	opened, refused := 0, 0
	go func() {
		defer close(ended)
		for {
			select {
			case <-over:
				return
			default:
			}
			switch err := fw.Open(time.Now(), nas, grant(four, time.Minute)); {
			case err == nil:
				opened++
			case errors.Is(err, door.ErrWrongSet):
				refused++
			default:
				t.Errorf("open: %v", err)
				return
			}
		}
	}()
	rounds := 25
	if testing.Short() { // an emulated machine takes a second for each nft
		rounds = 5
	}
	for range rounds {
		script(t, "delete set inet fw4 latchkey1_nas_4\nadd set inet fw4 latchkey1_nas_4 { type ipv4_addr; flags interval, timeout; }\n")
		if text := listed(t, "set"); strings.Contains(text, "elements") {
			t.Errorf("an address was added to an interval set:\n%s", text)
		}
		script(t, "delete set inet fw4 latchkey1_nas_4\nadd set inet fw4 latchkey1_nas_4 { type ipv4_addr; flags timeout; }\n")
	}
	close(over)
	<-ended
	t.Logf("%d times opened, %d times refused", opened, refused)
	if opened == 0 || refused == 0 {
		t.Error("the test did not see both kinds of sets")
	}
	lab.Withstood(t, "firewall", "set replaced by one of another kind while a knock is in flight",
		"the kernel refuses the change; never is an address in the wrong set")
}
