// SPDX-License-Identifier: Apache-2.0

package send

import (
	"net/netip"
	"syscall"
)

// begin does nothing: package net sends the SYN next. Windows has no connect without waiting that
// package net would not do itself.
func begin(syscall.RawConn, netip.AddrPort) (gone bool, err error) { return false, nil }
