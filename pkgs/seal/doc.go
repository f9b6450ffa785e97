// SPDX-License-Identifier: Apache-2.0

// Package seal makes and opens the sealed message "open this door", and tells its first use from a copy.
//
// It knows keys, bytes and stamps; it does not know ports, packets or what a door is.
package seal
