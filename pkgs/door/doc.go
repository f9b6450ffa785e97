// SPDX-License-Identifier: Apache-2.0

// Package door keeps who may use which door until when.
//
// It knows limits, refresh and expiry; it does not know nftables or packets.
//
// It is not meant for other programs.
package door
