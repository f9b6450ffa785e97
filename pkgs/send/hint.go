// SPDX-License-Identifier: Apache-2.0

package send

import (
	"errors"
	"fmt"
)

// hinted is an error that the user can do something about.
type hinted struct {
	error
	hint string
}

func (h hinted) Unwrap() error { return h.error }

func withHint(err error, format string, args ...any) error {
	return hinted{err, fmt.Sprintf(format, args...)}
}

// Hint returns what the user can do about an error of this package, "" if it does not say.
func Hint(err error) string {
	var h hinted
	if errors.As(err, &h) {
		return h.hint
	}
	return ""
}
