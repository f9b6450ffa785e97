// SPDX-License-Identifier: Apache-2.0

// Package capture reads packets from network devices, capture files and firewall logs.
//
// It knows AF_PACKET, classic BPF and devices that come and go; it does not know what a knock means.
//
// [Live] listens on devices and hands over raw packets that passed a kernel filter. [ReadFile]
// replays a file of packets (pcap, pcapng) or of log lines that the firewall wrote.
//
// It is not meant for other programs.
package capture
