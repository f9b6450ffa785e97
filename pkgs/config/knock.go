// SPDX-License-Identifier: Apache-2.0

package config

import (
	"github.com/latchkey/latchkey/pkgs/knock"
	"github.com/latchkey/latchkey/pkgs/seal"
)

// Knock returns what the detectors have to recognise. used reports which one-time sequences were
// used: of each list the first one that was not is taken, and a list that is used up is left out.
//
// Clients that are disabled or expired are in it. A knock of theirs is to be refused with that
// reason, not as that of a stranger. Disabled sequences are not: a sequence has no owner who would learn of it.
func (c *Config) Knock(used func(once string) bool) knock.Config {
	k := knock.Config{
		STUNPorts: c.Main.STUNPorts,
		Ports:     c.Main.Ports,
		Ordered:   c.Ports,
		SPAPort:   c.Main.SPAPort,
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
		if s, ok := c.Sequences[i].Due(used); ok {
			k.Sequences = append(k.Sequences, s)
		}
	}
	return k
}

// All returns the sequence as if it were enabled, of a one-time list all.
func (s *Sequence) All() []knock.Sequence {
	if len(s.Once) == 0 {
		return []knock.Sequence{s.Sequence}
	}
	list := make([]knock.Sequence, len(s.Once))
	for i, text := range s.Once {
		list[i] = s.once(text)
	}
	return list
}

// once returns one of the one-time sequences.
func (s *Sequence) once(text string) knock.Sequence {
	q := s.Sequence
	q.Once, q.Steps = text, parseSteps(text)
	return q
}

// Due returns the sequence that is to be recognised now, if there is one.
func (s *Sequence) Due(used func(once string) bool) (knock.Sequence, bool) {
	if !s.Enabled || len(s.Once) == 0 {
		return s.Sequence, s.Enabled
	}
	for _, text := range s.Once {
		if !used(text) {
			return s.once(text), true
		}
	}
	return s.Sequence, false
}
