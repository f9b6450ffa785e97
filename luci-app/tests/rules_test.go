// SPDX-License-Identifier: Apache-2.0

package tests_test

import (
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey/latchkey/pkgs/config"
	"github.com/latchkey/latchkey/pkgs/foreign"
	"github.com/latchkey/latchkey/pkgs/knock"
	"github.com/latchkey/latchkey/pkgs/link"
	"github.com/latchkey/latchkey/pkgs/seal"
	"github.com/latchkey/latchkey/pkgs/uplink"
)

var update = flag.Bool("update", false, "write rules.js and words.tsv again")

// rule is one property of the module latchkey.rules.
type rule struct {
	name  string
	value any
	about string // what it is, and its unit
}

func rules(t *testing.T) []rule {
	t.Helper()
	seconds := func(least, most time.Duration) []float64 { return []float64{least.Seconds(), most.Seconds()} }
	configSource, daemon := source(t, "config"), source(t, "daemon")
	return []rule{
		{"ON", slices.DeleteFunc(configSource.cases(t, "ParseBool"), func(word string) bool { on, _ := config.ParseBool(word); return !on }), "what switches an option on"},
		{"NAME", config.MaxName, "bytes of a section's name, at most"},
		{"TITLE", config.MaxTitle, "bytes of a title"},
		{"PAGE", source(t, "link").number(t, "maxPage"), "bytes of a page's address"},
		{"OPEN_FOR", seconds(config.MinOpenFor, config.MaxOpenFor), "seconds, least and most, of open_for and max_open"},
		{"WITHIN", seconds(config.MinWithin, config.MaxWithin), "seconds"},
		{"SKEW", seconds(config.MinSkew, config.MaxSkew), "seconds, of max_skew"},
		{"WIDTH4", []int{config.MinWidth4, config.MaxWidth4}, "bits"},
		{"WIDTH6", []int{config.MinWidth6, config.MaxWidth6}, "bits"},
		{"DEFAULTS", map[string]string{
			"openFor": duration(config.DefaultOpenFor), "maxOpen": duration(config.DefaultMaxOpen),
			"within": duration(config.DefaultWithin), "maxSkew": duration(config.DefaultSkew),
		}, "what holds where an option is not set"},
		{"STEPS", knock.MaxSteps, "steps of a sequence"},
		{"ECHO", knock.MaxEchoSize, "bytes of a ping: what fits into one IPv6 packet; the daemon looks at no fragments"},
		{"FLAGS", source(t, "knock").list(t, "flagNames"), "of TCP"},
		{"FEW_STEPS", configSource.number(t, "fewSteps"), "with less a scan may open a sequence by chance"},
		{"NEAR", configSource.number(t, "nearPorts"), "who finds one port tries those that are closer than this"},
		{"PORTS", config.MaxPorts, "ports and ranges of a door"},
		{"MOVED", config.MaxMoved, "ports of ranges that lead to others"},
		{"STUN_PORTS", link.MaxSTUNPorts, "ports of UDP knocks"},
		{"SPAN", knock.SpanPorts, "ports in the span of TCP knocks"},
		{"FIRST_FREE", config.FirstFreePort, "browsers refuse some ports below (the \"bad ports\" of Fetch)"},
		{"DRAWN", []int{uplink.FirstDrawn, uplink.LastDrawn}, "from where to where ports of knocks are drawn"},
		{"WEB", uplink.WebPort, "a second UDP port of knocks, where nothing else has it"},
		{"INTERFACES", config.MaxInterfaces, "that knocks come in at"},
		{"INTERFACE_NAME", config.MaxInterfaceName, "characters"},
		{"KEY", seal.KeySize, "bytes"},
		{"FWKNOP_KEY", config.MaxSPAKey, "bytes, at most"},
		{"FWKNOP_HMAC", config.MaxSPAHMAC, "bytes, at most"},
		{"PLACEHOLDERS", configSource.cases(t, "isPlaceholder"), "what stands in examples and fresh files until somebody writes a key there"},
		{"SPA_PORT", source(t, "foreign").number(t, "defaultSPAPort"), "where clients of fwknop send to if nobody tells them"},
		{"SERVICES", link.Services, "what option service may be, beside none"},
		{"IMPORTED", foreign.MaxSize, "bytes of a file that is imported"},
		{"KEPT", map[string]int{"visits": daemon.number(t, "keepVisits"), "refused": daemon.number(t, "keepRefused")},
			"how many ends of visits and how many refusals the list of events has"},
	}
}

// Captions are whole texts, for translators and since LuCI reads them as HTML: the numbers in them are the daemon's, too.
func TestRulesInCaptions(t *testing.T) {
	key := base64.RawStdEncoding.EncodedLen(seal.KeySize)
	for file, captions := range map[string][]string{
		"view/latchkey/settings.js": {
			fmt.Sprintf("a span of %d ports, such as 20480-%d.", knock.SpanPorts, 20480+knock.SpanPorts-1),
			fmt.Sprintf("%d is what they send to by habit", source(t, "foreign").number(t, "defaultSPAPort")),
		},
		"view/latchkey/doors.js": {
			fmt.Sprintf("Only the address that knocked (%d)", config.MaxWidth4), fmt.Sprintf("Only the address that knocked (%d)", config.MaxWidth6),
		},
		"latchkey/valid.js": {fmt.Sprintf("Not a key: %d bytes as base64, %d or %d characters.", seal.KeySize, key, key+1)},
	} {
		text, err := os.ReadFile("../htdocs/luci-static/resources/" + file)
		if err != nil {
			t.Fatal(err)
		}
		for _, caption := range captions {
			if !strings.Contains(string(text), caption) {
				t.Errorf("%s does not say %q", file, caption)
			}
		}
	}
}

// Who asks the router waits for longer than it takes, and confirms before it takes a change back.
func TestRulesOfWaiting(t *testing.T) {
	const api, plugins = "../htdocs/luci-static/resources/latchkey/api.js", "../../openwrt/latchkey/files/"
	milliseconds := func(file, name string) int {
		t.Helper()
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		m := regexp.MustCompile(`const ` + name + ` = (\d+);`).FindSubmatch(text)
		if m == nil {
			t.Fatalf("%s has no %s any more", file, name)
		}
		n, _ := strconv.Atoi(string(m[1]))
		return n
	}
	if asks, answers := milliseconds(api, "LOOK_UP"), milliseconds(plugins+"network.uc", "PATIENCE"); asks < answers+2000 {
		t.Errorf("a name is waited for for %d ms, and looked up for %d", asks, answers)
	}
	if confirms, undone := milliseconds(api, "SETTLED"), milliseconds(plugins+"latchkey.uc", "UNDO"); undone < 4*confirms {
		t.Errorf("a change is confirmed after %d ms, and taken back after %d", confirms, undone)
	}
}

// duration writes a time as a configuration does.
func duration(d time.Duration) string {
	for _, unit := range []struct {
		of   time.Duration
		name string
	}{{time.Hour, "h"}, {time.Minute, "m"}} {
		if d%unit.of == 0 {
			return fmt.Sprint(int(d/unit.of)) + unit.name
		}
	}
	return fmt.Sprint(int(d/time.Second)) + "s"
}

// Limits, defaults and words that LuCI needs before it can ask the router are the daemon's.
func TestRulesOfTheDaemon(t *testing.T) {
	var b strings.Builder
	b.WriteString("// SPDX-License-Identifier: Apache-2.0\n'use strict';\n'require baseclass';\n\n" +
		"// What the daemon takes, from its own packages: made by  go test ./luci-app/tests -run Rules -update\n\nreturn baseclass.extend({\n")
	all := rules(t)
	for i, r := range all {
		value, err := json.Marshal(r.value)
		if err != nil {
			t.Fatal(err)
		}
		comma := ","
		if i == len(all)-1 {
			comma = ""
		}
		text := strings.NewReplacer(`"`, "'", ",", ", ", ":", ": ", "[", "[ ", "]", " ]", "{", "{ ", "}", " }").Replace(string(value))
		line := fmt.Sprintf("\t%s: %s%s", r.name, text, comma)
		fmt.Fprintf(&b, "%s // %s\n", line, r.about)
	}
	b.WriteString("});\n")
	current(t, "../htdocs/luci-static/resources/latchkey/rules.js", b.String())
}

// What the daemon may say, and LuCI has sentences for. LuCI's own tests read the table, and ask for each.
func TestRulesOfWords(t *testing.T) {
	var b strings.Builder
	add := func(kind string, count int, words []string) {
		if len(words) != count {
			t.Errorf("%d words of kind %s instead of %d: %q (hint: a new one is counted here)", len(words), kind, count, words)
		}
		for _, word := range words {
			b.WriteString(kind + "\t" + strings.TrimSuffix(word, "\n") + "\n")
		}
	}
	notRefused := []string{string(knock.OK), string(knock.WrongProtocol), string(knock.WrongFlags), string(knock.Unfinished)} // these are of attempts
	add("reason", 14, slices.DeleteFunc(source(t, "knock").constants("Reason"), func(word string) bool { return slices.Contains(notRefused, word) }))
	daemon := source(t, "daemon")
	add("kind", 14, daemon.block(t, "opened"))
	add("closing", 6, daemon.closings())
	add("clock", 7, source(t, "clock").constants("Reason"))
	add("warning", 10, source(t, "share").block(t, "NoDoor"))
	add("outcome", 5, source(t, "foreign").list(t, "outcomes"))

	// Parts of sentences, by which LuCI tells details of refusals and what an import has at its head and its end.
	add("detail", 2, daemon.saying("leads nowhere for %s: its LAN host", "nobody can connect from there"))
	add("comment", 3, source(t, "foreign").saying("# Translated from %s. Look it through", "# Sections that were read:\n", "#   %s: %d\n"))
	current(t, "../../testdata/words.tsv", b.String())
}

// current compares a file with what it is made of, or makes it again.
func current(t *testing.T, path, want string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("%s is not current (hint: go test ./luci-app/tests -run Rules -update) (-want +got):\n%s", path, diff)
	}
}

// code is the source of a package, for what it does not export.
type code []*ast.File

func source(t *testing.T, name string) (files code) {
	t.Helper()
	names, err := filepath.Glob("../../pkgs/" + name + "/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	return files
}

// texts returns the strings that stand in a piece of source.
func texts(n ast.Node) (list []string) {
	ast.Inspect(n, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			text, _ := strconv.Unquote(lit.Value)
			list = append(list, text)
		}
		return true
	})
	return list
}

// find returns the declaration that has a name, and what stands behind the name.
func (c code) find(t *testing.T, name string) (*ast.GenDecl, *ast.ValueSpec) {
	t.Helper()
	for _, f := range c {
		for _, d := range f.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, s := range g.Specs {
				if v, ok := s.(*ast.ValueSpec); ok && v.Names[0].Name == name {
					return g, v
				}
			}
		}
	}
	t.Fatalf("there is no %s any more", name)
	return nil, nil
}

func (c code) number(t *testing.T, name string) int {
	t.Helper()
	_, v := c.find(t, name)
	n, err := strconv.Atoi(v.Values[0].(*ast.BasicLit).Value)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// list returns the strings of a variable.
func (c code) list(t *testing.T, name string) []string {
	t.Helper()
	_, v := c.find(t, name)
	return texts(v)
}

// block returns the strings of the constants beside one.
func (c code) block(t *testing.T, name string) []string {
	t.Helper()
	g, _ := c.find(t, name)
	return texts(g)
}

// constants returns the strings of all constants of a type.
func (c code) constants(typ string) (list []string) {
	for _, f := range c {
		ast.Inspect(f, func(n ast.Node) bool {
			if v, ok := n.(*ast.ValueSpec); ok {
				if id, ok := v.Type.(*ast.Ident); ok && id.Name == typ {
					list = append(list, texts(v)...)
				}
			}
			return true
		})
	}
	return list
}

// saying returns those of some texts that the package's strings have in them.
func (c code) saying(wanted ...string) []string {
	var all []string
	for _, f := range c {
		all = append(all, texts(f)...)
	}
	return slices.DeleteFunc(wanted, func(text string) bool {
		return !slices.ContainsFunc(all, func(s string) bool { return strings.Contains(s, text) })
	})
}

// cases returns the words that a function has cases for.
func (c code) cases(t *testing.T, name string) (list []string) {
	t.Helper()
	for _, f := range c {
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Name.Name == name {
				ast.Inspect(fn, func(n ast.Node) bool {
					if clause, ok := n.(*ast.CaseClause); ok {
						for _, e := range clause.List {
							list = append(list, texts(e)...)
						}
					}
					return true
				})
			}
		}
	}
	return list
}

// closings returns why doors close early: what the daemon's functions are told that tell of it, and the details of events
// of kind closed.
func (c code) closings() (list []string) {
	add := func(n ast.Node) {
		for _, text := range texts(n) {
			if text != "" && !slices.Contains(list, text) {
				list = append(list, text)
			}
		}
	}
	for _, f := range c {
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				if s, ok := n.Fun.(*ast.SelectorExpr); ok && (s.Sel.Name == "reportClosed" || s.Sel.Name == "reportEnded") {
					add(n)
				}
			case *ast.CompositeLit:
				isClosed := false
				for _, e := range n.Elts {
					kv, ok := e.(*ast.KeyValueExpr)
					if !ok {
						continue
					}
					key, _ := kv.Key.(*ast.Ident)
					value, _ := kv.Value.(*ast.Ident)
					isClosed = isClosed || key != nil && key.Name == "Kind" && value != nil && value.Name == "closed"
					if isClosed && key.Name == "Detail" {
						add(kv.Value)
					}
				}
			}
			return true
		})
	}
	slices.Sort(list)
	return list
}
