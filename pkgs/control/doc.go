// SPDX-License-Identifier: Apache-2.0

// Package control defines the JSON-lines protocol of the daemon's unix socket.
//
// It carries requests and answers; it does not know how answers are made.
package control
