// SPDX-License-Identifier: Apache-2.0

// Package pickup is what a router and a device share when the device picks up its link: a code that
// works once, the name under which the router offers the link, and the seal that only the code opens.
//
// SPEC.md, section 5, is normative. The code itself never travels.
package pickup
