// SPDX-License-Identifier: Apache-2.0

// Package link reads and writes the link that gives a client all it needs to knock.
//
// It knows the text form only; it sends nothing.
package link
