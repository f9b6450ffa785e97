// SPDX-License-Identifier: Apache-2.0

// Package conntrack ends sessions that a firewall let in, in the kernel's table of connections.
//
// It is not meant for other programs.
package conntrack
