// SPDX-License-Identifier: Apache-2.0

// Package config turns a configuration text into ready values, or into the list of everything that is wrong with it.
//
// It knows every option, limit and default; it knows no sockets and no nftables.
//
// It is not meant for other programs.
package config
