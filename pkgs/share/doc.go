// SPDX-License-Identifier: Apache-2.0

// Package share makes the link of a client of a router's configuration, and tells what is doubtful about it.
//
// It is the only maker of links. It looks nothing up: what the router's interfaces and other configurations
// say is in the section main by then.
package share
