// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"slices"
	"strings"
	"time"

	"github.com/latchkey/latchkey/pkgs/config"
	"github.com/latchkey/latchkey/pkgs/door"
	"github.com/latchkey/latchkey/pkgs/knock"
	"github.com/latchkey/latchkey/pkgs/seal"
	"github.com/latchkey/latchkey/pkgs/wire"
)

// policy is one configuration, indexed for admit, with the detectors made for it.
type policy struct {
	cfg       *config.Config
	open      []door.Door // the enabled doors
	doors     map[string]*config.Door
	clients   map[string]*config.Client
	sequences map[string]*config.Sequence

	longest time.Duration // that any grant may last

	warnings config.Problems // that do not keep the configuration from being used

	ring      *seal.Ring     // nil = no client sends messages
	members   []knock.Client // whose keys are in the ring
	detectors []knock.Detector
	inside    []knock.Detector // of knocks that open nothing
	onceUsed  int              // how many one-time sequences were used when the detectors were made
	outdated  bool             // a one-time sequence was used: the next one is due

	follow     int   // see knock.Config
	speed      int   // see knock.Config
	unfollowed error // why attempts cannot be followed, nil if they can or nobody wants it
}

func newPolicy(cfg *config.Config, warnings config.Problems) *policy {
	p := &policy{
		cfg:       cfg,
		warnings:  warnings,
		doors:     map[string]*config.Door{},
		clients:   map[string]*config.Client{},
		sequences: map[string]*config.Sequence{},
	}
	for i := range cfg.Doors {
		c := &cfg.Doors[i]
		p.doors[c.Name] = c
		if c.Enabled {
			p.open = append(p.open, c.ForBook())
			p.longest = max(p.longest, c.MaxOpen)
		}
	}
	for i := range cfg.Clients {
		p.clients[cfg.Clients[i].Name] = &cfg.Clients[i]
	}
	for i := range cfg.Sequences {
		p.sequences[cfg.Sequences[i].Name] = &cfg.Sequences[i]
	}
	return p
}

// detect makes the detectors.
func (p *policy) detect(now time.Time, synced bool, used func(text string) bool) {
	k := p.recognise(used)
	p.ring, p.members = k.Ring, k.Clients
	p.advance(now, synced)
	p.detectors, p.inside = knock.New(k, now), knock.New(fromInside(k), now)
}

// remind gives the ring the last time that each client's clock said: while ours is not known to be right, its
// next message is expected after that.
func (p *policy) remind(now time.Time, synced bool, m Memory) {
	for i, c := range p.members {
		p.ring.Remind(now, i, m.Past(p.clients[c.Name].ID()).Newest())
	}
	p.advance(now, synced)
}

// renew makes the next sequence of a one-time list due. The other detectors stay as they are.
func (p *policy) renew(now time.Time, used func(text string) bool) {
	p.detectors = knock.Renew(p.detectors, p.recognise(used), now)
	p.outdated = false
}

// recognise says what the detectors have to recognise.
func (p *policy) recognise(used func(text string) bool) knock.Config {
	k := p.cfg.Knock(used)
	k.Follow, k.Speed = p.follow, p.speed
	return k
}

// oneTime returns the texts of all one-time sequences.
func (p *policy) oneTime() []string {
	var texts []string
	for _, s := range p.cfg.Sequences {
		texts = append(texts, s.Once...)
	}
	return texts
}

// clientIDs returns what the clients are called in the daemon's memory.
func (p *policy) clientIDs() []string {
	var ids []string
	for i := range p.cfg.Clients {
		ids = append(ids, p.cfg.Clients[i].ID())
	}
	return ids
}

// revoked says why a grant that was given under a former configuration is not given under this one;
// "" = it stays. What the owner opened himself stays as long as the door does.
func (p *policy) revoked(g *door.Grant) string {
	_, may := p.doors[g.Door]
	if name, is := strings.CutPrefix(g.Knock, sequencePrefix); is {
		s := p.sequences[name]
		if s == nil || !s.Enabled {
			return "the sequence was taken out of the configuration"
		}
		may = slices.Contains(s.Doors, g.Door)
	}
	if g.Client != "" {
		c := p.clients[g.Client]
		switch {
		case c == nil:
			return "the client was taken out of the configuration"
		case !c.Enabled:
			return "the client was switched off"
		}
		may = slices.Contains(c.Doors, g.Door)
	}
	if !may {
		return "the door was taken from the client"
	}
	return ""
}

// doorsOf is how many doors the holder of a grant may open, which is asked for.
func (p *policy) doorsOf(a door.Ask) int {
	if c := p.clients[a.Client]; c != nil {
		return len(c.Doors)
	}
	if name, is := strings.CutPrefix(a.Knock, sequencePrefix); is {
		return len(p.sequences[name].Doors)
	}
	return len(p.open)
}

// advance brings the hints up to date, and reports whether the filter has to follow.
func (p *policy) advance(now time.Time, synced bool) bool {
	return p.ring != nil && p.ring.Advance(now, synced)
}

// filter is what the detectors have to see.
func (p *policy) filter() wire.Filter { return filterOf(p.detectors) }

func filterOf(detectors []knock.Detector) wire.Filter {
	var f wire.Filter
	for _, d := range detectors {
		d.AddFilter(&f)
	}
	f.Normalize()
	return f
}

// doorsByTag finds the door that a message names among the doors of its client.
func (p *policy) doorsByTag(c *config.Client, tag seal.DoorTag) []string {
	if tag == (seal.DoorTag{}) {
		return c.Doors
	}
	i := slices.IndexFunc(c.Doors, func(name string) bool { return seal.Tag(name) == tag })
	if i < 0 {
		return nil
	}
	return c.Doors[i : i+1]
}
