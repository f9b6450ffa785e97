// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"testing"

	"golang.org/x/sys/unix"
)

// Where the kernel would keep threads from signalling each other, the daemon would wait for ever at its start.
func TestSignalsAreScopedOnlyWhereThreadsMaySignal(t *testing.T) {
	for _, tt := range []struct {
		version, errata uintptr
		want            uint64 // of LandlockRulesetAttr.Scoped
	}{
		{1, 0, 0},
		{5, 1, 0},
		{6, 0, unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET},      // Linux 6.12: it knows of no errata
		{6, 1 << 0, unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET}, // of another erratum only
		{6, 1<<0 | 1<<1, away},
		{7, 1 << 1, away},
		{99, 1 << 1, away},
	} {
		if got := rulesetFor(tt.version, tt.errata).Scoped; got != tt.want {
			t.Errorf("version %d, errata %#b: scoped %#b, want %#b", tt.version, tt.errata, got, tt.want)
		}
	}
	if first := rulesetFor(1, 0); first.Handled_access_fs != 1<<13-1 || first.Handled_access_net != 0 {
		t.Errorf("version 1: %+v", first)
	}
}
