// SPDX-License-Identifier: Apache-2.0

// Package store keeps what must survive a reboot in one small file.
//
// It replaces the file atomically and refuses a damaged one; it does not know what the values mean.
//
// It is not meant for other programs.
package store
