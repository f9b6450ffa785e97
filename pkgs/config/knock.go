// SPDX-License-Identifier: Apache-2.0

package config

import (
	"github.com/latchkey/latchkey/pkgs/knock"
	"github.com/latchkey/latchkey/pkgs/seal"
)

// Knock returns what the detectors have to recognise. used tells which one-time sequences were
// used: of each list the first one that was not is taken, and a list that is used up is left out.
//
// Clients that are disabled or expired are in it. A knock of theirs is to be refused with that
// reason, not as that of a stranger. Disabled sequences are not: a sequence has no owner to tell.
func (c *Config) Knock(used func(once string) bool) knock.Config {
	k := knock.Config{
		STUNPort: c.Main.STUNPort,
		Ports:    c.Main.Ports,
		Ordered:  c.Ports,
		SPAPort:  c.Main.SPAPort,
	}
	var keys []seal.Key
	for i := range c.Clients {
		switch client := &c.Clients[i]; client.Kind {
		case knock.KindMessage:
			k.Clients = append(k.Clients, knock.Client{Name: client.Name})
			keys = append(keys, client.Key)
		case knock.KindFwknop:
			k.SPA = append(k.SPA, knock.SPAClient{Name: client.Name, Keys: client.SPA})
		}
	}
	if len(keys) > 0 {
		k.Ring = seal.NewRing(keys)
		k.Ring.MaxSkew = c.Main.MaxSkew
	}
	for i := range c.Sequences {
		if s, ok := c.Sequences[i].next(used); ok {
			k.Sequences = append(k.Sequences, s)
		}
	}
	return k
}

// next returns the sequence that is to be recognised now, if there is one.
func (s *Sequence) next(used func(once string) bool) (knock.Sequence, bool) {
	q := s.Sequence
	if !s.Enabled || len(s.Once) == 0 {
		return q, s.Enabled
	}
	for _, text := range s.Once {
		if !used(text) {
			q.Once, q.Steps = text, parseSteps(text)
			return q, true
		}
	}
	return q, false
}
