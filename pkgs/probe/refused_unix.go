// SPDX-License-Identifier: Apache-2.0

//go:build unix

package probe

import (
	"errors"
	"syscall"
)

// isReset reports whether a connection was refused.
func isReset(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }
