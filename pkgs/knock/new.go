// SPDX-License-Identifier: Apache-2.0

package knock

import "time"

// kinds is every kind of knock that there is: one line and one file each. A kind that the
// configuration does not use has no detector.
var kinds = [...]func(Config, time.Time) Detector{
	newSequences,
	newMessages,
	newFwknop,
}

// New makes the detectors for a configuration. now is any time not later than that of the first
// packet.
func New(cfg Config, now time.Time) []Detector {
	var list []Detector
	for _, kind := range kinds {
		if d := kind(cfg, now); d != nil {
			list = append(list, d)
		}
	}
	return list
}

// Renew is New for a configuration that differs in its sequences only from the one that old was
// made for: the other detectors stay, with all that they remember of senders.
func Renew(old []Detector, cfg Config, now time.Time) []Detector {
	var list []Detector
	for _, d := range old {
		if _, is := d.(*sequences); !is {
			list = append(list, d)
		}
	}
	if d := newSequences(cfg, now); d != nil {
		list = append(list, d)
	}
	return list
}
