// SPDX-License-Identifier: Apache-2.0

// Package conntrack ends sessions, by what the kernel remembers of them.
package conntrack
