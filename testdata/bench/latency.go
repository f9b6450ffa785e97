// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// probe is the time between SYNs to the door, far below every latency.
const probe = 20 * time.Microsecond

func (r *rig) printLatency(c *candidate, h *household, n int) error {
	collect()
	next, err := c.prepare(r, h, n+warmUps)
	if err != nil {
		return err
	}
	daemon, err := r.begin(c, h)
	if err != nil {
		return err
	}
	defer daemon.stop()
	var all []time.Duration
	err = r.onPhone(func(p *phone) error {
		if err := p.warmUp(r, c.knock, next); err != nil {
			return errors.Join(err, daemon.logEnd())
		}
		for range n {
			time.Sleep(p.between(0, 200*time.Millisecond))
			from := r.sender()
			spin := probe
			if c.durable {
				spin = 0
			}
			opened, err := p.play([]*press{p.newPress(c.knock, next(from), from, 0)}, probe, spin)
			if err != nil {
				return err
			}
			all = append(all, opened...)
		}
		return nil
	})
	slices.Sort(all)
	if len(all) > 0 {
		fmt.Printf("%s %s: %d/%d, p50 %s p90 %s\n", c.name, c.kind, len(all), n, all[len(all)/2], all[len(all)*9/10])
	}
	return err
}
