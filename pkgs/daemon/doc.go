// SPDX-License-Identifier: Apache-2.0

// Package daemon is the order of things in the router: packets go to detectors, requests through
// admit, grants to the firewall and events to the owner.
//
// It makes no system call of its own: what it needs of the kernel it is given.
package daemon
