// SPDX-License-Identifier: Apache-2.0

package probe

import "testing"

func TestJudge(t *testing.T) {
	for _, test := range []struct {
		before, after answer
		want          Verdict
	}{
		{silent, accepted, Open},
		{refused, accepted, Open},
		{silent, late, Unclear}, // what was asked before may have been accepted as late
		{refused, late, Open},
		{accepted, late, Answered},
		{unsent, late, Unclear},
		{silent, silent, NoAnswer},
		{silent, refused, Refuses},
		{silent, unsent, NoAnswer},
		{refused, refused, Unclear},
		{refused, silent, Unclear},
		{accepted, accepted, Answered},
		{accepted, silent, Answered},
		{unsent, unsent, Offline},
		{unsent, accepted, Unclear}, // nobody saw it closed
		{unsent, refused, Unclear},
	} {
		if got := judge(test.before, test.after); got != test.want {
			t.Errorf("before %d, after %d: %s, want %s", test.before, test.after, got, test.want)
		}
	}
}
