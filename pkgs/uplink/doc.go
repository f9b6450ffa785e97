// SPDX-License-Identifier: Apache-2.0

// Package uplink reads what a router's other configurations say: where it faces the Internet, which ports receive what
// comes from there, and what makes its firewall silent.
//
// The init script, the plugin of rpcd and the first start ask it by way of latchkeyd, so that none of them has rules
// of its own. LuCI, which answers while somebody types and looks, has the same in reach.js, ports.js and stealth.js; the
// tables in testdata/uplink are read by the tests of both.
//
// It is not meant for other programs.
package uplink
