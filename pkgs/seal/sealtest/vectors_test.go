// SPDX-License-Identifier: Apache-2.0

package sealtest

import (
	"strings"
	"testing"
	"testing/fstest"
)

func TestLoad_refuses(t *testing.T) {
	const good = "expect: ok\nnow: 1\nfrom: 192.0.2.1\nmessage: 00\n"
	for text, want := range map[string]string{
		"":                          "is missing",
		good + "colour: red\n":      "unknown key",
		good + "no colon\n":         "has no key",
		good + "door: a 1\n":        "a word is missing",
		good + "clock: slow\n":      "is none of",
		good + "disabled: nobody\n": "no such client or door",
		good + "message: 0\n":       "odd length",
		good + "slots: 1 70000\n":   "value out of range",
	} {
		_, err := Load(fstest.MapFS{"v.txt": {Data: []byte(text)}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
	if _, err := Load(fstest.MapFS{}); err == nil {
		t.Error("no vectors are no error")
	}
}
