// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/latchkey/latchkey/pkgs/knock"
	"github.com/latchkey/latchkey/pkgs/link"
	"github.com/latchkey/latchkey/pkgs/probe"
	"github.com/latchkey/latchkey/pkgs/seal"
	"github.com/latchkey/latchkey/pkgs/send"
)

// sentOnly is printed after a knock whose effect was not seen.
const sentOnly = "done. A router never answers a knock: use the door to see that it is open."

// at names a host and its addresses.
func at(host string, to []netip.Addr) string {
	var texts []string
	for _, a := range to {
		texts = append(texts, a.String())
	}
	if len(texts) == 1 && texts[0] == host {
		return host
	}
	return fmt.Sprintf("%s (%s)", host, strings.Join(texts, ", "))
}

// conclude says what came of sending: an error if it went out to no address.
func conclude(w io.Writer, results []send.Result) error {
	var failed []error
	for _, r := range results {
		if r.Err != nil {
			failed = append(failed, r.Err)
		}
	}
	if len(failed) == len(results) {
		return withOffline(errors.Join(failed...))
	}
	for _, err := range failed {
		fmt.Fprintf(w, "  left out: %v\n", err)
	}
	return nil
}

const offline = "this machine seems to be offline: it has no way to the router's network"

// withOffline adds the hint that a machine without network needs.
func withOffline(err error) error {
	var number syscall.Errno
	if errors.As(err, &number) && send.Unsent(number) {
		return hinted{err, offline}
	}
	return err
}

// wish is what a message shall say and how it shall travel.
type wish struct {
	door    string // "" is what chooseDoor says, or every door
	all     bool   // every door
	length  time.Duration
	close   bool
	address netip.Addr
	carrier knock.Carrier
	family  send.Family
	probe   bool // look at the door
}

// body returns the wish as a message without a stamp.
func (w wish) body() (seal.Body, error) {
	b := seal.Body{Close: w.close, Address: w.address}
	if w.door != "" {
		b.Door = seal.Tag(w.door)
	}
	minutes := (w.length + time.Minute - 1) / time.Minute
	switch {
	case w.length < 0 || minutes > math.MaxUint8:
		return b, usageError{fmt.Errorf("--for %s is not from 1m to %s", w.length, math.MaxUint8*time.Minute)}
	case w.close && minutes > 0:
		return b, usageError{errors.New("--for says nothing with --close")}
	}
	b.Minutes = uint8(minutes)
	return b, nil
}

// String is the wish in words.
func (w wish) String() string {
	text := "open "
	if w.close {
		text = "close "
	}
	if w.door == "" {
		text += "every door"
	} else {
		text += w.door
	}
	if w.address.IsValid() {
		text += " to " + w.address.String()
	}
	if w.length > 0 {
		minutes := (w.length + time.Minute - 1) / time.Minute
		text += fmt.Sprintf(" for %dm", minutes)
	}
	return text
}

// knockMessage sends a message to a router that was added, and reports what came of it.
func knockMessage(ctx context.Context, e env, name string, w wish, asJSON bool) error {
	k, err := prepare(ctx, e, name, &w)
	if err != nil {
		return err
	}
	say := e.out
	if asJSON {
		say = io.Discard
	}
	var by []string
	for _, c := range k.carriers {
		by = append(by, string(c))
	}
	sights := k.sights(w)
	k.begin(ctx, sights)
	defer end(sights)
	fmt.Fprintf(say, "knocking at %s by %s: %s\n", at(name, k.to), strings.Join(by, " and "), w)
	results, err := k.knockAndLook(ctx, sights)
	if err == nil && ctx.Err() == nil && count(sights, probe.NoAnswer) > 0 && countSent(results) > 0 {
		fmt.Fprintln(say, "no answer yet: knocking again")
		results, err = k.knockAndLook(ctx, sights)
	}
	if err = cmp.Or(err, ctx.Err()); err != nil {
		return err
	}
	if asJSON {
		if err := printKnock(e.out, k, w, results, sights); err != nil {
			return err
		}
	}
	if err := conclude(say, results); err != nil {
		return err
	}
	for _, s := range sights {
		fmt.Fprintln(say, s.describe())
	}
	if count(sights, notTried) > 0 {
		fmt.Fprintln(say, sentOnly)
	}
	return fail(name, sights)
}

// knockAndLook knocks once, until the messages are sent or all doors are seen open.
func (k *knocker) knockAndLook(ctx context.Context, sights []*sight) ([]send.Result, error) {
	ctx, enough := context.WithCancel(ctx)
	defer enough()
	least := time.NewTimer(leastSending)
	defer least.Stop()
	var looking sync.WaitGroup
	looking.Go(func() {
		if await(ctx, sights) {
			<-least.C
			enough()
		}
	})
	results, err := k.send(ctx)
	if err != nil || countSent(results) == 0 {
		enough() // no knock, no effect
	}
	looking.Wait()
	return results, err
}

func countSent(results []send.Result) (n int) {
	for _, r := range results {
		if r.Err == nil {
			n++
		}
	}
	return n
}

// knocker is all that a message takes but for its stamps.
type knocker struct {
	e        env
	home     home
	name     string // of the router, here
	link     link.Link
	body     seal.Body
	carriers []knock.Carrier
	to       []netip.Addr
	warned   bool // of the clock
}

// prepare looks up everything that a wish at a router needs, and completes it.
func prepare(ctx context.Context, e env, name string, w *wish) (*knocker, error) {
	if _, err := w.body(); err != nil {
		return nil, err
	}
	h, err := openHome()
	if err != nil {
		return nil, err
	}
	k := &knocker{e: e, home: h, name: name}
	if k.link, err = h.load(name); err != nil {
		return nil, err
	}
	if w.door == "" && !w.all {
		if w.door, err = chooseDoor(e, k.link); err != nil {
			return nil, err
		}
	}
	if k.body, err = w.body(); err != nil {
		return nil, err
	}
	if w.door != "" && !slices.Contains(k.link.Doors, w.door) {
		return nil, hinted{fmt.Errorf("%s has no door %q for you", name, w.door), "it has " + strings.Join(k.link.Doors, ", ")}
	}
	if k.carriers, err = send.Carriers(k.link, w.carrier, w.address.IsValid()); err != nil {
		return nil, err
	}
	if warning := warnOfClock(time.Now(), h.written()); warning != "" {
		k.warned = true
		fmt.Fprintf(e.err, "latchkey: hint: %s\n", warning)
	}
	if k.to, err = send.Resolve(ctx, k.link.Host, k.link.Addresses, w.family); err != nil {
		return nil, err
	}
	return k, nil
}

// apart is how long after each other messages go out that say the same with other stamps: the SYNs
// of two messages from one address must not mix.
const apart = time.Second

// send knocks once, with new stamps. Where this machine's clock was ahead and has been set, each
// message goes out with several: see seal.Press.
func (k *knocker) send(ctx context.Context) ([]send.Result, error) {
	press, err := k.home.reserve(k.link.Key, time.Now(), send.MaxMessages)
	if err != nil {
		return nil, err
	}
	if press.Ahead > time.Minute && !k.warned {
		k.warned = true
		fmt.Fprintf(k.e.err, "latchkey: hint: this machine's clock is %s behind its last knock; if it is wrong now, set it\n",
			press.Ahead.Round(time.Second))
	}
	var others sync.WaitGroup
	defer others.Wait()
	for i, start := range press.Starts[1:] {
		others.Go(func() {
			wait := time.NewTimer(time.Duration(i+1) * apart)
			defer wait.Stop()
			select {
			case <-wait.C:
				k.sendFrom(ctx, start)
			case <-ctx.Done():
			}
		})
	}
	return k.sendFrom(ctx, press.Starts[0]), nil
}

// sendFrom sends the messages of a press with the stamps from first on.
func (k *knocker) sendFrom(ctx context.Context, first uint64) []send.Result {
	body := k.body
	body.Stamp = first
	return send.Message(ctx, k.link, k.to, k.carriers, func() []byte {
		defer func() { body.Stamp++ }()
		return seal.Seal(k.link.Key, body)
	})
}
