// SPDX-License-Identifier: Apache-2.0

// Package linktest has what the tests share that compare readers of links: the program's, the page's and
// knock.py's.
//
// It is not meant for other programs.
package linktest

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/latchkey/latchkey/pkgs/seal"
)

// Seed adds the links of testdata/vectors to a fuzz target.
func Seed(f *testing.F) {
	f.Helper()
	_, file, _, _ := runtime.Caller(0)
	for name, column := range map[string]int{"links.tsv": 2, "doors.tsv": 1, "times.tsv": 1, "ports.tsv": 1, "stun.tsv": 1} {
		text, err := os.ReadFile(filepath.Join(filepath.Dir(file), "../../../testdata/vectors", name))
		if err != nil {
			f.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			f.Add(strings.Split(strings.TrimSuffix(line, "\n"), "\t")[column], uint8(0), "")
		}
	}
	const key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
	const base = "https://knock.example/#v=1&n=a&h=x&u=1&k=" + key + "&d=a,b"
	for i, values := range []string{
		"latchkey: http://x/` HTTPS://[::1]:8/?a http:///", "1 2 01", "a %C3%A4 %C3 %00 +", "a.b-c 1 -a a: a%20b", "192.0.2.1 01.2.3.4 224.0.0.1 1.2.3 ::ffff:0.0.0.0 ::ffff:e000:1 1:2:3:4:5:6:7:: fe80::1%25x ff02::1",
		"1 65535 65536 01 0 +1", "59392 59393", "500-600,700 5-4 1", "1 0", "2,3 65536", key + "%3D " + key + "%0A AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "a a,,b %61 ä",
		"a:tcp:22:ssh:t b:tcp%2Budp:1-2%2B3:: a:tcp:1-02:: a:tcp:22:ssh:%C3", "a:1:1 b:600:28800 a:2:1 a:01:1", "a:udp:1-2%2B3 b:tcp:7 a:tcp:8 a:udp:0 a:udp:1:x a:tcp%2Budp:1", "x %2 %FF", "1 443 443,2 2,3,4 2,3,4,5 443, 0 02 443,443 443%2C8443",
	} {
		for value := range strings.FieldsSeq(values) {
			f.Add(base, uint8(i+1), value)
		}
	}
}

// parts are the names of the parts of a link, and of one that nobody knows.
var parts = strings.Fields("v n h a u p g gh gf k d i t e z us")

// Change puts a value in the place of one part of a link; 1 is the page in front of it, 0 changes nothing.
func Change(text string, part uint8, value string) string {
	page, fragment, _ := strings.Cut(text, "#")
	switch part = part % uint8(len(parts)+2); part {
	case 0:
		return text
	case 1:
		return value + "#" + fragment
	}
	name := parts[part-2]
	kept := slices.DeleteFunc(strings.Split(fragment, "&"), func(s string) bool { return strings.HasPrefix(s, name+"=") })
	return page + "#" + strings.Join(append(kept, name+"="+value), "&")
}

// Comparable reports whether two readers can be asked for the same link: a page gets text, which is UTF-8; what
// is white space around a link, and what can be printed in the address of a page, depends on the version of
// Unicode.
func Comparable(text string) bool {
	page, _, _ := strings.Cut(text, "#")
	return utf8.ValidString(text) && strings.Trim(text, "\x1c\x1d\x1e\x1f\u0085\ufeff") == text &&
		!strings.ContainsFunc(page, func(r rune) bool { return r >= utf8.RuneSelf })
}

// Key makes a key of any bytes.
func Key(b []byte) (k seal.Key) {
	copy(k[:], b)
	k[len(k)-1] |= 1 // all zeros are no key
	return k
}

// Base64 reads unpadded base64.
func Base64(text string) ([]byte, error) { return base64.RawStdEncoding.Strict().DecodeString(text) }
