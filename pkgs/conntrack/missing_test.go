// SPDX-License-Identifier: Apache-2.0

package conntrack

import (
	"errors"
	"testing"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/lab"
	"github.com/latchkey/latchkey/pkgs/nfnetlink"
)

// TestExplain_tells_a_module_that_is_missing asks the kernel for a subsystem that it cannot have, as
// it cannot have this one while the module is not loaded.
func TestExplain_tells_a_module_that_is_missing(t *testing.T) {
	lab.Enter(t)
	const none = 200 // NFNL_SUBSYS_COUNT is 13
	err := lab.Do("router", func() error {
		c, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
		if err != nil {
			return err
		}
		defer c.Close()
		_, err = c.Execute(nfnetlink.Message(none, getStats, netlink.Dump, unix.AF_UNSPEC, nil))
		return err
	})
	if !errors.Is(explain(err), ErrMissing) {
		t.Errorf("the kernel says %v, which is told as %v", err, explain(err))
	}
}
