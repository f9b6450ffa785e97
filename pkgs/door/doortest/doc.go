// SPDX-License-Identifier: Apache-2.0

// Package doortest has what tests of doors need: a firewall in memory, and the one test body that
// every door.Firewall has to pass, this one and the kernel's alike.
//
// It is not meant for other programs.
package doortest
