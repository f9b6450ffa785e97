// SPDX-License-Identifier: Apache-2.0

package config_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey/latchkey/pkgs/config"
)

// TestCheck_before_there_are_too_many is told at four fifths of what there can be of each type, in the same words up to
// the limit, and not instead of a refusal.
func TestCheck_before_there_are_too_many(t *testing.T) {
	kinds := map[string]struct {
		most int
		body string
	}{
		"door":     {config.MaxDoors, "\toption port '%d'\n"},
		"client":   {config.MaxClients, "\toption key 'AAECAwQFBgcICQoLDA0ODxAREhMUFRYX%08d'\n"},
		"sequence": {config.MaxSequences, "\tlist step '%d/tcp'\n\tlist step '7/udp'\n\tlist step '9/tcp'\n"},
	}
	for kind, k := range kinds {
		for _, n := range []int{k.most * 4 / 5, k.most*4/5 + 1, k.most, k.most + 1} {
			var text strings.Builder
			for i := range n {
				fmt.Fprintf(&text, "config %s 'x%d'\n"+k.body, kind, i, 20_000+i)
			}
			_, problems := config.Check(text.String(), time.Time{})
			told := map[string]int{}
			for _, p := range problems {
				if strings.Contains(p.Reason, "nearly as often") || strings.Contains(p.Reason, "one too many") {
					text, _, _ := strings.Cut(p.Public(), " (line ")
					told[text]++
				}
			}
			want := map[string]int{}
			switch {
			case n > k.most:
				want[fmt.Sprintf("section '%s' (x%d) is one too many: there can be %d of this type", kind, k.most, k.most)] = 1
			case 5*n >= 4*k.most:
				want[fmt.Sprintf("section '%s' is there nearly as often as it can be, %d times: with more, the configuration is refused", kind, k.most)] = 1
			}
			if diff := cmp.Diff(want, told); diff != "" {
				t.Errorf("%d sections %s (-want +got)\n%s", n, kind, diff)
			}
		}
	}
}
