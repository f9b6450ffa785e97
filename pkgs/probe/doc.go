// SPDX-License-Identifier: Apache-2.0

// Package probe says, by a door's own TCP port, whether the door opened.
//
// It compares what came back before a knock with what comes back after it, and says nothing but what
// follows from that. A connection that is accepted is closed at once, and nothing is sent over it.
package probe
