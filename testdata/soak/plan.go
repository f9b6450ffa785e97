// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"math/rand/v2"
	"time"
)

// lane is somebody who does one thing after the other: a person, the strangers, the router's faults. The
// nth action of a lane depends on the seed, the lane and n alone, so that a seed repeats the plan however
// busy the machine is.
type lane struct {
	seed, number uint64
	n            uint64
}

// next returns the source of all that is random in the next action.
func (l *lane) next() *rand.Rand {
	l.n++
	return rand.New(rand.NewPCG(l.seed, l.number<<40|l.n))
}

// follow does actions, with a pause before each, until ctx ends.
func (l *lane) follow(ctx context.Context, least, most time.Duration, do func(*rand.Rand)) {
	for {
		r := l.next()
		if !pause(ctx, between(r, least, most)) {
			return
		}
		do(r)
	}
}

// entries does what a table holds: at random until ctx ends or, if each is to be done once, all of it in
// random order.
func entries[T weighted](ctx context.Context, l *lane, each bool, most time.Duration, table []T, do func(*rand.Rand, T)) {
	if !each {
		l.follow(ctx, most/8, most, func(r *rand.Rand) { do(r, draw(r, table)) })
		return
	}
	for _, i := range l.next().Perm(len(table)) {
		r := l.next()
		if !pause(ctx, between(r, 0, most/8)) {
			return
		}
		do(r, table[i])
	}
}

// between returns a random time.
func between(r *rand.Rand, least, most time.Duration) time.Duration {
	return least + time.Duration(r.Int64N(int64(most-least)+1))
}

// pause waits; ok is false if ctx ended.
func pause(ctx context.Context, long time.Duration) (ok bool) {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(long):
		return ctx.Err() == nil
	}
}

// weighted is what a table holds: how often an entry is drawn, in relation to the others.
type weighted interface{ share() int }

// draw picks an entry of a table.
func draw[T weighted](r *rand.Rand, table []T) T {
	sum := 0
	for _, x := range table {
		sum += x.share()
	}
	n := r.IntN(sum)
	for _, x := range table {
		if n -= x.share(); n < 0 {
			return x
		}
	}
	panic("a table without shares")
}
