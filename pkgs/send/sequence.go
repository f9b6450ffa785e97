// SPDX-License-Identifier: Apache-2.0

package send

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/latchkey/latchkey/pkgs/knock"
	"github.com/latchkey/latchkey/pkgs/wire"
)

// DefaultGap is the pause between two steps of a sequence that goes well with mobile networks,
// which may turn the order of packets around that follow each other closely.
const DefaultGap = 200 * time.Millisecond

// Result says whether a knock went out to one address. That is all there is to know: a router
// with closed doors answers nothing.
type Result struct {
	Address netip.Addr
	Carrier knock.Carrier // of a message
	Err     error         // nil: everything was sent
}

// CheckSteps refuses steps that an ordinary user's program cannot send.
func CheckSteps(steps []knock.Step) error {
	if len(steps) == 0 {
		return fmt.Errorf("a sequence has at least one step")
	}
	for _, s := range steps {
		if s.Proto == wire.TCP && wire.SYN&s.Mask != s.Flags {
			return withHint(fmt.Errorf("step %s: an ordinary program can send no TCP packet with these flags but SYN", s),
				"change the sequence on the router to plain steps such as %d/tcp", s.Port)
		}
	}
	return nil
}

// Sequence sends the steps to every address at once, one step after the other with a pause of gap
// behind each, and calls sent with the index of each step that went out. It takes len(steps)*gap.
//
// A step is not repeated: a retransmission of an earlier step would come out of order. An address
// that cannot be sent to (no route for its family, say) is left out from then on.
func Sequence(ctx context.Context, to []netip.Addr, steps []knock.Step, gap time.Duration, sent func(i int)) []Result {
	results := make([]Result, len(to))
	for i, a := range to {
		results[i].Address = a
	}
	for i, s := range steps {
		pause := time.NewTimer(gap)
		var all sync.WaitGroup
		for j := range results {
			r := &results[j]
			if r.Err != nil {
				continue
			}
			all.Go(func() {
				if err := step(ctx, r.Address, s, gap); err != nil {
					r.Err = fmt.Errorf("step %s to %s: %w", s, r.Address, err)
				}
			})
		}
		all.Wait()
		if !anySent(results) {
			pause.Stop()
			return results
		}
		sent(i)
		select {
		case <-pause.C:
		case <-ctx.Done():
			cancelled(results, ctx.Err())
			return results
		}
	}
	return results
}

func anySent(results []Result) bool {
	for _, r := range results {
		if r.Err == nil {
			return true
		}
	}
	return false
}

func cancelled(results []Result, err error) {
	for i := range results {
		if results[i].Err == nil {
			results[i].Err = err
		}
	}
}

// step sends one packet, and for no longer than hold sees to it.
func step(ctx context.Context, to netip.Addr, s knock.Step, hold time.Duration) error {
	switch s.Proto {
	case wire.TCP:
		return syn(ctx, netip.AddrPortFrom(to, s.Port), hold, func() {})
	case wire.UDP:
		return datagram(netip.AddrPortFrom(to, s.Port), nil)
	case wire.ICMP:
		return echo(to, int(s.Size))
	}
	return fmt.Errorf("nobody can send protocol %d", s.Proto)
}
