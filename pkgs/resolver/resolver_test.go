// SPDX-License-Identifier: Apache-2.0

package resolver

import "testing"

// FuzzParse reads what may be a resolv.conf. That its servers are asked is tested in cmd/latchkey.
func FuzzParse(f *testing.F) {
	f.Add("# comment\nnameserver 192.0.2.1\nnameserver 2001:db8::1\nnameserver fe80::1%wlan0\nnameserver 192.0.2.3\nsearch x\n")
	f.Add("nameserver\nnameserver x\n nameserver\t192.0.2.1 # one")
	f.Fuzz(func(t *testing.T, text string) {
		found := parse(text)
		if len(found) > maxServers {
			t.Errorf("%q names %d servers", text, len(found))
		}
		for _, a := range found {
			if !a.IsValid() {
				t.Errorf("%q names %v", text, found)
			}
		}
	})
}
