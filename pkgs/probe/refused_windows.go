// SPDX-License-Identifier: Apache-2.0

package probe

// isReset is always false: Windows asks three times before it reports a reset, and so after the knock
// what it was told before it. Here a door that refuses looks like one that is silent.
func isReset(error) bool { return false }
