// SPDX-License-Identifier: Apache-2.0

// Package fw4 says what firewall4 is to be given for each door: its sets, and the rules that let the
// addresses in them through.
//
// It decides all that there is to decide and fills in every default; who hands the objects over, as
// OpenWrt's init script does, only passes them on.
//
// It is not meant for other programs.
package fw4
