// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/latchkey/latchkey/pkgs/knock"
	"github.com/latchkey/latchkey/pkgs/link"
	"github.com/latchkey/latchkey/pkgs/seal"
	"github.com/latchkey/latchkey/pkgs/send"
)

// farewell is the last word on every knock that went out.
const farewell = "done. A router never answers a knock: use the door to see that it is open."

func knockCommand(e env, args []string) error {
	f := newFlags("knock")
	family := f.family()
	gap := f.duration("gap", send.DefaultGap, "pause behind each step")
	var w wish
	length := f.duration("for", 0, "how long the door shall be open")
	f.BoolVar(&w.close, "close", false, "close the door instead")
	address := f.String("address", "", "open it to this address instead of the sender's")
	carrier := f.String("carrier", "both", "how the message travels")
	words, err := f.parse(args, 1, 1+knock.MaxSteps)
	if err != nil {
		return err
	}
	w.length = *length
	if w.family, err = family(); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()

	if len(words) > 1 && isStep(words[1]) {
		if err := f.refuse("is for routers that were added; a sequence cannot say that", "for", "close", "address", "carrier"); err != nil {
			return err
		}
		return knockSequence(ctx, e, words[0], words[1:], w.family, *gap)
	}
	if err := f.refuse("is for sequences", "gap"); err != nil {
		return err
	}
	if len(words) > 2 {
		return usageError{fmt.Errorf("argument %q is one too many", words[2])}
	}
	if w.address, err = parseAddress(*address); err != nil {
		return err
	}
	if w.carrier, err = parseCarrier(*carrier); err != nil {
		return err
	}
	if len(words) == 2 {
		w.door = words[1]
	}
	return knockMessage(ctx, e, words[0], w)
}

// isStep tells a step from the name of a door, which has neither of these signs.
func isStep(s string) bool { return strings.ContainsAny(s, "/:") }

func parseAddress(s string) (netip.Addr, error) {
	if s == "" {
		return netip.Addr{}, nil
	}
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" || a.IsUnspecified() || a.IsMulticast() {
		return netip.Addr{}, usageError{fmt.Errorf("--address %q is not the IP address of one host", s)}
	}
	return a.Unmap(), nil
}

func parseCarrier(s string) (knock.Carrier, error) {
	switch c := knock.Carrier(s); c {
	case "both":
		return "", nil
	case knock.CarrierSTUN, knock.CarrierPorts:
		return c, nil
	}
	return "", usageError{fmt.Errorf("--carrier %q is none of stun, ports, both", s)}
}

// knockSequence sends a sequence and shows its progress.
func knockSequence(ctx context.Context, e env, host string, texts []string, family send.Family, gap time.Duration) error {
	const shortest, longest = 10 * time.Millisecond, 10 * time.Second
	if gap < shortest || gap > longest {
		return usageError{fmt.Errorf("--gap %s is not from %s to %s", gap, shortest, longest)}
	}
	var steps []knock.Step
	for _, text := range texts {
		s, err := knock.ParseStep(text)
		if err != nil {
			return usageError{err}
		}
		steps = append(steps, s)
	}
	if err := send.CheckSteps(steps); err != nil {
		return err
	}
	to, err := send.Resolve(ctx, host, nil, family)
	if err != nil {
		return err
	}
	fmt.Fprintf(e.out, "knocking at %s\n", at(host, to))
	results := send.Sequence(ctx, to, steps, gap, func(i int) {
		fmt.Fprintf(e.out, "  %d/%d  %s\n", i+1, len(steps), steps[i])
	})
	return conclude(e, results)
}

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

// conclude says what came of a knock: an error if it went out to no address.
func conclude(e env, results []send.Result) error {
	var failed []error
	for _, r := range results {
		if r.Err != nil {
			failed = append(failed, r.Err)
		}
	}
	if len(failed) == len(results) {
		return errors.Join(failed...)
	}
	for _, err := range failed {
		fmt.Fprintf(e.out, "  left out: %v\n", err)
	}
	fmt.Fprintln(e.out, farewell)
	return nil
}

// wish is what a message shall say and how it shall travel.
type wish struct {
	door    string // "" is every door
	length  time.Duration
	close   bool
	address netip.Addr
	carrier knock.Carrier
	family  send.Family
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

// knockMessage sends a message to a router that was added.
func knockMessage(ctx context.Context, e env, name string, w wish) error {
	k, err := prepare(ctx, e, name, w)
	if err != nil {
		return err
	}
	var by []string
	for _, c := range k.carriers {
		by = append(by, string(c))
	}
	fmt.Fprintf(e.out, "knocking at %s by %s: %s\n", at(name, k.to), strings.Join(by, " and "), w)
	results, err := k.send(ctx)
	if err != nil {
		return err
	}
	return conclude(e, results)
}

// knocker is all that a message takes but for its stamps.
type knocker struct {
	e        env
	home     home
	link     link.Link
	body     seal.Body
	carriers []knock.Carrier
	to       []netip.Addr
}

// prepare looks up everything that a wish at a router needs.
func prepare(ctx context.Context, e env, name string, w wish) (*knocker, error) {
	h, err := openHome()
	if err != nil {
		return nil, err
	}
	k := &knocker{e: e, home: h}
	if k.body, err = w.body(); err != nil {
		return nil, err
	}
	if k.link, err = h.load(name); err != nil {
		return nil, err
	}
	if w.door != "" && !slices.Contains(k.link.Doors, w.door) {
		return nil, hinted{fmt.Errorf("%s has no door %q for you", name, w.door), "it has " + strings.Join(k.link.Doors, ", ")}
	}
	if k.carriers, err = send.Carriers(k.link, w.carrier, w.address.IsValid()); err != nil {
		return nil, err
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
	if press.Ahead > time.Minute {
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
