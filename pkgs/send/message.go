// SPDX-License-Identifier: Apache-2.0

package send

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/latchkey/latchkey/pkgs/knock"
	"github.com/latchkey/latchkey/pkgs/link"
	"github.com/latchkey/latchkey/pkgs/seal"
	"github.com/latchkey/latchkey/pkgs/wire"
)

// MaxMessages is how many messages one knock takes at the most: one for each carrier and family.
const MaxMessages = 4

const (
	// holdSlots is how long the connections of carrier ports in slots are kept, so that the
	// system sends lost SYNs again: after 1 second in any order, so that the hint may come too late
	// for the others, and once more after 2 seconds, or after 3 before Linux 6.5. Both waits may
	// take 80 ms longer, a step of the timers of a kernel that counts 100 in a second.
	holdSlots = 3300 * time.Millisecond
	// holdOrdered is less than the time after which a SYN is sent again: it would come out of
	// order.
	holdOrdered = 900 * time.Millisecond
	// between is the pause between two SYNs whose order matters.
	between = 15 * time.Millisecond
	// hintSlots is how many slots carry the hint.
	hintSlots = 3
)

// repeats returns the pauses between the copies of a message in a STUN request.
func repeats() []time.Duration {
	return []time.Duration{
		50 * time.Millisecond, 100 * time.Millisecond, 200 * time.Millisecond, 400 * time.Millisecond,
	}
}

// Carriers returns by which carriers a message can travel to the router of a link: the one that is
// asked for, or all if want is empty. A message with an address does not fit into slots.
func Carriers(l link.Link, want knock.Carrier, withAddress bool) ([]knock.Carrier, error) {
	var can []knock.Carrier
	if len(l.STUNPorts) > 0 {
		can = append(can, knock.CarrierSTUN)
	}
	if l.Ordered != nil || l.Ports != 0 && !withAddress {
		can = append(can, knock.CarrierPorts)
	}
	switch {
	case len(can) == 0:
		return nil, fmt.Errorf("%s listens to carrier ports in slots only, and an address does not fit in there", l.Name)
	case want == "":
		return can, nil
	}
	for _, c := range can {
		if c == want {
			return []knock.Carrier{c}, nil
		}
	}
	if want == knock.CarrierPorts && l.Ports != 0 {
		return nil, withHint(fmt.Errorf("an address does not fit into carrier ports in slots"), "leave out --carrier ports")
	}
	return nil, withHint(fmt.Errorf("%s does not listen to carrier %s", l.Name, want), "it listens to %s", can[0])
}

// Message sends messages by all carriers to all addresses at once. It calls seal for each carrier
// and family, MaxMessages times at the most, because TCP and UDP may leave a provider's network
// with different addresses, and a message opens for one. Addresses of the same family are taken
// for the same router and get the same one.
//
// It takes 0.8 s by stun and 3.3 s by ports in slots, in which lost packets are sent again. When ctx
// ends, so does that.
func Message(ctx context.Context, l link.Link, to []netip.Addr, carriers []knock.Carrier, seal func() []byte) []Result {
	var results []Result
	var messages [][]byte // of results
	for _, c := range carriers {
		for _, f := range []Family{IPv4, IPv6} {
			var message []byte
			for _, a := range to {
				if !f.has(a) {
					continue
				}
				if message == nil {
					message = seal()
				}
				results = append(results, Result{Address: a, Carrier: c})
				messages = append(messages, message)
			}
		}
	}
	var all sync.WaitGroup
	for i := range results {
		r := &results[i]
		all.Go(func() {
			if err := carry(ctx, l, r.Carrier, r.Address, messages[i]); err != nil {
				r.Err = fmt.Errorf("message to %s by %s: %w", r.Address, r.Carrier, err)
			}
		})
	}
	all.Wait()
	return results
}

// carry sends one message to one address.
func carry(ctx context.Context, l link.Link, by knock.Carrier, to netip.Addr, message []byte) error {
	switch {
	case by == knock.CarrierSTUN:
		return stun(ctx, to, l.STUNPorts, message)
	case l.Ports != 0 && len(message) == seal.ShortSize:
		return slots(ctx, to, knock.Slots(message, l.Ports))
	case l.Ordered != nil:
		return ordered(ctx, to, knock.Digits(message, *l.Ordered))
	}
	return fmt.Errorf("no way to send %d bytes", len(message))
}

// stun sends a message as a browser does for an ICE check, several times the same, each time to all ports: nothing
// comes back by which to choose one. For the router what follows the first are copies.
func stun(ctx context.Context, to netip.Addr, ports []uint16, message []byte) error {
	var id [12]byte
	var random [3 + 18]byte
	rand.Read(id[:])
	rand.Read(random[:])
	text := base64.RawStdEncoding.EncodeToString
	payload := wire.AppendBindingRequest(nil, id, text(message)+":"+text(random[:3]), text(random[3:]))

	conn, err := listenUDP(to)
	if err != nil {
		return err
	}
	defer conn.Close()
	toAll := func() (err error) {
		failed := 0
		for _, port := range ports {
			if e := sendUDP(conn, netip.AddrPortFrom(to, port), payload); e != nil {
				err, failed = e, failed+1
			}
		}
		if failed < len(ports) { // one way is enough
			return nil
		}
		return err
	}
	if err := toAll(); err != nil {
		return err
	}
	for _, pause := range repeats() {
		if !sleep(ctx, pause) {
			return nil
		}
		// The first one went out. That a copy did not is no failure.
		_ = toAll()
	}
	return nil
}

// slots sends SYNs to all ports. Their order does not matter but for one thing: a router has no eye
// for a sender who did not show a byte of a valid hint, so the hint goes ahead.
func slots(ctx context.Context, to netip.Addr, ports []uint16) error {
	errs := make([]error, len(ports))
	var all, hint sync.WaitGroup
	hint.Add(hintSlots)
	for i, port := range ports {
		left := func() {}
		switch {
		case i < hintSlots:
			left = hint.Done
		case i == hintSlots:
			hint.Wait()
			sleep(ctx, between)
		}
		all.Go(func() { errs[i] = syn(ctx, netip.AddrPortFrom(to, port), holdSlots, left) })
	}
	all.Wait()
	return first(errs)
}

// ordered sends SYNs one after the other: the next one's time begins when this one has left.
func ordered(ctx context.Context, to netip.Addr, ports []uint16) error {
	errs := make([]error, len(ports))
	var all sync.WaitGroup
	for i, port := range ports {
		left := make(chan struct{})
		all.Go(func() {
			errs[i] = syn(ctx, netip.AddrPortFrom(to, port), holdOrdered, func() { close(left) })
		})
		<-left
		if !sleep(ctx, between) {
			break
		}
	}
	all.Wait()
	return first(errs)
}

// first returns the first error there is. That the context ended is none: enough was sent.
func first(errs []error) error {
	for _, err := range errs {
		if err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
	}
	return nil
}

// sleep waits, and is false if ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
