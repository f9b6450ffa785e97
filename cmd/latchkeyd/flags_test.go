// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestFlags(t *testing.T) {
	tests := map[string]struct{ args, want string }{
		"defaults":            {"", "[] 10m false 7"},
		"between_arguments":   {"nas --for 1h -all 192.0.2.1", "[nas 192.0.2.1] 1h true 7"},
		"with_equals_signs":   {"-for=a=b --all=false --since=9", "[] a=b false 9"},
		"nothing_behind_dash": {"- --for=", "[-]  false 7"},
		"two_dashes_end_them": {"-all -- --for 1h", "[--for 1h] 10m true 7"},
		"unknown":             {"--fro 1h", "unknown option --fro"},
		"without_its_value":   {"--for", "option --for needs a value"},
		"not_a_number":        {"--since ever", `option --since cannot be "ever"`},
		"not_true_or_false":   {"--all=maybe", `option --all cannot be "maybe"`},
		"too_many_arguments":  {"a b c", "3 arguments, want 0 to 2"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFlags(env{}, "test")
			long, all, since := f.String("for", "10m", ""), f.Bool("all", ""), f.Uint64("since", 7, "")
			words, err := f.parse(strings.Fields(tt.args), 0, 2)
			got := fmt.Sprint(words, " ", *long, " ", *all, " ", *since)
			if err != nil {
				if _, ok := errors.AsType[usageError](err); !ok {
					t.Errorf("parse(%s): %v is no usageError", tt.args, err)
				}
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("parse(%s) = %s, want %s", tt.args, got, tt.want)
			}
		})
	}
	t.Run("help_shows_each_with_its_default", func(t *testing.T) {
		var out bytes.Buffer
		f := newFlags(env{out: &out}, "open")
		f.String("for", "10m", "how long")
		f.Bool("all", "every one")
		if _, err := f.parse([]string{"x", "--help"}, 0, 0); !errors.Is(err, errHelp) {
			t.Errorf("parse = %v, want errHelp", err)
		}
		want := "options of latchkeyd open:\n  --for        how long (default: 10m)\n  --all        every one\n"
		if out.String() != want {
			t.Errorf("help:\n%swant:\n%s", &out, want)
		}
	})
}
