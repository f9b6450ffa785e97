// SPDX-License-Identifier: Apache-2.0

// Package daemon is what latchkeyd does with packets: it passes them to detectors, their requests through
// admit, grants to the firewall and events to the owner.
//
// It makes no system call of its own: what it needs of the kernel, its caller provides.
//
// It is not meant for other programs.
package daemon
