// SPDX-License-Identifier: Apache-2.0

// Package share makes the link of a client of a router's configuration, and warns of what may be wrong with it.
//
// It is the only maker of links. It looks nothing up: what the router's interfaces and other configurations
// say is in the section main by then.
//
// It is not meant for other programs.
package share
