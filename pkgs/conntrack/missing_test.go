// SPDX-License-Identifier: Apache-2.0

package conntrack

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/lab"
	"github.com/latchkey/latchkey/pkgs/netlink"
)

// TestExplain_tells_a_module_that_is_missing asks the kernel for a subsystem that it cannot have, as
// it cannot have this one while the module is not loaded.
func TestExplain_tells_a_module_that_is_missing(t *testing.T) {
	lab.Enter(t)
	const none = 200 // NFNL_SUBSYS_COUNT is 13
	err := lab.Do("router", func() error {
		c, err := netlink.Dial(unix.NETLINK_NETFILTER)
		if err != nil {
			return err
		}
		defer c.Close()
		return c.Ask(netlink.Netfilter(none, getStats, unix.NLM_F_DUMP, unix.AF_UNSPEC, nil), func(netlink.Message) error { return nil })
	})
	if !errors.Is(explain(err), ErrMissing) {
		t.Errorf("the kernel says %v, which is told as %v", err, explain(err))
	}
}
