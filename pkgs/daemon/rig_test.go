// SPDX-License-Identifier: Apache-2.0

package daemon_test

import (
	"errors"
	"maps"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/daemon"
	"github.com/latchkey/latchkey/pkgs/door"
	"github.com/latchkey/latchkey/pkgs/door/doortest"
	"github.com/latchkey/latchkey/pkgs/seal"
	"github.com/latchkey/latchkey/pkgs/wire"
)

var (
	router    = netip.MustParseAddr("203.0.113.1")
	router6   = netip.MustParseAddr("2001:db8:1::1")
	phone     = netip.MustParseAddr("203.0.113.7")
	phone6    = netip.MustParseAddr("2001:db8:1::7")
	neighbour = netip.MustParseAddr("203.0.113.66")
)

const stunPort = 41641

// home is the configuration of most tests.
const home = `
config latchkey 'main'
	option enabled '1'
	option host 'home.example.net'
	list device 'wan'
	option stun_port '41641'
	option host 'home.example.net'

config door 'nas'
	option port '2222'
	option dest 'lan'
	option dest_ip '192.168.1.22'
	option dest_ip6 '2001:db8:2::22'
	option dest_port '22'
	option open_for '10m'
	option max_open '1h'
	option wake '00:11:32:aa:bb:cc'

config door 'web'
	option port '8443'
	option open_for '1m'

config door 'old'
	option port '9999'
	option enabled '0'

config client 'phone'
	option key 'AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8'
	list door 'nas'
	list door 'web'

config client 'lost'
	option key 'ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8'
	list door 'nas'
	option enabled '0'

config sequence 'shy'
	list step '7431/tcp'
	list step '2951/udp'
	list step '8812/tcp'
	list door 'nas'

config sequence 'once'
	list once '5100/tcp 6200/tcp 4300/tcp'
	list once '5500/tcp 4600/tcp 6700/tcp'
	list door 'web'
	option client 'phone'
`

var start = time.Date(2026, 11, 22, 4, 0, 12, 345e6, time.UTC)

// rig is a daemon whose world is the test.
type rig struct {
	*daemon.Daemon
	t        *testing.T
	fw       *doortest.Fake
	memory   *memory
	sessions sessions
	home     func(devices []string, a netip.Addr) (string, error) // nil = nobody's is known
	text     string                                               // of the configuration
	now      time.Time
	synced   bool
	filter   wire.Filter
	checked  wire.Filter // what Check was asked about last
	inside   insideCapture
	history  daemon.History
	tooBig   error  // what Check says
	while    func() // happens while a configuration is prepared; nil = nothing
	woken    []string
	asleep   error  // what Wake fails with
	read     uint64 // number of the newest event when the test last forgot
	port     uint16 // source port of the next packet
	sent     []sent // every packet so far
}

// sent is a packet with its time.
type sent struct {
	at time.Time
	b  []byte
}

func newRig(t *testing.T, text string) *rig {
	t.Helper()
	return newRigThat(t, text, func(*rig) {})
}

// newRigWith starts a daemon that remembers what memory does: a former one's, after a restart.
func newRigWith(t *testing.T, text string, m *memory, now time.Time, synced bool) *rig {
	t.Helper()
	return newRigThat(t, text, func(r *rig) { r.memory, r.now, r.synced = m, now, synced })
}

// newRigThat starts a daemon in a world that prepare makes.
func newRigThat(t *testing.T, text string, prepare func(*rig)) *rig {
	t.Helper()
	r := &rig{t: t, fw: doortest.NewFake("nas", "web"), text: text, now: start, synced: true, port: 40000,
		memory: newMemory()}
	prepare(r)
	d, err := daemon.New(r.system())
	if err != nil {
		t.Fatal(err)
	}
	r.Daemon = d
	return r
}

func (r *rig) system() daemon.System {
	return daemon.System{
		Version:     "1.2.3",
		Config:      func() (string, error) { return r.text, nil },
		Firewall:    r.fw,
		Sessions:    &r.sessions,
		Home:        r.home,
		Capture:     r,
		Inside:      &r.inside,
		History:     r.history,
		Memory:      r.memory,
		ClockSynced: func() bool { return r.synced },
		Now:         func() time.Time { return r.now },
		Wake: func(card wire.MAC, host netip.Addr) error {
			r.woken = append(r.woken, card.String()+" "+host.String())
			return r.asleep
		},
	}
}

// reported returns the events since the test last forgot them.
func (r *rig) reported() []control.Event { return r.Events(r.read) }

// Check, Set and Devices make the rig a daemon.Capture.
func (r *rig) Check(f wire.Filter) error {
	if r.while != nil {
		r.while()
	}
	r.checked = f
	return r.tooBig
}
func (r *rig) Set(_ []string, f wire.Filter) error { r.filter = f; return nil }
func (r *rig) Devices() []control.Device           { return []control.Device{{Name: "wan", State: "up"}} }

// insideCapture is the daemon.Capture of the devices inside.
type insideCapture struct {
	devices []string
	filter  wire.Filter
}

func (c *insideCapture) Check(wire.Filter) error { return nil }
func (c *insideCapture) Set(devices []string, f wire.Filter) error {
	c.devices, c.filter = devices, f
	return nil
}
func (c *insideCapture) Devices() []control.Device { return nil }

func (r *rig) packet(b []byte) {
	r.sent = append(r.sent, sent{r.now, b})
	r.Packets(r.now, "wan", [][]byte{b})
}

// sealAt makes a message of client phone with a stamp.
func (r *rig) sealAt(stamp uint64) []byte {
	return r.seal(seal.Body{Stamp: stamp, Door: seal.Tag("nas")})
}

// sequence sends steps such as "7431/tcp" from an address, 50 ms apart.
func (r *rig) sequence(from netip.Addr, steps ...string) {
	for _, step := range steps {
		r.packet(r.step(from, step))
		r.now = r.now.Add(50 * time.Millisecond)
	}
}

// step makes the packet of a step.
func (r *rig) step(from netip.Addr, step string) []byte {
	to := router
	if from.Is6() {
		to = router6
	}
	r.port++
	port, proto, _ := strings.Cut(step, "/")
	src, dst := netip.AddrPortFrom(from, r.port), netip.AddrPortFrom(to, number(r.t, port))
	if proto == "udp" {
		return wire.AppendUDP(nil, src, dst, nil)
	}
	return wire.AppendTCP(nil, src, dst, uint32(r.port)*7919, wire.SYN, nil)
}

func number(t *testing.T, s string) uint16 {
	p, err := netip.ParseAddrPort("0.0.0.0:" + s)
	if err != nil {
		t.Fatal(err)
	}
	return p.Port()
}

// message sends sealed bytes in a STUN packet.
func (r *rig) message(from netip.Addr, msg []byte) { r.packet(r.stun(from, msg)) }

// stun makes a STUN packet to the router with sealed bytes.
func (r *rig) stun(from netip.Addr, msg []byte) []byte {
	to := router
	if from.Is6() {
		to = router6
	}
	r.port++
	payload := wire.AppendBindingRequest(nil, [12]byte{byte(r.port), byte(r.port >> 8)}, base64Of(msg)+":abcd", "a password of 22 chars")
	return wire.AppendUDP(nil, netip.AddrPortFrom(from, r.port), netip.AddrPortFrom(to, stunPort), payload)
}

// seal makes a message of client phone at the rig's time.
func (r *rig) seal(b seal.Body) []byte {
	if b.Stamp == 0 {
		b.Stamp = uint64(r.now.UnixMilli())
	}
	return seal.Seal(key(0), b)
}

// key returns the key that has the bytes first, first+1, ...
func key(first byte) seal.Key {
	var k seal.Key
	for i := range k {
		k[i] = first + byte(i)
	}
	return k
}

// open tells what is left of a door's grants, rounded to seconds: "203.0.113.7 10m0s".
func (r *rig) open(name string) string {
	var list []string
	for n, left := range r.fw.Elements(r.now, name) {
		list = append(list, door.Name(n)+" "+left.Round(time.Second).String())
	}
	if len(list) > 1 {
		r.t.Fatalf("door %s has grants %v, the test expects one at the most", name, list)
	}
	return strings.Join(list, "")
}

// newest returns the newest event, a zero one if there is none.
func (r *rig) newest() (e control.Event) {
	for _, e = range r.reported() {
	}
	return e
}

// last returns the newest event as "refused stale phone".
func (r *rig) last() string {
	e := r.newest()
	return strings.Join(strings.Fields(e.Kind+" "+e.Door+" "+e.Reason+" "+e.Client), " ")
}

// ask sends a control request that must not be refused, and returns the answer.
func (r *rig) ask(t *testing.T, q control.Request) (answer any) {
	t.Helper()
	err := r.Answer(t.Context(), q, func(a any) error { answer = a; return nil })
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

// memory is a daemon.Memory that can fail.
type memory struct {
	pasts  map[string]seal.Past
	used   map[string]bool
	full   bool
	writes int
	fails  int // writes that failed
}

func newMemory() *memory { return &memory{pasts: map[string]seal.Past{}, used: map[string]bool{}} }

var errFull = errors.New("no space left on device")

func (m *memory) write() error {
	if m.full {
		m.fails++
		return errFull
	}
	m.writes++
	return nil
}

func (m *memory) Past(client string) seal.Past { return m.pasts[client] }
func (m *memory) Used(text string) bool        { return m.used[text] }

func (m *memory) Remember(pasts map[string]seal.Past) error {
	changed := false
	for client, p := range pasts {
		changed = changed || !p.Equal(m.pasts[client])
	}
	if !changed {
		return nil
	}
	if err := m.write(); err != nil {
		return err
	}
	maps.Copy(m.pasts, pasts)
	return nil
}

func (m *memory) Use(text string) error {
	if err := m.write(); err != nil {
		return err
	}
	m.used[text] = true
	return nil
}

func (m *memory) Keep([]string, []string) {}
