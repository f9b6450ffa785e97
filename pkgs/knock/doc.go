// SPDX-License-Identifier: Apache-2.0

// Package knock recognises knocks in a stream of packets, one file for each kind of knock.
//
// A detector recognises; it never authorises. The package reads no clock (time is an argument),
// starts no goroutine, knows no configuration text and no firewall, and its memory is bounded.
//
// # A new kind of knock
//
// It is one file with a Detector, and one line in the table of kinds that New goes through.
//
// # Floods
//
// Whatever arrives, a detector's memory stays what New made it, and a packet that ends no knock
// allocates nothing. Three things are bounded, each beside its constant:
//   - State per sender lies in tables of fixed size, 2.5 MB in all if every kind is in use and a
//     flood has touched every entry. Forged first packets cannot push out a sender that is further
//     on than they are, and nobody fills a table for good. First steps of sequences, which a flood can
//     send most of, take so little room that half a second of 250 000 a second fits.
//   - Work: HMACs are computed for so many packets per second and no more, as many as the machine does
//     in a tenth to a fifth of its time, and one sender may use a quarter of them. Some are kept for
//     what is likely to be genuine: messages with an expected hint, and senders where a client was heard
//     last. What cannot be genuine the kernel's filter drops, as far as it can tell.
//   - Words: refusals that anybody can cause are reported once a second.
package knock
