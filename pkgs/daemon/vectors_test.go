// SPDX-License-Identifier: Apache-2.0

package daemon_test

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey/latchkey/pkgs/config"
	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/door/doortest"
	"github.com/latchkey/latchkey/pkgs/seal"
)

// vector is a file of testdata/vectors: the words of its lines by their keys.
type vector map[string][][]string

func readVector(t *testing.T, path string) vector {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	known := strings.Fields("about expect now clock door client floor expires disabled earlier from message " +
		"by body opens closes ahead username slots ordered")
	v := vector{}
	for line := range strings.Lines(string(b)) {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, words, ok := strings.Cut(line, ": ")
		if !ok || !slices.Contains(known, key) {
			t.Fatalf("%s: line %q has no known key", path, line)
		}
		v[key] = append(v[key], strings.Fields(words))
	}
	return v
}

// one returns the first word of the only line with a key.
func (v vector) one(t *testing.T, key string) string {
	t.Helper()
	if len(v[key]) != 1 {
		t.Fatalf("%d lines with the key %q, want one", len(v[key]), key)
	}
	return v[key][0][0]
}

func millis(t *testing.T, s string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// config writes the vector's router as a configuration.
func (v vector) config(t *testing.T) string {
	var b strings.Builder
	off := func(name string) string {
		for _, words := range v["disabled"] {
			if words[0] == name {
				return "0"
			}
		}
		return "1"
	}
	fmt.Fprintf(&b, "config latchkey 'main'\n\toption enabled '1'\n\toption stun_port '%d'\n", stunPort)
	for i, words := range v["door"] {
		fmt.Fprintf(&b, "config door '%s'\n\toption port '%d'\n\toption open_for '%ss'\n\toption max_open '%ss'\n\toption enabled '%s'\n",
			words[0], 1000+i, words[1], words[2], off(words[0]))
	}
	for _, words := range v["client"] {
		fmt.Fprintf(&b, "config client '%s'\n\toption key '%s'\n\toption enabled '%s'\n", words[0], words[1], off(words[0]))
		for name := range strings.SplitSeq(words[2], ",") {
			fmt.Fprintf(&b, "\tlist door '%s'\n", name)
		}
		for _, e := range v["expires"] {
			if e[0] == words[0] {
				fmt.Fprintf(&b, "\toption expires '%s'\n", time.UnixMilli(millis(t, e[1])).UTC().Format(time.RFC3339Nano))
			}
		}
	}
	return b.String()
}

// id names a client of the vector as the daemon's memory does.
func (v vector) id(t *testing.T, name string) string {
	t.Helper()
	for _, words := range v["client"] {
		if words[0] == name {
			k, err := seal.ParseKey(words[1])
			if err != nil {
				t.Fatal(err)
			}
			c := config.Client{Key: k}
			return c.ID()
		}
	}
	t.Fatalf("no client %q", name)
	return ""
}

func TestVectors(t *testing.T) {
	files, err := filepath.Glob("../../testdata/vectors/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no vectors: %v", err)
	}
	for _, path := range files {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			v := readVector(t, path)
			now := time.UnixMilli(millis(t, v.one(t, "now")))
			m := &memory{floors: map[string]uint64{}, used: map[string]bool{}}
			for _, words := range v["floor"] {
				m.floors[v.id(t, words[0])] = uint64(millis(t, words[1]))
			}
			r := newRigWith(t, v.config(t), m, now, v.one(t, "clock") == "synchronised")
			for _, words := range v["door"] {
				r.fw.MakeSets(words[0])
			}
			for _, words := range v["earlier"] {
				r.now = now.Add(time.Duration(millis(t, words[0])) * time.Millisecond)
				r.mustTick(t)
				r.message(netip.MustParseAddr(words[1]), unhex(t, words[2]))
			}
			r.now = now
			r.mustTick(t)
			for _, words := range v["closes"] {
				r.ask(t, control.Request{Method: "open", Door: words[0], Address: words[1]})
			}
			r.read = r.newest().Number
			r.fw.Calls()
			r.message(netip.MustParseAddr(v.one(t, "from")), unhex(t, v.one(t, "message")))
			v.check(t, r.told(), r.fw)
		})
	}
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// check compares what the daemon told and did with what the vector expects.
func (v vector) check(t *testing.T, told []control.Event, fw *doortest.Fake) {
	word := "ok"
	for _, e := range told {
		if e.Reason != "" {
			word = e.Reason
			if ahead := v["ahead"]; ahead != nil && int64(e.Skew) != millis(t, ahead[0][0])/1000 {
				t.Errorf("event says %d s ahead, want %s ms", e.Skew, ahead[0][0])
			}
		}
		if by := v["by"]; by != nil && e.Client != by[0][0] {
			t.Errorf("event names client %q, want %q", e.Client, by[0][0])
		}
	}
	if want := v.one(t, "expect"); word != want {
		t.Errorf("the word is %q, want %q", word, want)
	}
	var want []string
	for _, w := range v["opens"] {
		seconds := time.Duration(millis(t, w[2])) * time.Second
		want = append(want, fmt.Sprintf("open %s %s %s", w[0], w[1], seconds))
	}
	for _, w := range v["closes"] {
		want = append(want, fmt.Sprintf("close %s %s", w[0], w[1]))
	}
	var got []string
	for _, call := range fw.Calls() {
		if !strings.HasPrefix(call, "sync") {
			got = append(got, call)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("calls of the firewall (-want +got):\n%s", diff)
	}
}
