// SPDX-License-Identifier: Apache-2.0

package daemon

// Devices returns of how many devices something is remembered, which must not grow with every reload.
func Devices(d *Daemon) int { return len(d.devices) }
