// SPDX-License-Identifier: Apache-2.0

// Package command understands the command lines by which firewalls are opened: iptables, nft, ufw,
// firewall-cmd and their like, and as much of the shell as stands around them.
//
// It runs nothing and reads no files. What it does not understand completely it does not
// translate: a chain, a table, an address, a condition or a negation that was overlooked would open
// more than the command did.
//
// It is not meant for other programs.
package command
