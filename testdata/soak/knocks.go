// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/lab"
	"github.com/latchkey/latchkey/pkgs/seal"
	"github.com/latchkey/latchkey/testdata/traffic"
)

// kind is a kind of knock, as people send it.
type kind struct {
	name     string
	weight   int
	ways     []string // it opens if one of them is free
	doors    []string // nil = every door
	fourOnly bool     // no IPv6
	messages int      // at the most, that a press sends and that may each be a write to the state file
	client   string   // what the configuration appends to the person's name for its client
	press    func(v *visit) error
}

func (k kind) share() int { return k.weight }

var withSequence = []string{"web", "nas"}

var kinds = []kind{
	{"sequence by Debian's knock", 3, []string{bySequence}, withSequence, false, 0, "", (*visit).knockSequence},
	{"sequence by latchkey", 2, []string{bySequence}, withSequence, false, 0, "", (*visit).latchkeySequence},
	{"one-time sequence", 3, []string{byOnce}, []string{onceDoor}, false, 1, "", (*visit).knockOnce},
	{"message by STUN", 3, []string{bySTUN}, nil, false, 2, "", func(v *visit) error { return v.latchkey("--carrier", "stun") }},
	{"message by ports", 3, []string{byPorts}, nil, false, 2, "", func(v *visit) error { return v.latchkey("--carrier", "ports") }},
	{"message by both, without a look", 3, []string{bySTUN, byPorts}, nil, false, 2, "", func(v *visit) error { return v.latchkey("--no-probe") }},
	{"message over both families", 2, []string{bySTUN, byPorts}, nil, false, 8, "", (*visit).latchkeyTwice},
	{"message for another address", 2, []string{bySTUN, byPorts}, nil, false, 2, "", (*visit).latchkeyForAnother},
	{"message of a browser, and a thief", 3, []string{bySTUN}, nil, false, 1, "_browser", (*visit).browser},
	{"fwknop", 3, []string{byFwknop}, nil, true, 1, "_fwknop", (*visit).fwknop},
	ownersKind,
}

var ownersKind = kind{"the owner at the router", 1, []string{byControl}, nil, false, 0, "", (*visit).owner}

// pressWithin is how long a program may take to knock.
const pressWithin = time.Minute

// on runs a program on the person's host.
func (v *visit) on(name string, args ...string) error { return v.with(v.person.name, name, args...) }

// with runs a program on a host.
func (v *visit) with(host, name string, args ...string) error {
	ctx, stop := context.WithTimeout(v.soak.ctx, pressWithin)
	defer stop()
	c := lab.On(host, name, args...)
	cmd := exec.CommandContext(ctx, c.Path, c.Args[1:]...)
	cmd.Env = append(os.Environ(), "HOME="+v.person.home, "XDG_CONFIG_HOME="+v.person.home)
	return lab.Output(cmd)
}

// router is the router's address of the visit's family.
func (v *visit) router() string {
	if v.six {
		return router6.String()
	}
	return router4.String()
}

// family is the option of programs for it.
func (v *visit) family() string {
	if v.six {
		return "-6"
	}
	return "-4"
}

func (v *visit) knockSequence() error { return v.debianKnock(steps[v.service.name]) }

// knockOnce knocks with the entry that is due. After a fault it is not known which one that is: then each
// that may be is tried in turn.
func (v *visit) knockOnce() error {
	p := v.person
	v.entry = p.due + v.try%(p.maybeDue-p.due+1)
	return v.debianKnock(p.onceSteps(v.entry))
}

func (v *visit) debianKnock(list []string) error {
	args := []string{"-d", "60"}
	if v.six {
		args = append(args, "-6")
	}
	args = append(args, v.router())
	for _, step := range list {
		args = append(args, strings.Replace(step, "/", ":", 1))
	}
	return v.on("knock", args...)
}

func (v *visit) latchkeySequence() error {
	args := append([]string{"knock", v.router()}, steps[v.service.name]...)
	return v.on(v.soak.client(), append(args, "--gap", "60ms", v.family())...)
}

// latchkey sends a message over the visit's family. That the program sees no open door is no error here:
// the visit looks for itself.
func (v *visit) latchkey(options ...string) error {
	return v.latchkeyWith(append(options, v.family())...)
}

func (v *visit) latchkeyTwice() error { return v.latchkeyWith() }

func (v *visit) latchkeyForAnother() error {
	a := v.from[0]
	// It comes from the address before it.
	if err := v.person.comeFrom(v.person.four[before(v.turn)], v.person.six[before(v.turn)]); err != nil {
		return err
	}
	return v.latchkey("--address", a.String(), "--no-probe")
}

// before is the place of the address that was used before that of a turn.
func before(turn int) int { return (turn + addresses - 1) % addresses }

const seenClosed = 3 // exit code of latchkey: the knock went out, and the door gave no answer

func (v *visit) latchkeyWith(options ...string) error {
	if v.long && !slices.Contains(options, "--close") {
		options = append(options, "--for", "1m")
	}
	err := v.on(v.soak.client(), append([]string{"knock", "home", v.service.name}, options...)...)
	if exitCode(err) == seenClosed {
		return nil
	}
	return err
}

// browser sends a message as a browser does, with copies.
func (v *visit) browser() error {
	p := v.person
	stamp := p.sent.Press(time.Now(), 1).Starts[0]
	v.message = seal.Seal(p.keys.browser, seal.Body{Stamp: stamp, Door: seal.Tag(v.service.name)})
	return v.binding(p.name, v.from[0], 3)
}

// inVain knocks as a browser again and again until the owner is told that it was refused for a reason. The
// model is not told of it: if it opens a door, that is a violation.
func (v *visit) inVain(reason string) error {
	s := v.soak
	is := func(e control.Event) bool {
		return e.Kind == "refused" && e.Reason == reason && e.Address == v.from[0].String() && e.Client == v.person.name+"_browser"
	}
	begin := time.Now()
	for s.ctx.Err() == nil {
		s.model.count(func(c *counts) { c.Messages++ })
		if err := v.browser(); err != nil {
			return err
		}
		if s.events.await(s.ctx, begin, time.Second, is) {
			break
		}
		if time.Since(begin) > toldWithin {
			return fmt.Errorf("the daemon told nothing of a knock that it has to refuse (%s), within %s", reason, toldWithin)
		}
	}
	return nil
}

// steal lets a thief who listened send copies of a message that opened a door, over the same family of
// addresses: SECURITY.md says what is left of once. The model does not know him: if he gets in, that is told.
// The owner must be told of him.
func (v *visit) steal() {
	s, since, lost := v.soak, time.Now(), v.soak.router.dropped()
	thief := netip.MustParseAddr("203.0.113.66")
	if v.six {
		thief = netip.MustParseAddr("2001:db8:1::66")
	}
	if v.binding("neighbour", thief, 2) != nil {
		return // while wan is away it cannot be sent
	}
	s.model.count(func(c *counts) { c.Copies++ })
	is := func(e control.Event) bool {
		return e.Kind == "refused" && e.Reason == "replayed" && e.Address == thief.String() && e.Client == v.person.name+v.kind.client
	}
	switch {
	case s.events.await(s.ctx, since.Add(-alike), toldWithin, is):
		s.held("no event is lost")
	case s.model.excuse(v.kind.ways, since) == "" && s.router.dropped() == lost:
		s.violated("no event is lost", "%s: the daemon told nothing of copies from %s", v, thief)
	}
}

// alike is how long after a refusal another one like it is counted on it.
const alike = 10 * time.Second

// binding sends the visit's message in STUN requests from an address of a host.
func (v *visit) binding(host string, from netip.Addr, times int) error {
	return lab.Do(host, func() error {
		to := netip.AddrPortFrom(netip.MustParseAddr(v.router()), stunPort)
		c, err := net.DialUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(from, 0)), net.UDPAddrFromAddrPort(to))
		if err != nil {
			return err
		}
		defer c.Close()
		for range times {
			if _, err := c.Write(traffic.Binding(v.message)); err != nil {
				return err
			}
			pause(v.soak.ctx, 60*time.Millisecond)
		}
		return nil
	})
}

func (v *visit) fwknop() error {
	p := v.person
	return v.on("fwknop", "--no-save-args", "--rc-file", filepath.Join(p.home, "fwknoprc"), "-n", "router",
		"-A", v.service.spa, "-a", v.from[0].String())
}

func (v *visit) owner() error {
	args := []string{"open", v.service.name, v.from[0].String(), "--socket", v.soak.router.socket()}
	if v.long {
		args = append(args, "--for", "1m")
	}
	return v.with("router", v.soak.router.program, args...)
}

// exitCode is that of a program that failed, -1 if that is not what err is of.
func exitCode(err error) int {
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode()
	}
	return -1
}

// prepare gives the person's programs their settings and keys.
func (p *person) prepare(s *soak) error {
	if err := os.MkdirAll(p.home, 0o700); err != nil {
		return err
	}
	rc := fmt.Sprintf("[router]\nSPA_SERVER %s\nSPA_SERVER_PORT %d\nKEY_BASE64 %s\nHMAC_KEY_BASE64 %s\nUSE_HMAC Y\n",
		router4, spaPort, p.keys.spa, p.keys.hmac)
	if err := os.WriteFile(filepath.Join(p.home, "fwknoprc"), []byte(rc), 0o600); err != nil {
		return err
	}
	link, err := exec.Command(s.router.program, "link", p.name, filepath.Join(s.router.folder, "config")).Output()
	if err != nil {
		return fmt.Errorf("link of %s: %w", p.name, err)
	}
	add := exec.Command(s.client(), "add", "-")
	add.Env = append(os.Environ(), "XDG_CONFIG_HOME="+p.home)
	add.Stdin = strings.NewReader(string(link))
	return lab.Output(add)
}
