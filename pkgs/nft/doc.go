// SPDX-License-Identifier: Apache-2.0

// Package nft keeps the nftables sets that are the doors.
//
// It adds and deletes set elements with a timeout; it writes no rule, decides nothing and knows no knocks.
//
// It is not meant for other programs.
package nft
