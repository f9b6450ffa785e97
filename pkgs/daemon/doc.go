// SPDX-License-Identifier: Apache-2.0

// Package daemon does the router's work in its order: packets go to detectors, requests through admit,
// grants to the firewall and events to the owner.
//
// It makes no system call of its own: what it needs of the kernel it is given.
//
// It is not meant for other programs.
package daemon
