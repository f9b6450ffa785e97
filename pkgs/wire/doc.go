// SPDX-License-Identifier: Apache-2.0

// Package wire turns IPv4, IPv6, TCP, UDP, ICMP and STUN headers into values and values into bytes.
//
// It opens no sockets, knows no knocks and allocates nothing while decoding.
package wire
