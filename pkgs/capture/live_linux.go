// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sort"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/netlink"
	"github.com/latchkey/latchkey/pkgs/rate"
	"github.com/latchkey/latchkey/pkgs/wire"
)

// Handler gets packets that came in at a device at about the time came, each from its IP header on
// and at most 1600 bytes of it. At most 32 come at once. It is called by one goroutine at a time,
// whatever the number of devices. Packets and what they point to are reused after it returns.
type Handler func(came time.Time, device string, packets [][]byte)

// The states of a Link.
const (
	Up      = "up"      // packets can come
	Down    = "down"    // the device is there, but it is switched off or has no carrier
	Missing = "missing" // there is no device of this name
)

// Link is how a device is that Live shall listen to.
type Link struct {
	Name    string
	State   string    // Up, Down or Missing
	Since   time.Time // when State, Err or Coarse became what they are
	Err     error     // not nil if the device is there but cannot be read from
	Coarse  string    // "", or how the kernel filters it more coarsely than Set said, and why: "without ..., because ..."
	Dropped uint64    // packets that the kernel could not hand over since Set named the device
}

// pollEvery is how often devices are looked at although the kernel reported no change: a safety
// net, so that a lost message cannot make us deaf for longer than a second.
const pollEvery = time.Second

// changes limits what is reported of one device: one that goes up and down all the time must not fill the log.
// How it is then is reported as soon as the limit allows.
var changes = rate.Limit{Every: 5 * time.Second, Burst: 12}

// Live reads from network devices that come and go.
type Live struct {
	handler Handler
	notify  func(Link)
	sources []newSource
	start   time.Time

	kernel  *netlink.Conn // reports changes of devices
	query   query
	changed chan struct{} // 1 deep: look at the devices
	stop    chan struct{}
	running sync.WaitGroup
	turn    sync.Mutex // held around handler

	mu      sync.Mutex
	closed  bool
	filters *programs          // of the last Set
	devices map[string]*device // those of the last Set
}

// device is one device that was asked for.
type device struct {
	link     Link
	reported time.Time // Link.Since when notify was called last
	news     rate.Bucket
	socket   *socket // nil while there is none
	stale    bool    // the socket has not got the filter that it should have
}

// Listen starts without any device; see Set. Notify is called with each change of a device's
// state, by one goroutine that holds no lock. Flooded says that strangers can reach the devices: 256 kB of
// memory for each of them then make a flood cheap, where the kernel and the processor allow it. Needs
// CAP_NET_RAW.
func Listen(h Handler, notify func(Link), flooded bool) (*Live, error) {
	if err := mayListen(); err != nil {
		return nil, err
	}
	q, err := newQuery()
	if err != nil {
		return nil, err
	}
	kernel, err := netlink.Dial(unix.NETLINK_ROUTE)
	if err == nil {
		if err = kernel.Join(unix.RTNLGRP_LINK); err != nil {
			kernel.Close()
		}
	}
	if err != nil {
		q.close()
		return nil, fmt.Errorf("listen to changes of devices: %w", err)
	}
	l := &Live{
		handler: h, notify: notify, sources: []newSource{newQueue}, start: time.Now(), kernel: kernel, query: q,
		changed: make(chan struct{}, 1), stop: make(chan struct{}),
		devices: make(map[string]*device),
	}
	if flooded {
		l.sources = []newSource{newRing, newQueue}
	}
	l.running.Go(l.follow)
	l.running.Go(l.watch)
	return l, nil
}

// Set makes l read what f wants, from exactly these devices. Devices that do not exist are waited for.
// Sockets that are open already get the new filter in one call; a packet that both the old and the new
// filter want is never lost. Where the kernel has no room for the filter, the handler gets other packets,
// too: Links shows it as Coarse. The next Set tries the whole filter again.
//
// An error of a device means that nothing is read from that one for now, or by the filter of before;
// Links shows it, and Live goes on trying. The handler may be called once more for a device after it was
// removed: Set does not wait for the handler.
func (l *Live) Set(devices []string, f wire.Filter) error {
	filters, err := translate(f)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return errors.New("capture is closed")
	}
	l.filters = filters
	for name, d := range l.devices {
		if !slices.Contains(devices, name) {
			d.close()
			delete(l.devices, name)
		}
	}
	now := time.Now()
	var failed error
	for _, name := range devices {
		d := l.devices[name]
		if d == nil {
			d = &device{link: Link{Name: name}}
			l.devices[name] = d
		}
		d.stale = true
		l.look(now, d)
		failed = cmp.Or(failed, d.link.Err)
	}
	l.wake()
	return failed
}

// Links returns the devices of the last Set, sorted by name.
func (l *Live) Links() []Link {
	l.mu.Lock()
	defer l.mu.Unlock()
	links := make([]Link, 0, len(l.devices))
	for _, d := range l.devices {
		if d.socket != nil {
			d.link.Dropped += d.socket.dropped()
		}
		links = append(links, d.link)
	}
	sort.SliceStable(links, func(i, j int) bool { return links[i].Name < links[j].Name })
	return links
}

// Close ends the reading. It waits until the handler and notify have returned for the last time.
func (l *Live) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.closed = true
	for _, d := range l.devices {
		d.close()
	}
	close(l.stop)
	l.mu.Unlock()
	err := l.kernel.Close()
	l.running.Wait()
	l.query.close()
	return err
}

// wake makes watch look at the devices.
func (l *Live) wake() {
	select {
	case l.changed <- struct{}{}:
	default: // it will anyway
	}
}

// follow turns the kernel's messages about devices into a look at all of them: what is true now
// matters, not what a message said.
func (l *Live) follow() {
	for {
		err := l.kernel.Wait(func(netlink.Message) {})
		// Messages were lost (rtnetlink(7)), or one has more than is wanted: so something did change.
		if err != nil && !errors.Is(err, unix.ENOBUFS) && !errors.Is(err, unix.EMSGSIZE) {
			return // closed; in any other case watch goes on by itself
		}
		l.wake()
	}
}

// watch keeps the sockets in step with the devices.
func (l *Live) watch() {
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	for {
		select {
		case <-l.stop:
			return
		case <-l.changed:
		case <-poll.C:
		}
		for _, link := range l.lookAtAll() {
			l.notify(link)
		}
	}
}

// lookAtAll returns what has changed and is not reported yet.
func (l *Live) lookAtAll() []Link {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	now := time.Now()
	var changed []Link
	for _, d := range l.devices {
		l.look(now, d)
		if !d.link.Since.Equal(d.reported) && d.news.Take(changes, now.Sub(l.start), 1) {
			d.reported = d.link.Since
			changed = append(changed, d.link)
		}
	}
	return changed
}

// look opens, closes or reopens the socket of a device by what the kernel says now, sees to its filter,
// and notes a change of its state.
func (l *Live) look(now time.Time, d *device) {
	index, state, err := l.query.device(d.link.Name)
	if d.socket != nil && (d.socket.failed() || state == Missing || !isBound(d.socket.fd, index)) {
		d.close()
	}
	if d.socket == nil && index != 0 {
		d.socket, err = openSocket(d.link.Name, index, l.sources)
		if errors.Is(err, unix.ENODEV) || errors.Is(err, unix.ENXIO) {
			state, err = Missing, nil // it went between the two calls
		}
		if err == nil && d.socket != nil {
			s := d.socket
			l.running.Go(func() { s.run(l.handler, &l.turn) })
		}
		d.stale = true
	}
	coarse := d.link.Coarse
	switch {
	case d.socket == nil:
		coarse = ""
	case d.stale:
		var failed error
		coarse, failed = d.socket.attach(l.filters)
		d.stale = failed != nil
		if coarse == "" { // else it is read, after all
			err = failed
		}
	}
	if d.link.State != state || d.link.Coarse != coarse || fmt.Sprint(d.link.Err) != fmt.Sprint(err) {
		d.link.State, d.link.Err, d.link.Coarse, d.link.Since = state, err, coarse, now
	}
}

func (d *device) close() {
	if d.socket != nil {
		d.link.Dropped += d.socket.dropped()
		d.socket.close()
		d.socket = nil
	}
}
