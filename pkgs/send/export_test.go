// SPDX-License-Identifier: Apache-2.0

package send

// Echo is one ICMP step, for a test that takes rights from one thread.
var Echo = echo
