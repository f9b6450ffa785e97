// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"github.com/latchkey/latchkey/pkgs/seal"
)

// person has a host on the internet and may open every door.
type person struct {
	number int
	name   string
	home   string
	keys   keys
	sent   seal.Sent // by the browser
	four   []netip.Addr
	six    []netip.Addr
	turn   int // of the addresses

	// Of the one-time sequences, the one that is due is from due to maybeDue; lists were used up before.
	due, maybeDue, lists int
}

var names = []string{"ann", "bob", "cleo", "dora"}

// unlucky is the name of who knocks only when it cannot open.
const unlucky = "erin"

// plan draws a visit.
func (p *person) plan(s *soak, r *rand.Rand) *visit {
	k := draw(r, kinds)
	for k.ways[0] == byOnce && p.maybeDue >= onceSize {
		k = draw(r, kinds) // the list is used up: see newLists
	}
	return p.planOf(s, r, k, r.IntN(2) == 1 && !k.fourOnly)
}

func (p *person) planOf(s *soak, r *rand.Rand, k kind, six bool) *visit {
	v := &visit{soak: s, person: p, kind: k, six: six}
	v.service = services[r.IntN(len(services))]
	for k.doors != nil && !slices.Contains(k.doors, v.service.name) {
		v.service = services[r.IntN(len(services))]
	}
	p.turn = (p.turn + 1) % addresses
	v.turn = p.turn
	v.from = []netip.Addr{p.four[v.turn], p.six[v.turn]}
	if v.six {
		slices.Reverse(v.from)
	}
	return v
}

// newLists gives those who have used up their one-time sequences new ones. Nobody may knock meanwhile.
func (s *soak) newLists() {
	fresh := false
	for _, p := range s.people {
		if p.maybeDue >= onceSize {
			p.due, p.maybeDue, fresh = 0, 0, true
			p.lists++
		}
	}
	if !fresh {
		return
	}
	begin := time.Now()
	if err := errors.Join(reloadGood(s, nil), s.told("reload", begin)); err != nil {
		s.give(err)
	}
}

// life is a person's lane.
func (p *person) life(ctx context.Context, s *soak) {
	l := &lane{seed: s.seed, number: uint64(10 + p.number)}
	l.follow(ctx, 200*time.Millisecond, 2*time.Second, func(r *rand.Rand) {
		s.stage.RLock()
		defer s.stage.RUnlock()
		if ctx.Err() == nil {
			p.visit(s, r)
		}
	})
}
