// SPDX-License-Identifier: Apache-2.0

package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/latchkey/latchkey/pkgs/lab"
	"github.com/latchkey/latchkey/pkgs/seal"
)

func open(t *testing.T, path string) *File {
	t.Helper()
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// floor stores a client's floor.
func floor(f *File, client string, stamp uint64) error {
	return f.Remember(map[string]seal.Past{client: {Floor: stamp}})
}

// filled returns the path of a state with two clients and one used sequence.
func filled(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "state")
	f := open(t, path)
	must(t, floor(f, "phone", 1795348800000))
	must(t, f.Remember(map[string]seal.Past{"laptop": {Floor: 1<<48 - 1, Spans: laptopSpans}}))
	must(t, f.Use("7001/tcp 7003/udp"))
	return path
}

var laptopSpans = []seal.Span{{First: 5, Last: 7, Accepted: true}, {First: 9, Last: 9}}

func TestFile_survives_a_restart(t *testing.T) {
	path := filled(t)
	f := open(t, path)
	if f.Past("phone").Floor != 1795348800000 || f.Past("laptop").Floor != 1<<48-1 || f.Past("other").Floor != 0 {
		t.Errorf("clients %v", f.state.pasts)
	}
	if got := f.Past("laptop").Spans; !slices.Equal(got, laptopSpans) {
		t.Errorf("spans %v", got)
	}
	if !f.Used("7001/tcp 7003/udp") || f.Used("7001/tcp") {
		t.Errorf("used %v", f.state.used)
	}
	info, err := os.Stat(path)
	must(t, err)
	if info.Mode() != 0o600 {
		t.Errorf("mode %v, want 0600", info.Mode())
	}
	text, err := os.ReadFile(path)
	must(t, err)
	if strings.Contains(string(text), "7001") {
		t.Errorf("the file shows a one-time sequence:\n%s", text)
	}
}

func TestOpen_missing_file_is_empty(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	f := open(t, path)
	must(t, f.Remember(map[string]seal.Past{"nobody": {}}))
	f.Keep(nil, nil)
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("nothing changed, but there is a file: %v", err)
	}
}

func TestFile_writes_only_changes(t *testing.T) {
	f := open(t, filled(t))
	writes := 0
	f.replace = func(string, []byte) error { writes++; return nil }
	must(t, floor(f, "phone", 1795348800000))
	must(t, f.Use("7001/tcp 7003/udp"))
	if writes != 0 {
		t.Errorf("%d writes, but nothing changed", writes)
	}
	must(t, floor(f, "phone", 1795348800001))
	if writes != 1 {
		t.Errorf("%d writes for one change", writes)
	}
}

func TestFile_failed_write_changes_nothing(t *testing.T) {
	f := open(t, filled(t))
	full := errors.New("no space left on device")
	f.replace = func(string, []byte) error { return full }
	for _, err := range []error{floor(f, "phone", 1795348800001), floor(f, "new", 1), f.Use("x")} {
		if !errors.Is(err, full) {
			t.Errorf("error %v, want %v", err, full)
		}
	}
	if f.Past("phone").Floor != 1795348800000 || f.Past("new").Floor != 0 || f.Used("x") || f.Past("laptop").Floor == 0 {
		t.Errorf("memory is ahead of the disk: %v", f.state)
	}
}

func TestFile_cannot_write(t *testing.T) {
	t.Run("no directory", func(t *testing.T) {
		f := open(t, filepath.Join(t.TempDir(), "missing", "state"))
		if err := floor(f, "phone", 1); err == nil || f.Past("phone").Floor != 0 {
			t.Errorf("error %v, floor %d", err, f.Past("phone").Floor)
		}
	})
	t.Run("no new file", func(t *testing.T) { // as in a read-only directory, but for root, too
		path := filled(t)
		must(t, os.MkdirAll(filepath.Join(path+".new", "in the way"), 0o700))
		f := open(t, path)
		if err := floor(f, "phone", 1795348800001); err == nil || f.Past("phone").Floor != 1795348800000 {
			t.Errorf("error %v, floor %d", err, f.Past("phone").Floor)
		}
		if got := open(t, path).Past("phone").Floor; got != 1795348800000 {
			t.Errorf("the file says %d", got)
		}
	})
	t.Run("rename fails", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "state")
		f := open(t, path)
		must(t, os.MkdirAll(filepath.Join(path, "in the way"), 0o700))
		if err := floor(f, "phone", 1); err == nil {
			t.Error("a directory was replaced")
		}
		if _, err := os.Stat(path + ".new"); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("a temporary file was left: %v", err)
		}
	})
	t.Run("bad name", func(t *testing.T) {
		f := open(t, filepath.Join(t.TempDir(), "state"))
		for _, name := range []string{"", "two words", "line\nbreak", "del\x7f", "zwölf", strings.Repeat("x", 129)} {
			err := floor(f, name, 1)
			if want := fmt.Sprintf("state %s: name %q must be 1 to 128 visible ASCII characters", f.path, name); err == nil || err.Error() != want {
				t.Errorf("error %v, want %s", err, want)
			}
		}
		for _, name := range []string{"!", "good~", strings.Repeat("x", 128)} {
			must(t, floor(f, name, 1))
		}
	})
}

// A power failure leaves the old state, and of the next one as much as there was time for: it must read as
// the old state, and the next write works.
func TestOpen_after_a_crash(t *testing.T) {
	path := filled(t)
	before, err := os.ReadFile(path)
	must(t, err)
	must(t, floor(open(t, path), "phone", 1795348800009))
	after, err := os.ReadFile(path)
	must(t, err)
	for n := range len(after) + 1 {
		must(t, os.WriteFile(path, before, 0o600))
		must(t, os.WriteFile(path+".new", after[:n], 0o600))
		f := open(t, path)
		if f.Past("phone").Floor != 1795348800000 {
			t.Errorf("%d bytes: floor %d", n, f.Past("phone").Floor)
		}
		must(t, floor(f, "phone", 1795348800001))
		if got := open(t, path).Past("phone").Floor; got != 1795348800001 {
			t.Errorf("%d bytes: floor %d after the next write", n, got)
		}
	}
	lab.Withstood(t, "power and disk", "power lost after any byte of a new state",
		"the old state is read, and the next knock is written as ever")
}

// Root may write the file in the directory of the daemon's user, who must not turn that on another.
func TestFile_follows_no_link(t *testing.T) {
	path := filled(t)
	other := filepath.Join(t.TempDir(), "other")
	must(t, os.WriteFile(other, []byte("precious"), 0o600))
	must(t, os.Symlink(other, path+".new"))
	must(t, floor(open(t, path), "phone", 1795348800001))
	if text, err := os.ReadFile(other); err != nil || string(text) != "precious" {
		t.Errorf("the other file has %q, %v", text, err)
	}
	if got := open(t, path).Past("phone").Floor; got != 1795348800001 {
		t.Errorf("floor %d", got)
	}
}

// withSum ends a text as a state ends.
func withSum(body string) []byte { return []byte(body + sumWord + checksum(body) + "\n") }

// What is on the disk of a router keeps its meaning when latchkeyd is upgraded.
func TestFile_has_this_text(t *testing.T) {
	const want = `latchkey-state 1
floor laptop 1795348800100
heard laptop 1795348799900-1795348800100+ 1795435200000-1795435200200
floor phone 12
heard phone 13-14
floor watch 99
used dc8d55978593f77cc94bbfd213ff4d15
sum de1de05b66f40d2597f206ebe1f6fe29
`
	path := filepath.Join(t.TempDir(), "state")
	f := open(t, path)
	pasts := map[string]seal.Past{
		"laptop": {Floor: 1795348800100, Spans: []seal.Span{
			{First: 1795348799900, Last: 1795348800100, Accepted: true}, {First: 1795435200000, Last: 1795435200200},
		}},
		"phone": {Floor: 12, Spans: []seal.Span{{First: 13, Last: 14}}},
		"watch": {Floor: 99},
	}
	must(t, f.Remember(pasts))
	must(t, f.Use("7001/tcp 7003/udp"))
	text, err := os.ReadFile(path)
	must(t, err)
	if got := string(text); got != want {
		t.Errorf("the file is\n%s\nwant\n%s", got, want)
	}
	if again := open(t, path); !reflect.DeepEqual(again.state, f.state) || !reflect.DeepEqual(again.state.pasts, pasts) {
		t.Errorf("it is read as %v, want %v", again.state, f.state)
	}
}

func TestOpen_says_what_is_wrong(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	for text, want := range map[string]string{
		"latchkey-state 2\n":                  `it begins with "latchkey-state 2", not with "latchkey-state 1"; a newer version may have written it`,
		"latchkey-state 1\nceiling phone 1\n": `line "ceiling phone 1\n": "ceiling" with 3 words is not known`,
		"latchkey-state 1\nfloor\n":           `line "floor\n": it has 1 words, at least 2 are needed`,
		"latchkey-state 1\nheard phone 5-4\n": `line "heard phone 5-4\n": a range ends before it begins`,
	} {
		must(t, os.WriteFile(path, withSum(text), 0o600))
		if _, err := Open(path); err == nil || err.Error() != "state "+path+": the file is damaged: "+want {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}

func TestOpen_takes_a_regular_file_of_a_mebibyte(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	const most = 1 << 20
	line := "used 9f86d081884c7d659a2feaa0c55ad015\n"
	for size, good := range map[int]bool{most: true, most + 1: false} {
		room := size - len(withSum("latchkey-state 1\n"))
		body := "latchkey-state 1\n" + strings.Repeat(line, room/len(line)-1)
		body += "used " + strings.Repeat("x", size-len(withSum(body))-len("used \n")) + "\n"
		must(t, os.WriteFile(path, withSum(body), 0o600))
		if _, err := Open(path); (err == nil) != good {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
	if _, err := Open(t.TempDir()); !errors.Is(err, ErrDamaged) {
		t.Errorf("a folder: %v, want %v", err, ErrDamaged)
	}
}

// used makes a state have so many used sequences, "0", "1" and so on.
func used(f *File, n int) {
	for i := range n {
		f.state.used[digestOf(strconv.Itoa(i))] = true
	}
}

func TestFile_holds_16384_entries(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	f := open(t, path)
	f.replace = func(string, []byte) error { return nil }
	used(f, 16_383)
	must(t, f.Use("the last"))
	want := "state " + path + ": 16385 entries are more than 16384"
	if err := f.Use("one more"); err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

func TestOpen_refuses_damage(t *testing.T) {
	path := filled(t)
	text, err := os.ReadFile(path)
	must(t, err)
	refused := func(what string, damaged []byte) {
		t.Helper()
		must(t, os.WriteFile(path, damaged, 0o600))
		if _, err := Open(path); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v, want %v", what, err, ErrDamaged)
		} else if !strings.Contains(err.Error(), path) {
			t.Errorf("%s: the error does not name the file", what)
		}
	}
	for i := range text {
		for _, change := range []byte{0x01, 0x20, 0x80} {
			damaged := []byte(string(text))
			damaged[i] ^= change
			refused("a changed byte", damaged)
		}
		refused("a short file", text[:i])
		refused("a missing byte", append([]byte(string(text[:i])), text[i+1:]...))
	}
	refused("a line too much", append([]byte(string(text)), '\n'))
	for _, body := range []string{
		"latchkey-state 2\n",
		"latchkey-state 1\nfloor phone\n",
		"latchkey-state 1\nfloor phone -1\n",
		"latchkey-state 1\nceiling phone 1\n",
		"latchkey-state 1\n\n",
		"latchkey-state 1\nheard phone\n",
		"latchkey-state 1\nheard phone 5\n",
		"latchkey-state 1\nheard phone 5-4\n",
		"latchkey-state 1\nheard phone 5-6*\n",
		"latchkey-state 1\nheard phone 5-6 6-7\n",
		"latchkey-state 1\nheard phone 5-6 1-2\n",
		"latchkey-state 1\nused list 9f86d081884c7d659a2feaa0c55ad015\n",
	} {
		refused("a wrong line with a right checksum", withSum(body))
	}
	refused("zeros, as some file systems leave them", make([]byte, len(text)))
	refused("a huge file", make([]byte, maxSize+1))
	const start = "latchkeyd does not start and names the file; it is never taken as empty"
	lab.Withstood(t, "power and disk", "state file cut short at any byte, or empty", start)
	lab.Withstood(t, "power and disk", "state file with any byte changed, or all zeros", start)
}

func TestKeep(t *testing.T) {
	f := open(t, filled(t))
	f.replace = func(string, []byte) error { return nil }
	f.Keep([]string{"x"}, nil)
	if !f.Used("7001/tcp 7003/udp") {
		t.Error("dropped without need: the list may come back")
	}
	used(f, 4095) // with that of filled, as many as are kept without need
	f.Keep([]string{"0", "1"}, nil)
	if len(f.state.used) != 4096 {
		t.Errorf("kept %d of 4096", len(f.state.used))
	}
	used(f, 4096)
	f.Keep([]string{"0", "1"}, nil)
	if len(f.state.used) != 2 || !f.Used("0") || f.Past("phone").Floor == 0 {
		t.Errorf("kept %d and clients %v", len(f.state.used), f.state.pasts)
	}
}

// As many clients as a configuration may have, each with all the ranges that are kept of one, and many
// that are gone: there is room for what comes next, and nothing of what was used counts again.
func TestKeep_makes_room_for_the_clients_that_there_are(t *testing.T) {
	f := open(t, filepath.Join(t.TempDir(), "state"))
	f.replace = func(string, []byte) error { return nil }
	var spans []seal.Span
	for i := range uint64(32) {
		spans = append(spans, seal.Span{First: 1000 * (i + 1), Last: 1000*(i+1) + 200})
	}
	var here []string
	all := map[string]seal.Past{}
	for i := range 400 {
		name := "client" + strconv.Itoa(i)
		if i < 256 {
			here = append(here, name)
		}
		all[name] = seal.Past{Floor: 500, Spans: spans}
	}
	f.state.pasts = all
	used(f, 4096)
	f.Keep(nil, here)
	must(t, f.Use("one more"))
	must(t, floor(f, "client0", 2_000_000))
	if got := f.Past("client300"); got.Floor != 32_200 || got.Spans != nil {
		t.Errorf("of a client that is gone: %+v", got)
	}
	if got := f.Past("client1"); got.Floor != 500 || len(got.Spans) != 32 {
		t.Errorf("of a client that is there: %+v", got)
	}
	text, err := f.state.text()
	if err != nil || len(text) > maxSize {
		t.Errorf("%d bytes, %v", len(text), err)
	}
}

// Only from 13 000 entries on something is lost of a client that is gone.
func TestKeep_forgets_spans_only_where_there_is_little_room(t *testing.T) {
	for entries, kept := range map[int]bool{12_999: true, 13_000: false} {
		f := open(t, filepath.Join(t.TempDir(), "state"))
		f.state.pasts = map[string]seal.Past{
			"none": {Floor: 7},
			"one":  {Floor: 7, Spans: []seal.Span{{First: 8, Last: 9}}},
		}
		var texts []string
		for i := range entries - f.state.entries() {
			texts = append(texts, strconv.Itoa(i))
		}
		used(f, len(texts))
		f.Keep(texts, nil)
		want := seal.Past{Floor: 9}
		if kept {
			want = seal.Past{Floor: 7, Spans: []seal.Span{{First: 8, Last: 9}}}
		}
		if got := f.Past("one"); !got.Equal(want) || f.Past("none").Floor != 7 || len(f.state.used) != len(texts) {
			t.Errorf("%d entries: %+v, want %+v; %d used of %d", entries, got, want, len(f.state.used), len(texts))
		}
	}
}

func FuzzParse(f *testing.F) {
	empty, err := state{}.text()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(empty))
	body := "latchkey-state 1\nfloor phone 1\nheard phone 2-3+ 5-6\nused 00\n"
	f.Add(string(withSum(body)))
	f.Fuzz(func(t *testing.T, text string) {
		// The fuzzer cannot guess a checksum, so it is put right first.
		for _, text := range []string{text, text + sumWord + checksum(text) + "\n"} {
			s, err := parse(text)
			if err != nil {
				continue
			}
			again, err := s.text()
			if err != nil {
				if !strings.Contains(err.Error(), "name") && !strings.Contains(err.Error(), "entries") {
					t.Errorf("%q parses, but cannot be written: %v", text, err)
				}
				continue
			}
			if same, err := parse(string(again)); err != nil || !reflect.DeepEqual(same, s) {
				t.Errorf("%q becomes %q: %v", text, again, err)
			}
		}
	})
}
