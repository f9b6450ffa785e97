// SPDX-License-Identifier: Apache-2.0

package seal

// KeySize is the length of a key in bytes.
const KeySize = 32

// Key is one client's secret.
type Key [KeySize]byte

// String hides the key, so that no log or error can show it.
func (Key) String() string { return "(key)" }
