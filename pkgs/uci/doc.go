// SPDX-License-Identifier: Apache-2.0

// Package uci reads the text grammar of OpenWrt's UCI configuration files, with line numbers.
//
// It writes nothing and knows no option of ours.
package uci
