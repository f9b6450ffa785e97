// SPDX-License-Identifier: Apache-2.0

// Package send turns a knock and a target into packets, with an ordinary user's rights.
//
// It runs on Linux, macOS, Windows, FreeBSD and Android and does not know the daemon.
package send
