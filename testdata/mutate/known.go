// SPDX-License-Identifier: Apache-2.0

package main

// known are mutants that no test can notice, because they change nothing, by what they are, and why.
var known = map[string]string{
	"pkgs/seal/stamps.go: <= for < in age < 0 | if -twinWindow < age && age < 0 {":                                         "an age of 0 is set to 0",
	"pkgs/seal/stamps.go: one more than 0 | if -twinWindow < age && age < 0 {":                                             "it is set to 0, or is 0 or 1 ns",
	"pkgs/seal/stamps.go: one more than 0 | age = 0 // two devices' packets are not handled in the order of their arrival": "a nanosecond",
	"pkgs/seal/spans.go: one more than 1 | return -1":                                                                      "only its sign counts",
	"pkgs/seal/spans.go: one more than 1 | return 1":                                                                       "only its sign counts",
	"pkgs/seal/spans.go: <= for < in old.Last < first | if old.Last < first && first-old.Last > 1 {":                       "equal numbers are not more than 1 apart",
	"pkgs/seal/spans.go: swap s and l[to] | s = join(s, l[to])":                                                            "the range that holds both is the same",
	"pkgs/seal/spans.go: swap l[near] and l[near+1] | l = slices.Replace(l, near, near+2, join(l[near], l[near+1]))":       "the range that holds both is the same",
	"pkgs/seal/spans.go: one more than 0 | n := 0":                                                                         "one range is not joined, and those behind it end above it",
}
