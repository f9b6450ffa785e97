// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"github.com/latchkey/latchkey/pkgs/send"
)

const (
	// firstLimit is for how long an answer counts as one to the SYN of before the knock. Systems send
	// a lost SYN again after a second, and that would be one of after the knock.
	firstLimit = 900 * time.Millisecond
	// prompt is how soon a service must answer after a knock, so that silence for firstLimit before it
	// means that the door was closed, and not that the way there and back takes as long as that.
	prompt = 700 * time.Millisecond
	// again is after which time without an answer a second SYN goes out, in case that the first was
	// lost: a reset that was lost would make a door look open that is not.
	again = 20 * time.Millisecond
)

// limits are how long the tries after a knock may take; the last one is for all that follow. A door
// that is still closed answers nothing, and the system sends a lost SYN again only after a second. So
// the first tries are short, for the knock opens at once, and then longer than the way there and
// back, however long that is.
func limits() []time.Duration {
	return []time.Duration{
		100 * time.Millisecond, 200 * time.Millisecond, 400 * time.Millisecond,
		800 * time.Millisecond, 1600 * time.Millisecond, 3200 * time.Millisecond,
	}
}

// Watch looks at one door from before a knock on.
type Watch struct {
	to     []netip.AddrPort
	before []chan reply // of each address, with one reply at the most
	first  []*reply     // what came out of before
	after  []answer     // what came last
	last   error        // what went wrong last
}

// reply is an answer, with the connection if it is accepted or late, else with the error.
type reply struct {
	answer answer
	conn   *net.TCPConn
	err    error
}

// Begin sends the SYNs of before the knock, to all addresses of a door. They have left when it
// returns. End must be called.
func Begin(ctx context.Context, to []netip.AddrPort) *Watch {
	w := &Watch{to: to, first: make([]*reply, len(to)), after: make([]answer, len(to))}
	var left sync.WaitGroup
	for _, a := range to {
		replies := make(chan reply, 1)
		w.before = append(w.before, replies)
		left.Add(1)
		go func() { replies <- ask(ctx, a, sync.OnceFunc(left.Done)) }()
	}
	left.Wait()
	return w
}

// ask asks what answers before a knock. It calls left when no SYN is going to leave any more.
func ask(ctx context.Context, to netip.AddrPort, left func()) (said reply) {
	ctx, answered := context.WithCancel(ctx)
	defer answered() // the other try ends unanswered: one connection is enough for a service
	tries := make(chan reply)
	try := func(left func()) { tries <- dial(ctx, to, firstLimit, left) }
	out := make(chan struct{})
	go try(func() { close(out) })
	<-out
	second := time.After(again)
	for running := 1; running > 0; {
		select {
		case <-second:
			second = nil
			running++
			go try(left)
		case r := <-tries:
			second = nil
			running--
			left()
			if said = better(said, r); said.answer != silent {
				answered()
			}
		}
	}
	return said
}

// better returns the reply that says more of two to the same question.
func better(a, b reply) reply {
	switch {
	case a.conn != nil && b.conn != nil:
		_ = b.conn.Close()
		return a
	case b.conn != nil, a.answer == silent:
		return b
	}
	return a
}

// Settle waits until all addresses have answered, but not longer than d.
func (w *Watch) Settle(ctx context.Context, d time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	for i := range w.to {
		w.settle(ctx, i)
	}
}

// settle waits for the reply of before the knock. One that has come counts, also when ctx is over.
func (w *Watch) settle(ctx context.Context, i int) {
	if w.first[i] != nil {
		return
	}
	select {
	case r := <-w.before[i]:
		w.first[i] = &r
		return
	default:
	}
	select {
	case r := <-w.before[i]:
		w.first[i] = &r
	case <-ctx.Done():
	}
}

// Await tries after a knock until a service accepts, patient until ctx ends. It returns the
// connection if there is one.
func (w *Watch) Await(ctx context.Context) *net.TCPConn {
	ctx, found := context.WithCancel(ctx)
	defer found()
	conns := make(chan *net.TCPConn, 2*len(w.to))
	var mu sync.Mutex // guards after and last
	var all sync.WaitGroup
	for i := range w.to {
		all.Go(func() {
			if w.settle(ctx, i); w.first[i] != nil && w.first[i].conn != nil {
				conns <- w.first[i].conn
				w.first[i].conn = nil
				found()
			}
		})
		all.Go(func() {
			w.try(ctx, i, func(r reply) {
				mu.Lock()
				defer mu.Unlock()
				if w.after[i] = r.answer; r.err != nil {
					w.last = r.err
				}
				if r.conn != nil {
					conns <- r.conn
					found()
				}
			})
		})
	}
	all.Wait()
	for i := range w.to {
		w.settle(ctx, i) // a later try may have been faster
	}
	close(conns)
	conn := <-conns
	for other := range conns {
		_ = other.Close()
	}
	return conn
}

// try tries one address until it accepts or ctx ends.
func (w *Watch) try(ctx context.Context, i int, report func(reply)) {
	all := limits()
	for n := 0; ctx.Err() == nil; n++ {
		limit := all[min(n, len(all)-1)]
		next := time.NewTimer(limit)
		begun := time.Now()
		r := dial(ctx, w.to[i], limit, func() {})
		if r.conn != nil && time.Since(begun) > prompt && !isPrompt(ctx, w.to[i]) {
			r.answer = late
		}
		if ctx.Err() == nil || r.conn != nil {
			report(r) // else it was cut short, and says nothing
		}
		if r.conn != nil {
			next.Stop()
			return
		}
		select {
		case <-next.C: // a refusal comes at once: do not ask again before the time
		case <-ctx.Done():
			next.Stop()
		}
	}
}

// isPrompt reports whether a service that was slow to answer is so always. It is not if its first answer
// was to a SYN that the system had sent again, which it does after a second.
func isPrompt(ctx context.Context, to netip.AddrPort) bool {
	r := dial(ctx, to, prompt, func() {})
	if r.conn == nil {
		return false
	}
	_ = r.conn.Close()
	return true
}

// Verdict says what is known now.
func (w *Watch) Verdict() Verdict {
	var found []Verdict
	for i, first := range w.first {
		before := silent
		if first != nil {
			before = first.answer
		}
		found = append(found, judge(before, w.after[i]))
	}
	for _, v := range verdicts() {
		for _, f := range found {
			if f == v {
				return v
			}
		}
	}
	return NoAnswer // no address
}

// Err returns what went wrong with the last try, nil if nothing did.
func (w *Watch) Err() error { return w.last }

// End closes what was accepted and nobody took. What is on its way ends by itself.
func (w *Watch) End() {
	for i, replies := range w.before {
		if r := w.first[i]; r != nil {
			if r.conn != nil {
				_ = r.conn.Close()
			}
			continue
		}
		go func() {
			if r := <-replies; r.conn != nil {
				_ = r.conn.Close()
			}
		}()
	}
}

// dial asks once. It calls left when the SYN has left, or nothing is going to.
func dial(ctx context.Context, to netip.AddrPort, limit time.Duration, left func()) reply {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	conn, _, err := send.Dial(ctx, to, left)
	if err == nil {
		return reply{accepted, conn.(*net.TCPConn), nil}
	}
	number, known := errors.AsType[syscall.Errno](err)
	if op, ok := errors.AsType[*net.OpError](err); ok {
		err = op.Err // the caller names the address
	}
	if known {
		err = number
	}
	switch {
	case isReset(err):
		return reply{refused, nil, err}
	case send.Unsent(number):
		return reply{unsent, nil, err}
	}
	return reply{silent, nil, err}
}
