// SPDX-License-Identifier: Apache-2.0

package openwrt_test

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey/latchkey/pkgs/capture"
	"github.com/latchkey/latchkey/pkgs/control"
)

// answer is a status as the plugin tells it, in the daemon's words, and samples are what both collectors make of it.
const answer = `{
	"running": true, "version": "1.2.3", "since": "2026-02-28T23:30:12.5-01:00", "clock": "` + control.Synchronised + `", "packets": 123456, "memory": 5300224,
	"devices": [ { "name": "pppoe-wan", "state": "` + capture.Up + `", "dropped": 7 }, { "name": "wwan0", "state": "` + capture.Missing + `", "coarse": "without the hints" } ],
	"doors": [
		{ "name": "nas", "state": "` + control.DoorReady + `", "grants": [ { "address": "203.0.113.7" }, { "address": "2001:db8::7" } ], "more": 8 },
		{ "name": "web", "state": "` + control.DoorBroken + `", "grants": [] }
	],
	"clients": [ { "name": "phone", "last": "2026-11-26T05:00:00Z" }, { "name": "tablet" } ],
	"counts": [ { "kind": "opened", "door": "nas", "count": 3 }, { "kind": "refused", "reason": "stale", "count": 5000000000 }, { "kind": "reload", "count": 1 } ]
}`

// noAnswer is what the plugin tells of a daemon that does not answer in time.
const noAnswer = `{ "error": "latchkeyd did not answer", "hint": "look for it in the log" }`

var samples = []string{
	`latchkey_client_last_knock_timestamp_seconds{client="phone"} 1795669200`,
	`latchkey_clock_synchronised 1`,
	`latchkey_device_dropped_packets_total{device="pppoe-wan"} 7`,
	`latchkey_device_dropped_packets_total{device="wwan0"} 0`,
	`latchkey_device_filter_coarse{device="pppoe-wan"} 0`,
	`latchkey_device_filter_coarse{device="wwan0"} 1`,
	`latchkey_device_up{device="pppoe-wan"} 1`,
	`latchkey_device_up{device="wwan0"} 0`,
	`latchkey_door_ready{door="nas"} 1`,
	`latchkey_door_ready{door="web"} 0`,
	`latchkey_events_total{door="nas",kind="opened"} 3`,
	`latchkey_events_total{kind="refused",reason="stale"} 5000000000`,
	`latchkey_events_total{kind="reload"} 1`,
	`latchkey_grants{door="nas"} 10`,
	`latchkey_grants{door="web"} 0`,
	`latchkey_info{version="1.2.3"} 1`,
	`latchkey_packets_total 123456`,
	`latchkey_resident_memory_bytes 5300224`,
	`latchkey_start_time_seconds 1772325012`,
	`latchkey_up 1`,
}

// sorted returns the samples of a text in Prometheus's format, with labels in order and without empty ones.
func sorted(text string) []string {
	var list []string
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		name, rest, labelled := strings.Cut(strings.TrimSpace(line), "{")
		labels, value, _ := strings.Cut(rest, "}")
		words := regexp.MustCompile(`\w+="[^"]+"`).FindAllString(labels, -1)
		slices.Sort(words)
		switch {
		case !labelled:
			list = append(list, name)
		case len(words) == 0:
			list = append(list, name+value)
		default:
			list = append(list, name+"{"+strings.Join(words, ",")+"}"+value)
		}
	}
	slices.Sort(list)
	return list
}

// lint has Prometheus's own tool read a text. What it says must be about help alone, if that is excused.
func lint(t *testing.T, text string, helpless bool) {
	t.Helper()
	if _, err := exec.LookPath("promtool"); err != nil {
		t.Skip("SKIP: no promtool here")
	}
	cmd := exec.Command("promtool", "check", "metrics")
	cmd.Stdin = strings.NewReader(text)
	out, _ := cmd.CombinedOutput()
	for line := range strings.Lines(string(out)) {
		if !helpless || !strings.HasSuffix(line, "no help text\n") {
			t.Errorf("promtool says %s", line)
		}
	}
}

// collect runs the collector of prometheus-node-exporter-lua by Debian's Lua, with stand-ins for what the exporter
// and ubus give it.
func collect(t *testing.T, status string) string {
	t.Helper()
	if _, err := exec.LookPath("lua5.1"); err != nil {
		t.Skip("SKIP: no lua5.1 here")
	}
	// JSON becomes a table of Lua by a few replacements, which is enough for the texts of this test.
	table := strings.NewReplacer("[", "{", "]", "}").Replace(status)
	table = regexp.MustCompile(`"(\w+)":`).ReplaceAllString(table, `["$1"] =`)
	cmd := exec.Command("lua5.1", "-e", `
		package.preload.ubus = function()
			return { connect = function() return {
				call = function(self, object, method) if object == "latchkey" and method == "status" then return `+table+` end end,
				close = function() end,
			} end }
		end
		function metric(name, kind)
			print("# TYPE " .. name .. " " .. kind)
			return function(labels, value)
				local words = {}
				for label, text in pairs(labels or {}) do words[#words + 1] = label .. '="' .. text .. '"' end
				print(name .. (labels and "{" .. table.concat(words, ",") .. "}" or "") .. " " .. value)
			end
		end
		dofile("`+files+`/metrics.lua").scrape()`)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

func TestMetrics_of_Lua(t *testing.T) {
	text := collect(t, answer)
	if diff := cmp.Diff(samples, sorted(text)); diff != "" {
		t.Errorf("samples (-want +got):\n%s", diff)
	}
	lint(t, text, true)
	t.Run("without_a_daemon", func(t *testing.T) {
		if diff := cmp.Diff([]string{"latchkey_up 0"}, sorted(collect(t, `{ "running": false }`))); diff != "" {
			t.Errorf("samples (-want +got):\n%s", diff)
		}
	})
	t.Run("of_a_daemon_that_does_not_answer", func(t *testing.T) {
		if diff := cmp.Diff([]string{"latchkey_up 0"}, sorted(collect(t, noAnswer))); diff != "" {
			t.Errorf("samples (-want +got):\n%s", diff)
		}
	})
	t.Run("escaped", func(t *testing.T) {
		text := collect(t, `{ "running": false, "running": true, "version": "1\"\\\n2", "since": "", "packets": 0, "devices": [], "doors": [], "clients": [] }`)
		if !strings.Contains(text, `latchkey_info{version="1\"\\\n2"} 1`) {
			t.Errorf("the version comes as\n%s", text)
		}
		lint(t, text, true)
	})
}

func TestMetrics_of_ucode(t *testing.T) {
	ucode := os.Getenv(ucodeVariable)
	if ucode == "" {
		t.Skip(noUcode)
	}
	run := func(status string) string {
		r := newRouter(t)
		r.write("status.json", status)
		r.write("collector.uc", script(t, "metrics.uc"))
		r.write("exporter.uc", `
			import { readfile } from 'fs';
			function family(kind, name, help) {
				printf("# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind);
				return (labels, value) => {
					if (value != null)
						printf("%s%s %s\n", name, labels ? "{" + join(",", map(keys(labels), l => sprintf("%s=%J", l, labels[l]))) + "}" : "", +value);
				};
			}
			const scope = {
				ubus: { call: (object, method) => object == "latchkey" && method == "status" ? json(readfile("`+r.path("status.json")+`")) : null },
				gauge: (name, help) => family("gauge", name, help),
				counter: (name, help) => family("counter", name, help),
			};
			call(loadfile("`+r.path("collector.uc")+`", { raw_mode: true, strict_declarations: true }), null, scope);
		`)
		out, err := exec.Command(ucode, r.path("exporter.uc")).CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return string(out)
	}
	text := run(answer)
	if diff := cmp.Diff(samples, sorted(text)); diff != "" {
		t.Errorf("samples (-want +got):\n%s", diff)
	}
	lint(t, text, false)
	for _, status := range []string{`{ "running": false }`, noAnswer} {
		if diff := cmp.Diff([]string{"latchkey_up 0"}, sorted(run(status))); diff != "" {
			t.Errorf("of %s, samples (-want +got):\n%s", status, diff)
		}
	}
}

// Both collectors, of which one needs an OpenWrt to run, are for the same metrics.
func TestMetrics_are_the_same_in_both(t *testing.T) {
	families := func(file string) []string {
		var list []string
		for _, m := range regexp.MustCompile(`(gauge|counter)"?[(,] ?"(latchkey_\w+)"`).FindAllStringSubmatch(script(t, file), -1) {
			list = append(list, m[1]+" "+m[2])
		}
		return list
	}
	if diff := cmp.Diff(families("metrics.uc"), families("metrics.lua")); diff != "" || len(families("metrics.uc")) < 10 {
		t.Errorf("metrics (-ucode +Lua):\n%s", diff)
	}
	words := func(file string) []string {
		return regexp.MustCompile(`\w+ == "\w+"`).FindAllString(script(t, file), -1)
	}
	if diff := cmp.Diff(words("metrics.uc"), words("metrics.lua")); diff != "" || len(words("metrics.uc")) != 3 {
		t.Errorf("the daemon's words (-ucode +Lua):\n%s", diff)
	}
}
