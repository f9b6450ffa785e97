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

// Renew is New for a configuration that differs from the one that old was made for only in that other
// one-time sequences are due. What is remembered of senders stays, but for those of sequences that
// changed; where a list is used up, or a sequence is longer than all before, no sequence remembers any.
func Renew(old []Detector, cfg Config, now time.Time) []Detector {
	var list []Detector
	renewed := false
	for _, d := range old {
		if s, is := d.(*sequences); is {
			if renewed = s.renew(cfg.Sequences); !renewed {
				continue
			}
		}
		list = append(list, d)
	}
	if !renewed {
		if d := newSequences(cfg, now); d != nil {
			list = append(list, d)
		}
	}
	return list
}

// Expire finds the attempts that nothing was heard of for so long that they are over, and has them
// reported. Whoever has them followed calls it once in a while.
func Expire(list []Detector, now time.Time, emit func(Finding)) { expire(list, now, false, emit) }

// End is Expire for the moment after which nothing comes any more.
func End(list []Detector, now time.Time, emit func(Finding)) { expire(list, now, true, emit) }

func expire(list []Detector, now time.Time, all bool, emit func(Finding)) {
	for _, d := range list {
		if s, is := d.(*sequences); is && s.trails != nil {
			s.trails.expire(now, all, emit)
		}
	}
}
