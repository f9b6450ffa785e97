// SPDX-License-Identifier: Apache-2.0

package main

// known are mutants that no test can notice, because they change nothing, by what they are, and why.
var known = map[string]string{
	"pkgs/seal/stamps.go: <= for < in age < 0": "an age of 0 is set to 0",
	"pkgs/seal/stamps.go: one more than 0":     "an age is less than a nanosecond, or 0, for all that a clock can tell",
}
