// SPDX-License-Identifier: Apache-2.0

package control_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey/latchkey/pkgs/control"
)

// samples have every type of this package, full and empty.
func samples() []any {
	at := time.Date(2026, 11, 22, 5, 6, 7, 890_000_000, time.FixedZone("", 3600))
	grant := control.Grant{Address: "2001:db8::7", Until: at, Left: 60, Client: "phone", Knock: "message stun", Pending: true}
	return []any{
		control.Request{}, control.Request{Method: "check", Text: "config door 'a'\n\toption title '\"<é\u2028😀\\\x01'\n", Follow: true},
		control.Status{}, control.Status{
			Version: "1", Running: true, Since: at, Now: at, Packets: 1<<64 - 1, Last: 3, ClockReason: "ntp", ClockSince: &at,
			Devices: []control.Device{{Name: "wan", State: "up", Since: at}},
			Doors:   []control.Door{{Name: "nas", OpenFor: -1, Grants: []control.Grant{grant, {}}}, {}},
			Clients: []control.Client{{Name: "phone", Doors: []string{"nas", ""}, Expires: &at}, {Doors: []string{}}},
		},
		control.Closed{}, control.Closed{Grants: []control.Grant{grant}, More: 7},
		control.Event{}, control.Event{Number: 7, Time: at, Kind: "opened", Until: &at, Skew: -5, Count: 2, Hidden: 1},
		[]control.Problem{}, []control.Problem{{Text: "bad", Line: 3, Warning: true}},
		struct{}{},
	}
}

func TestJSON(t *testing.T) {
	for _, v := range samples() {
		standard, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		got, want := reflect.New(reflect.TypeOf(v)), reflect.New(reflect.TypeOf(v))
		if err := json.Unmarshal(standard, want.Interface()); err != nil {
			t.Fatal(err)
		}
		if err := control.Unmarshal(standard, got.Interface()); err != nil || !cmp.Equal(got.Interface(), want.Interface()) {
			t.Errorf("Unmarshal(%s): %v, (-want +got):\n%s", standard, err, cmp.Diff(want.Interface(), got.Interface()))
		}
		got.Elem().SetZero()
		ours := control.Marshal(v)
		if err := json.Unmarshal(ours, got.Interface()); err != nil || !cmp.Equal(got.Interface(), want.Interface()) {
			t.Errorf("Marshal(%+v) = %s: %v, (-want +got):\n%s", v, ours, err, cmp.Diff(want.Interface(), got.Interface()))
		}
		if a, b := names(t, ours), names(t, standard); !cmp.Equal(a, b) {
			t.Errorf("Marshal(%+v) = %s, want the members of %s", v, ours, standard)
		}
	}
}

// names returns JSON as maps, in which it shows which members are there.
func names(t *testing.T, b []byte) (v any) {
	t.Helper()
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	return v
}

func TestUnmarshal_refuses(t *testing.T) {
	tests := map[string]struct{ text, want string }{
		"nothing":             {"", "JSON ends too early"},
		"half_an_object":      {`{"method":"open"`, "JSON ends too early"},
		"more_than_a_value":   {`{} {}`, "JSON has '{' at byte 3, want the end"},
		"a_misfit":            {`{"method":7}`, "JSON has a number where string belongs"},
		"a_number_too_large":  {`{"since":18446744073709551616}`, "JSON has the number 18446744073709551616 where it does not fit"},
		"a_fraction":          {`{"since":1.5}`, "JSON has the number 1.5 where it does not fit"},
		"what_is_too_deep":    {`{"x":` + strings.Repeat("[", 1<<20), "JSON is more than 32 levels deep"},
		"a_control_character": {"{\"method\":\"\n\"}", `JSON has '\n' at byte 11, want no control character`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var r control.Request
			if err := control.Unmarshal([]byte(tt.text), &r); err == nil || err.Error() != tt.want {
				t.Errorf("Unmarshal(%.40q) = %v, want %s", tt.text, err, tt.want)
			}
		})
	}
}

// FuzzUnmarshal takes as JSON what encoding/json takes as JSON.
func FuzzUnmarshal(f *testing.F) {
	for _, v := range samples() {
		f.Add(control.Marshal(v))
	}
	for _, s := range []string{`"\ud83d\ude00\ud83dx\u00e9\/"`, `[-0.1e+7,01]`, `{"a":{"a":[null,true,false]},}`, ` [ ] `, `nul`, `1.`, `{"since":{"":0}}`, "\"\xff\""} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var raw control.Raw
		err := control.Unmarshal(b, &raw)
		if err != nil && strings.Contains(err.Error(), "levels deep") {
			return
		}
		if (err == nil) != json.Valid(b) {
			t.Fatalf("Unmarshal(%q) = %v, but encoding/json says valid: %t", b, err, json.Valid(b))
		}
		var s control.Status // must not panic, whatever it is
		_ = control.Unmarshal(b, &s)
	})
}

// FuzzText writes and reads strings as encoding/json does.
func FuzzText(f *testing.F) {
	f.Add("nas", `"a\ud83d\u00e9\n"`)
	f.Add("\x00\"\\\u2028\xff😀", `"\ud83d\ude00\udfff"`)
	f.Fuzz(func(t *testing.T, s, quoted string) {
		var ours, standard string
		if err := json.Unmarshal(control.Marshal(s), &ours); err != nil || ours != string([]rune(s)) {
			t.Errorf("Marshal(%q) reads as %q, %v", s, ours, err)
		}
		if !utf8.ValidString(quoted) || json.Unmarshal([]byte(quoted), &standard) != nil {
			return // of what is no UTF-8, encoding/json makes one U+FFFD for each byte
		}
		if err := control.Unmarshal([]byte(quoted), &ours); err != nil || ours != standard {
			t.Errorf("Unmarshal(%s) = %q, %v; want %q", quoted, ours, err, standard)
		}
	})
}
