// SPDX-License-Identifier: Apache-2.0

// Package capture reads packets from network devices, capture files and firewall logs.
//
// It knows AF_PACKET, classic BPF and devices that come and go; it does not know what a knock means.
package capture
