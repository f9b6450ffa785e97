// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/latchkey/latchkey/pkgs/lab"
)

// soak is one run.
type soak struct {
	options
	ctx     context.Context // ends when there is no more sense in going on
	router  *router
	people  []*person
	unlucky *person
	model   *model
	events  *follower
	writes  *writes
	idle    usage
	begun   time.Time

	// stage is held for reading by who knocks or has a fault, and for writing by a checkpoint.
	stage   sync.RWMutex
	variant int // of the configuration; for the lane of faults

	journal // what happened
}

// soakFor runs a whole soak in the lab, and returns an error if something that must be true was not.
func soakFor(ctx context.Context, o options) error {
	s, err := newSoak(o)
	if err != nil {
		return err
	}
	defer s.close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s.ctx, s.end = ctx, cancel
	s.say("seed %d, for about %s; SEED=%d repeats the plan; the log is in %s", s.seed, s.long, s.seed, s.folder)
	err = s.live(ctx)
	if s.gave != nil {
		err = s.gave
	}
	s.summary(s.out, err)
	err = errors.Join(err, s.write(err))
	if v := s.violation; v != nil {
		s.explain(s.out)
		return fmt.Errorf("%s: violated (seed %d)", v.Invariant, s.seed)
	}
	return err
}

// newSoak makes hosts and files. The daemon does not run yet.
func newSoak(o options) (*soak, error) {
	var err error
	if o.folder, err = filepath.Abs(o.folder); err != nil {
		return nil, err
	}
	if o.programs, err = filepath.Abs(o.programs); err != nil {
		return nil, err
	}
	if err := errors.Join(os.RemoveAll(o.folder), os.MkdirAll(o.folder, 0o700)); err != nil {
		return nil, err
	}
	s := &soak{options: o, model: newModel(), begun: time.Now(), journal: newJournal()}
	if s.log, err = os.Create(filepath.Join(o.folder, "actions.log")); err != nil {
		return nil, err
	}
	if s.router, err = newRouter(o); err != nil {
		return nil, err
	}
	for i, name := range append(names, unlucky) {
		p := &person{number: i, name: name, home: filepath.Join(o.folder, name), keys: newKeys()}
		if err := p.join(i); err != nil {
			return nil, err
		}
		s.people = append(s.people, p)
	}
	s.unlucky = s.people[len(names)]
	s.people = s.people[:len(names)]
	if err := s.router.configure(s.configuration()); err != nil {
		return nil, err
	}
	for _, p := range s.people {
		if err := p.prepare(s); err != nil {
			return nil, err
		}
	}
	s.events = newFollower(s.router, func(gap string) { s.violated("no event is lost", "%s", gap) })
	if s.writes, err = countWrites(s.router.flash, "state"); err != nil {
		return nil, err
	}
	return s, errors.Join(serve(), lab.Output(lab.Verb("firewall")))
}

// close ends the daemon, if it still runs, and frees what newSoak made.
func (s *soak) close() {
	s.router.close()
	s.log.Close()
}

// client is the program that knocks.
func (s *soak) client() string { return filepath.Join(s.programs, "latchkey") }

// live is the whole of a run.
func (s *soak) live(ctx context.Context) error {
	var helpers sync.WaitGroup
	defer helpers.Wait()
	watching, enough := context.WithCancel(ctx)
	defer enough()
	helpers.Go(func() { s.events.follow(watching) })
	if err := s.rest(); err != nil {
		return err
	}
	helpers.Go(func() { s.guard(watching) })
	helpers.Go(func() { s.progress(watching) })

	s.begun = time.Now()
	s.busy(ctx)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	s.checkpoint((&lane{seed: s.seed, number: 5}).next())
	enough()
	helpers.Wait() // the end of the daemon is none by itself
	s.lastWords()
	return ctx.Err()
}

// busy lets everybody do what they do until the time is over or, if each entry of the tables is to be done
// once, that is.
func (s *soak) busy(ctx context.Context) {
	living, over := context.WithCancel(ctx)
	defer over()
	if !s.each {
		defer time.AfterFunc(s.long, over).Stop()
	}
	var against, lanes sync.WaitGroup
	for _, lane := range []func(context.Context){s.strangers, s.suffering, s.misbehave} {
		against.Go(func() { lane(living) })
	}
	for _, p := range s.people {
		lanes.Go(func() { p.life(living, s) })
	}
	lanes.Go(func() { s.checkpoints(living) })
	against.Wait()
	over()
	lanes.Wait()
}

// mostBetween is how much time is between checkpoints at the most.
const mostBetween = 30 * time.Second

func (s *soak) checkpoints(ctx context.Context) {
	l := &lane{seed: s.seed, number: 4}
	every := min(mostBetween, s.long/3)
	for pause(ctx, every) {
		s.checkpoint(l.next())
	}
}

// fresh sees how many goroutines and threads a daemon has that has done nothing yet, but for telling one
// follower of its start.
func (s *soak) fresh() error {
	begin := time.Now()
	if err := s.router.start(); err != nil {
		return err
	}
	if err := s.told("started", begin); err != nil {
		return err
	}
	s.recovered("start")
	s.idle.Threads = threads(s.router.pid())
	var err error
	s.idle.Goroutines, err = s.router.goroutines()
	return err
}

// rest lets people knock once in each way over each family, which also shows that all the programs work,
// and then sees what else the daemon uses at rest.
func (s *soak) rest() error {
	if err := errors.Join(s.fresh(), s.router.start()); err != nil {
		return err
	}
	s.recovered("start")
	var plan []*visit
	l := &lane{seed: s.seed, number: 6}
	for _, six := range []bool{false, true} {
		for _, k := range kinds {
			if !six || !k.fourOnly {
				plan = append(plan, s.people[len(plan)%len(s.people)].planOf(s, l.next(), k, six))
			}
		}
	}
	var visits sync.WaitGroup
	for i := range s.people {
		visits.Go(func() {
			for n := i; n < len(plan) && s.ctx.Err() == nil; n += len(s.people) {
				then := leaveIt
				if n == i { // the first ones also show what can be done with an open door
					then = []int{renewIt, closeIt, watchIt, leaveIt}[i]
				}
				plan[n].goThrough(then)
			}
		})
	}
	visits.Wait()
	if s.ctx.Err() != nil {
		return s.ctx.Err()
	}
	for range 10 { // the most that is seen within a second, when nobody calls
		s.idle.Descriptors = max(s.idle.Descriptors, len(descriptors(s.router.pid())))
		s.idle.Resident = max(s.idle.Resident, lab.MemoryOf(s.router.pid()).Resident)
		pause(s.ctx, 100*time.Millisecond)
	}
	s.say("at rest: %d kB resident, %d descriptors, %d threads, %d goroutines", s.idle.Resident, s.idle.Descriptors, s.idle.Threads, s.idle.Goroutines)
	s.worst = s.idle
	s.endAndCount()
	if err := s.router.start(); err != nil {
		return err
	}
	s.recovered("start")
	return nil
}
