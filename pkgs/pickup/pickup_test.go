// SPDX-License-Identifier: Apache-2.0

package pickup_test

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/latchkey/latchkey/pkgs/pickup"
)

var example = pickup.Code{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}

func TestCode_round_trip(t *testing.T) {
	for _, c := range []pickup.Code{{}, example, {15: 255}} {
		if got, err := pickup.ParseCode(c.Text()); err != nil || got != c {
			t.Errorf("%s reads back as %s, %v", c.Text(), got.Text(), err)
		}
	}
}

func TestCode_hides_itself(t *testing.T) {
	for _, s := range []string{fmt.Sprintf("%v %s %d %x %+v %#v", example, example, example, example, example, example), fmt.Sprint(&example)} {
		if strings.Contains(s, example.Text()[:6]) || strings.Contains(s, "2 3 4") || strings.Contains(s, "020304") {
			t.Errorf("shows the code: %s", s)
		}
	}
}

func TestParseCode_refuses(t *testing.T) {
	good := example.Text()
	for text, want := range map[string]string{
		"":                     "has 22 characters, this one has 0",
		good[:21]:              "this one has 21",
		good + "A":             "this one has 23",
		good[:21] + "x":        "is made of", // bits that mean nothing must be 0
		good[:21] + "=":        "is made of",
		good[:21] + " ":        "is made of",
		good[:21] + "/":        "is made of",
		good[:18] + "\r\n\r\n": "is made of", // the length is right, the bytes are too few
	} {
		_, err := pickup.ParseCode(text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
		if err != nil && strings.Contains(err.Error(), good[:6]) {
			t.Errorf("the error shows the code: %v", err)
		}
	}
}

func TestNames(t *testing.T) {
	if !pickup.IsName(example.Name()) {
		t.Errorf("%q is not a name", example.Name())
	}
	for _, s := range []string{"", example.Name()[1:], example.Name() + "0", "../" + example.Name()[3:], strings.ToUpper(example.Name()), strings.Repeat("g", 32)} {
		if pickup.IsName(s) {
			t.Errorf("%q is a name", s)
		}
	}
}

// Every implementation agrees on these; they were made by another program.
func TestVectors(t *testing.T) {
	text, err := os.ReadFile("../../testdata/vectors/pickup.tsv")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for line := range strings.Lines(string(text)) {
		field := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(field) != 6 {
			t.Fatalf("line %q has %d fields, want 6", line, len(field))
		}
		verdict, about, sealed, want := field[0], field[1], field[4], field[5]
		code, err := pickup.ParseCode(field[2])
		if err != nil {
			t.Fatalf("%s: %v", about, err)
		}
		if code.Name() != field[3] {
			t.Errorf("%s: name %s, want %s", about, code.Name(), field[3])
		}
		got, err := code.Open(sealed)
		seen[verdict]++
		if verdict == "bad" {
			if err == nil {
				t.Errorf("%s: opens as %q", about, got)
			}
			continue
		}
		if err != nil || got != want {
			t.Errorf("%s: opens as %q, %v", about, got, err)
		}
		if again := code.Seal(want); again != sealed {
			t.Errorf("%s: seals as %s", about, again)
		}
	}
	if seen["good"] < 5 || seen["bad"] < 5 {
		t.Errorf("%v vectors", seen)
	}
}

// Whatever bit is changed on the way, the link is refused.
func TestOpen_refuses_every_changed_bit(t *testing.T) {
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	sealed := example.Seal("http://192.168.1.1/latchkey/#v=1&n=home&h=x&u=3478&d=a")
	for i := range sealed {
		for bit := range 6 {
			c := digits[strings.IndexByte(digits, sealed[i])^1<<bit]
			if _, err := example.Open(sealed[:i] + string(c) + sealed[i+1:]); err == nil {
				t.Fatalf("bit %d of character %d means nothing", bit, i)
			}
		}
	}
	if _, err := example.Open(example.Seal(strings.Repeat("x", pickup.MaxText+1))); err == nil {
		t.Error("a text that is too long opens")
	}
	if _, err := example.Open(example.Seal(strings.Repeat("x", pickup.MaxText))); err != nil {
		t.Errorf("the longest text: %v", err)
	}
}

// The example of SPEC.md is what the code makes.
func TestSpec(t *testing.T) {
	spec, err := os.ReadFile("../../SPEC.md")
	if err != nil {
		t.Fatal(err)
	}
	_, block, found := strings.Cut(string(spec), "```pick-up\n")
	block, _, closed := strings.Cut(block, "```")
	if !found || !closed {
		t.Fatal("SPEC.md has no example of a pick-up")
	}
	say := map[string]string{}
	for line := range strings.Lines(block) {
		name, value, _ := strings.Cut(line, " ")
		say[name] = strings.TrimSpace(value)
	}
	code, err := pickup.ParseCode(say["code"])
	if err != nil || code != example {
		t.Fatalf("code %v, %v", code.Text(), err)
	}
	link, err := code.Open(say["answer"])
	if err != nil || !strings.Contains(link, "&k=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8&d=nas_ssh,router_web") {
		t.Errorf("the answer opens as %q, %v", link, err)
	}
	sealed, err := base64.RawURLEncoding.DecodeString(say["answer"])
	if err != nil || hex.EncodeToString(sealed[:16]) != say["tag"] {
		t.Errorf("the answer begins with another tag than %s, %v", say["tag"], err)
	}
	if say["name"] != code.Name() {
		t.Errorf("name %s, want %s", say["name"], code.Name())
	}
}

func FuzzOpen(f *testing.F) {
	f.Add(example.Seal("#v=1"))
	f.Add("")
	f.Fuzz(func(t *testing.T, sealed string) {
		text, err := example.Open(sealed)
		if err == nil && example.Seal(text) != sealed {
			t.Errorf("%q opens, and seals as something else", sealed)
		}
	})
}
