// SPDX-License-Identifier: Apache-2.0

// Package knockdconf translates the configuration of knockd (knockd.conf) to Latchkey's.
//
// Sequences become sequences, and the usual commands that open a port (iptables, nft, ufw) become
// doors. It runs nothing and opens no files. What has no counterpart is kept as a comment, so that
// nothing gets lost without a word.
package knockdconf
