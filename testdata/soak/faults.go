// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/lab"
)

// fault is something that happens to the router and is over when do returns.
type fault struct {
	name   string
	weight int
	shuts  []string // ways that it may shut out until the router has recovered
	tells  []string // kinds of events that the owner must be told
	harm   harm
	do     func(s *soak, r *rand.Rand) error
}

func (f fault) share() int { return f.weight }

// harm is what a fault may do to what was right before it.
type harm int

const (
	endsGrants  harm = 1 << iota // early
	losesEvents                  // of the seconds before it
	endsDaemon
	delaysKnocks
)

// halfway are the ways that take several packets: a daemon that makes new detectors forgets those
// that it has.
var halfway = []string{bySequence, byOnce, byPorts}

var faults = []fault{
	{"configuration reloaded", 3, halfway, []string{"reload"}, 0, reloadGood},
	{"configuration refused", 3, halfway, []string{"trouble", "reload"}, 0, reloadBad},
	{"firewall reloaded", 3, nil, nil, 0, firewallReload},
	{"firewall restarted", 2, everyWay, nil, endsGrants, firewallRestart},
	{"somebody else's elements in a set", 1, nil, nil, 0, foreignElements},
	{"device down", 1, everyWay, []string{"link"}, 0, deviceDown},
	{"device gone", 1, everyWay, []string{"link"}, 0, deviceGone},
	{"SIGKILL", 1, everyWay, []string{"started"}, endsGrants | losesEvents | endsDaemon, killed},
	{"SIGQUIT", 1, everyWay, []string{"started"}, endsGrants | losesEvents | endsDaemon, dumped},
	{"SIGTERM", 1, everyWay, []string{"started"}, endsGrants | endsDaemon, stopped},
	{"SIGSTOP", 2, everyWay, nil, delaysKnocks, halted},
	{"flash full", 2, []string{byOnce, bySTUN, byPorts, byFwknop}, nil, 0, flashFull},
}

// recoverWithin is how long the router may take until it serves its doors again.
const recoverWithin = 90 * time.Second

// suffering is the lane of the faults.
func (s *soak) suffering(ctx context.Context) {
	entries(ctx, &lane{seed: s.seed, number: 2}, s.each, 6*time.Second, faults, func(r *rand.Rand, f fault) {
		s.stage.RLock()
		defer s.stage.RUnlock()
		if ctx.Err() == nil && (f.harm&endsDaemon == 0 || !s.calm()) {
			s.suffer(f, r)
		}
	})
}

// suffer lets a fault happen and waits until the router has recovered from it.
func (s *soak) suffer(f fault, r *rand.Rand) {
	s.note("fault: " + f.name)
	begin := time.Now()
	t := s.model.begin(f.name, f.harm, f.shuts)
	defer s.model.finish(t)
	err := f.do(s, r)
	s.model.count(func(c *counts) { c.Faults++ })
	s.did("fault: " + f.name)
	if err != nil {
		if s.ctx.Err() == nil {
			s.give(fmt.Errorf("%s: %w", f.name, err))
		}
		return
	}
	s.recovered(f.name)
	for _, kind := range f.tells {
		if !s.events.await(s.ctx, begin, toldWithin, func(e control.Event) bool { return e.Kind == kind }) {
			s.violated("no event is lost", "%s: the daemon told no event %q", f.name, kind)
			return
		}
		s.held("no event is lost")
	}
	s.note("fault: " + f.name + ": over")
}

// recovered waits until the router serves its doors, which must not take long.
func (s *soak) recovered(what string) {
	const invariant = "the router recovers by itself"
	ill := "?"
	for deadline := time.Now().Add(recoverWithin); ; {
		if ill = s.router.ill(); ill == "" {
			s.held(invariant)
			return
		}
		if !pause(s.ctx, 100*time.Millisecond) {
			return
		}
		if time.Now().After(deadline) {
			s.violated(invariant, "%s: %s later it still does not serve its doors: %s", what, recoverWithin, ill)
			return
		}
	}
}

func reloadGood(s *soak, r *rand.Rand) error {
	s.variant++
	return errors.Join(s.router.configure(s.configuration()), s.router.signal(unix.SIGHUP))
}

// reloadBad gives the daemon a configuration with an error: it says so, and keeps the one that it has.
func reloadBad(s *soak, r *rand.Rand) error {
	good := s.configuration()
	bad := []string{
		good + "config door 'bad'\n\toption port '70000'\n",
		good[:len(good)/2],
		good + "config client 'bad'\n\toption key 'AAAA'\n",
		"",
		string([]byte{0, 1, 2, '\n'}),
	}[r.IntN(5)]
	if err := errors.Join(s.router.configure(bad), s.router.signal(unix.SIGHUP)); err != nil {
		return err
	}
	refused := func() bool {
		now, err := s.router.status()
		return err == nil && now.Problem != ""
	}
	for deadline := time.Now().Add(recoverWithin); !refused(); {
		if !pause(s.ctx, 50*time.Millisecond) {
			break
		}
		if time.Now().After(deadline) {
			s.violated("a bad configuration is refused", "status says no problem %s after SIGHUP", recoverWithin)
			break
		}
	}
	s.held("a bad configuration is refused")
	return errors.Join(s.router.configure(good), s.router.signal(unix.SIGHUP))
}

func firewallReload(s *soak, r *rand.Rand) error {
	for range 1 + r.IntN(5) {
		if err := lab.Output(lab.Verb("firewall")); err != nil {
			return err
		}
		pause(s.ctx, between(r, 0, 200*time.Millisecond))
	}
	return nil
}

// firewallRestart is what `fw4 restart` does: for a moment there is no table.
func firewallRestart(s *soak, r *rand.Rand) error {
	for range 1 + r.IntN(3) {
		if err := lab.Output(lab.On("router", "nft", "delete table inet fw4")); err != nil {
			return err
		}
		pause(s.ctx, between(r, 0, 1500*time.Millisecond))
		if err := lab.Output(lab.Verb("firewall")); err != nil {
			return err
		}
		pause(s.ctx, between(r, 0, 500*time.Millisecond))
	}
	return nil
}

// foreign are addresses that somebody else puts into the sets. The daemon takes them out.
var foreign = netip.MustParsePrefix("198.51.100.0/24")

func foreignElements(s *soak, r *rand.Rand) error {
	u := use{services[r.IntN(len(services))].name, netip.AddrFrom4([4]byte{198, 51, 100, byte(1 + r.IntN(254))})}
	s.model.ask(u)
	err := lab.Output(lab.On("router", "nft", fmt.Sprintf("add element inet fw4 latchkey1_%s_4 { %s }", u.door, u.address)))
	s.model.allow(u, time.Now().Add(late))
	return err
}

func deviceDown(s *soak, r *rand.Rand) error {
	begin := time.Now()
	err := lab.Output(lab.On("router", "ip", "link", "set", "wan", "down"))
	pause(s.ctx, between(r, 0, 2*time.Second))
	return errors.Join(err, s.told("link", begin),
		lab.Output(lab.On("router", "ip", "link", "set", "wan", "up")),
		lab.Output(lab.On("router", "ip", "addr", "replace", router6.String()+"/64", "dev", "wan"))) // IPv6 goes with the link
}

func deviceGone(s *soak, r *rand.Rand) error {
	begin := time.Now()
	err := lab.Output(lab.On("router", "ip", "link", "del", "wan"))
	pause(s.ctx, between(r, 0, 2*time.Second))
	return errors.Join(err, s.told("link", begin), lab.Output(lab.Verb("wan")))
}

// told waits until the daemon has told of something, so that undoing it is news, too.
func (s *soak) told(kind string, since time.Time) error {
	if !s.events.await(s.ctx, since, toldWithin, func(e control.Event) bool { return e.Kind == kind }) && s.ctx.Err() == nil {
		return fmt.Errorf("the daemon told no event %q within %s", kind, toldWithin)
	}
	return nil
}

func killed(s *soak, _ *rand.Rand) error {
	return errors.Join(s.router.end(unix.SIGKILL), s.router.start())
}

// stopped ends the daemon as its init script does: it leaves no door open.
func stopped(s *soak, _ *rand.Rand) error {
	if err := s.router.end(unix.SIGTERM); err != nil {
		return err
	}
	list, err := elements(s.ctx)
	list = slices.DeleteFunc(list, func(e element) bool { return foreign.Contains(e.address) })
	if len(list) > 0 {
		s.violated("a daemon that is stopped leaves no door open", "these are: %v", list)
	}
	s.held("a daemon that is stopped leaves no door open")
	return errors.Join(err, s.router.start())
}

// dumped ends the daemon by SIGQUIT, which lists its goroutines into its log.
func dumped(s *soak, _ *rand.Rand) error {
	n, err := s.router.goroutines()
	// Each caller has three, and there may be as many as are let in: checkpoints know better.
	s.judgeGoroutines(n, s.idle.Goroutines+moreGoroutines+3*control.MaxCallers)
	return errors.Join(err, s.router.start())
}

// goroutines ends the daemon and returns how many it had.
func (r *router) goroutines() (n int, err error) {
	before, err := r.log.Seek(0, 2)
	if err != nil {
		return 0, err
	}
	if err := r.end(unix.SIGQUIT); err != nil {
		return 0, err
	}
	text, err := os.ReadFile(r.log.Name())
	if err != nil {
		return 0, err
	}
	return bytes.Count(text[min(int(before), len(text)):], []byte("\ngoroutine ")), nil
}

func halted(s *soak, r *rand.Rand) error {
	err := s.router.signal(unix.SIGSTOP)
	pause(s.ctx, between(r, 500*time.Millisecond, 5*time.Second))
	return errors.Join(err, s.router.signal(unix.SIGCONT))
}

// flashFull fills the file system of the state until the owner was told that somebody knocked in vain: what
// cannot be remembered opens nothing.
func flashFull(s *soak, r *rand.Rand) error {
	path := filepath.Join(s.router.flash, "filler")
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if !errors.Is(err, unix.ENOSPC) {
		return errors.Join(err, f.Close())
	}
	v := s.unlucky.planOf(s, r, kind{name: "message while the flash is full"}, false)
	if err := v.inVain("memory"); err != nil {
		s.violated("no event is lost", "flash full: %v", err)
	}
	pause(s.ctx, between(r, 0, 3*time.Second))
	return errors.Join(f.Close(), os.Remove(path))
}
