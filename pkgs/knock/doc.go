// SPDX-License-Identifier: Apache-2.0

// Package knock recognises knocks in a stream of packets, one file for each kind of knock.
//
// A detector recognises; it never authorises. The package reads no clock (time is an argument),
// starts no goroutine, knows no configuration text and no firewall, and its memory is bounded.
package knock
