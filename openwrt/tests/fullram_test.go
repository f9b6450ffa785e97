// SPDX-License-Identifier: Apache-2.0

package openwrt_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey/latchkey/pkgs/lab"
)

// doors is a configuration with so many doors, of four objects of the firewall each. Behind the second there is padding.
func doors(n int) string {
	var b strings.Builder
	b.WriteString(enabled)
	for i := range n {
		if i == 2 {
			b.WriteString(padding)
		}
		fmt.Fprintf(&b, "\nconfig door 'd%d'\n\toption port '%d'\n\toption dest 'lan'\n\toption dest_ip '192.168.1.22'\n\toption dest_ip6 '::22'\n", i, 2000+i)
	}
	return b.String()
}

// padding is several pages of memory, so that half of a text is a good one, too.
var padding = "\n" + strings.Repeat("# "+strings.Repeat("-", 62)+"\n", 400)

// fillsDuring stands in for a command of the script's: the RAM disk has one page of room (4096 bytes) during calls of it
// with such arguments, and if that is to last, after them, too.
func fillsDuring(command, arguments string, lasts bool) string {
	empty := "rm var/run/.fill"
	if lasts {
		empty = ":"
	}
	return fmt.Sprintf(`
		%[1]s() {
			case "$*" in %[2]s) ;; *) command %[1]s "$@"; return ;; esac
			command head -c 4096 /dev/zero >var/run/.page
			command cat /dev/zero >>var/run/.fill 2>/dev/null
			rm var/run/.page
			command %[1]s "$@"
			set -- $?
			%[3]s
			return $1
		}
	`, command, arguments, empty)
}

// A reload on a full RAM disk takes all of the new configuration, or none of it and says why: never half of it, with
// doors that have no sets and rules.
func TestReloadOnAFullRAMDisk(t *testing.T) {
	for name, tt := range map[string]struct {
		command, arguments string
		lasts, refused     bool
	}{
		"while_the_configuration_is_copied":     {"cp", "*/config/latchkey*", false, true},
		"while_the_firewall_is_exported":        {"uci", "*export*", false, false},
		"while_the_firewall_is_written":         {"printf", "*config?zone*", false, true},
		"while_networks_are_listed":             {"sort", "-u", false, false},
		"while_networks_are_written":            {"printf", "*network?wan*", false, true},
		"while_latchkeyd_says_what_is_wanted":   {"latchkeyd", "firewall*", false, true},
		"while_what_was_found_is_read":          {"sed", "*found*", false, false},
		"while_the_configuration_is_made":       {"cat", "*/new/saved", false, true},
		"while_latchkeyd_checks":                {"latchkeyd", "check*", false, false},
		"from_the_copy_of_the_configuration_on": {"cp", "*/config/latchkey*", true, true},
		"from_the_export_on":                    {"uci", "*export*", true, true},
		"from_what_was_found_on":                {"sed", "*found*", true, true},
		"from_the_check_on":                     {"latchkeyd", "check*", true, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRouter(t)
			r.mount("mount -t tmpfs -o size=1m none var/run")
			r.write("etc/config/latchkey", doors(2))
			r.write("next/latchkey", doors(40))
			r.write("next/firewall", padding+zones)
			calls, out, err := r.initScript(`
				start
				cp var/run/latchkey.init/config former
				rm "$RECORD"
				cp next/latchkey next/firewall etc/config/
				INTERFACES="$(seq 10000 12000) $INTERFACES"
				RUNNING=1
				( ` + fillsDuring(tt.command, tt.arguments, tt.lasts) + `
				reload )
				status=$?
				cp var/run/latchkey.init/config handed
				cp var/run/latchkey.init/problems problems
				exit $status`)
			const found = "\nconfig latchkey 'main'\n\tlist interface 'wan'\n\tlist interface 'wan6'\n\tlist device 'eth1' # wan\n"
			objects, want := len(firewall(calls)), doors(2)+found
			if got := r.read("former"); got != want {
				t.Fatalf("start: configuration\n%s\n%s", got, out)
			}
			if tt.refused {
				reason := regexp.MustCompile("(?i)no space left on device|error: no room for a new configuration in ")
				if err == nil || objects > 0 || slices.ContainsFunc(calls, func(s string) bool { return strings.HasPrefix(s, "procd_close_service") }) {
					t.Errorf("it is not refused: %v, %d objects", err, objects)
				}
				if !reason.MatchString(out) || !slices.ContainsFunc(calls, func(s string) bool { return strings.HasPrefix(s, "logger\t") }) {
					t.Errorf("the log does not say why: %q", out)
				}
				if problems := r.read("problems"); !tt.lasts && !reason.MatchString(problems) {
					t.Errorf("the problems are %q", problems)
				}
			} else {
				want = doors(40) + found
				if err != nil || objects != 160 {
					t.Errorf("%v, %d objects, the log says %q", err, objects, out)
				}
			}
			if diff := cmp.Diff(strings.ReplaceAll(want, padding, "..."), strings.ReplaceAll(r.read("handed"), padding, "...")); diff != "" {
				t.Errorf("the daemon's configuration (-want +got):\n%s", diff)
			}
		})
	}
	lab.Withstood(t, "power and disk", "no room on the RAM disk at a reload", "the running configuration stays with its rules, and the log says why; none is taken by half")
}
