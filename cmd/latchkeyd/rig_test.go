// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/lab"
	"github.com/latchkey/latchkey/pkgs/wire"
)

// asDaemon makes the test binary behave as latchkeyd.
const asDaemon = "LATCHKEYD_TEST_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(asDaemon) != "" { // which stays set: the daemon may execute itself again
		strictMain()
	}
	testscript.Main(inLab{m}, map[string]func(){"latchkeyd": strictMain})
}

// strictMain is main for tests: a system call that is missing in the lists of what the daemon needs ends it.
func strictMain() {
	e := console()
	e.strict = true
	if os.Getenv(asTaken) != "" {
		e.strict = false // what is tried shall have an answer
		go tryAsTold()
	}
	if offset := os.Getenv(clockOffset); offset != "" {
		os.Exit(report(command{name: "run"}, runBy(setClock(offset), e, os.Args[2:]), e.err))
	}
	os.Exit(latchkeyd(os.Args[1:], e))
}

// inLab runs the tests among the hosts of the lab.
type inLab struct{ m *testing.M }

func (l inLab) Run() int {
	defer shipped.remove()
	return lab.MainHosts(l.m)
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			e.Setenv("TZ", "UTC")
			return nil
		},
	})
}

// Addresses of testdata/lab.sh.
const (
	router     = "203.0.113.1"
	router6    = "2001:db8:1::1"
	phone      = "203.0.113.7"
	phone6     = "2001:db8:1::7"
	neighbour  = "203.0.113.66"
	neighbour6 = "2001:db8:1::66"
	nas6       = "2001:db8:2::22"
)

// How doors are reached from outside.
const (
	nasDoor  = router + ":2222"
	nasDoor6 = "[" + nas6 + "]:22"
	webDoor  = router + ":8443"
	webDoor6 = "[" + router6 + "]:8443"
)

// closedFor is how long a connection that is dropped is tried.
const closedFor = 300 * time.Millisecond

// home is the configuration of most tests. The nas closes soon, the web does not.
const home = `
config latchkey 'main'
	option enabled '1'
	list device 'wan'

config door 'nas'
	option title 'SSH to the NAS'
	option port '2222'
	option dest 'lan'
	option dest_ip '192.168.1.22'
	option dest_ip6 '2001:db8:2::22'
	option dest_port '22'
	option open_for '3s'

config door 'web'
	option port '8443'
	option open_for '5m'

config sequence 'to_nas'
	list step '7431/tcp'
	list step '2951/udp'
	list step '8812/tcp'
	list door 'nas'

config sequence 'to_web'
	list step '5100/tcp'
	list step '6200/udp'
	list step 'icmp:77'
	list step '4300/tcp'
	list door 'web'

config sequence 'sorted'
	list step '7000/tcp'
	list step '8000/tcp'
	list step '9000/tcp'
	list door 'web'
`

// What Debian's knock calls them.
var (
	toNAS  = []string{"7431:tcp", "2951:udp", "8812:tcp"}
	sorted = []string{"7000:tcp", "8000:tcp", "9000:tcp"}
)

// latchkeyd is the real program on the router.
type latchkeydProcess struct {
	t       *testing.T
	program string
	dir     string
	socket  string
	env     []string   // more of it
	files   []*os.File // that it gets as descriptors 3 and so on
	cmd     *exec.Cmd
	ended   chan error
	log     *lockedBuffer
	out     *os.File // where it logs to instead of to log; nil = it does not
}

// start runs latchkeyd on the router with a fresh firewall, until the test ends.
func start(t *testing.T, config string, flags ...string) *latchkeydProcess {
	t.Helper()
	lab.Enter(t)
	return startProgram(t, shipped.program(t), config, flags...)
}

// startProgram is start for another program than this one.
func startProgram(t *testing.T, program, config string, flags ...string) *latchkeydProcess {
	t.Helper()
	lab.Enter(t)
	d := &latchkeydProcess{t: t, program: program, dir: t.TempDir()}
	d.prepare(config)
	d.run(flags...)
	return d
}

// prepare makes what a start needs, and ends it with the test.
func (d *latchkeydProcess) prepare(config string) {
	d.t.Helper()
	lab.Run(d.t, "router", "nft", "flush ruleset")
	lab.Script(d.t, "firewall")
	d.socket = filepath.Join(d.dir, "sock")
	d.write(config)
	d.t.Cleanup(func() {
		d.stop()
		if d.t.Failed() {
			d.t.Logf("latchkeyd said:\n%s", d.log)
		}
	})
}

func (d *latchkeydProcess) write(config string) {
	d.t.Helper()
	path := filepath.Join(d.dir, "config")
	if err := errors.Join(os.WriteFile(path+".new", []byte(config), 0o600), os.Rename(path+".new", path)); err != nil {
		d.t.Fatal(err)
	}
}

// run starts the process and waits until it listens.
func (d *latchkeydProcess) run(flags ...string) {
	d.t.Helper()
	d.begin(flags...)
	d.waitFor("up")
}

// begin starts the process.
func (d *latchkeydProcess) begin(flags ...string) {
	d.t.Helper()
	args := append([]string{"run", "--config", filepath.Join(d.dir, "config"), "--state", filepath.Join(d.dir, "state"),
		"--socket", d.socket, "--events", "none"}, flags...) // so that what is told before a restart is not found after it
	d.log = &lockedBuffer{}
	d.cmd = lab.On("router", d.program, args...)
	d.cmd.Env = append(append(os.Environ(), asDaemon+"=1", "GOMEMLIMIT=12MiB"), d.env...) // as the init script does
	d.cmd.ExtraFiles = d.files
	d.cmd.Stdout, d.cmd.Stderr = d.log, d.log
	if d.out != nil {
		d.cmd.Stdout, d.cmd.Stderr = d.out, d.out
	}
	if err := d.cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	d.ended = make(chan error, 1)
	go func() { d.ended <- d.cmd.Wait() }()
}

// waitFor waits until the process answers and says that of wan.
func (d *latchkeydProcess) waitFor(state string) {
	d.t.Helper()
	lab.Wait(d.t, "latchkeyd says that wan is "+state, func() bool {
		s, err := d.status()
		return err == nil && len(s.Devices) > 0 && s.Devices[0].State == state
	})
}

// kill ends the process as a crash would.
func (d *latchkeydProcess) kill() {
	d.t.Helper()
	if err := d.cmd.Process.Kill(); err != nil {
		d.t.Fatal(err)
	}
	<-d.ended
	d.ended = nil
}

func (d *latchkeydProcess) signal(s os.Signal) {
	d.t.Helper()
	if err := d.cmd.Process.Signal(s); err != nil {
		d.t.Fatal(err)
	}
}

// stop ends the process as its init script would. It may have ended already.
func (d *latchkeydProcess) stop() {
	d.t.Helper()
	if d.ended == nil {
		return
	}
	d.signal(unix.SIGTERM)
	if err := <-d.ended; err != nil {
		d.t.Errorf("latchkeyd ended with %v", err)
	}
	d.ended = nil
}

func (d *latchkeydProcess) ask(r control.Request, answer any) error {
	c, err := control.Dial(d.socket)
	if err != nil {
		return err
	}
	defer c.Close()
	return c.Call(r, answer)
}

func (d *latchkeydProcess) status() (s control.Status, err error) {
	err = d.ask(control.Request{Method: "status"}, &s)
	return s, err
}

// grants returns for whom a door is open.
func (d *latchkeydProcess) grants(door string) []string {
	d.t.Helper()
	s, err := d.status()
	if err != nil {
		d.t.Fatal(err)
	}
	list := []string{}
	for _, x := range s.Doors {
		for _, g := range x.Grants {
			if x.Name == door {
				list = append(list, g.Address)
			}
		}
	}
	return list
}

// count returns how often an event of a kind happened for an address.
func (d *latchkeydProcess) count(kind, address string) int {
	d.t.Helper()
	var list []control.Event
	if err := d.ask(control.Request{Method: "events"}, &list); err != nil {
		d.t.Fatal(err)
	}
	n := 0
	for _, e := range list {
		if e.Kind == kind && e.Address == address {
			n += max(e.Count, 1)
		}
	}
	return n
}

// settle returns when the daemon has seen every packet that was sent before: it knocks from the
// neighbour, whose knock comes after them on the same wire.
func (d *latchkeydProcess) settle() {
	d.t.Helper()
	before := d.count("opened", neighbour) + d.count("extended", neighbour)
	d.knock("neighbour", router, "5100:tcp", "6200:udp")
	ping(d.t, "neighbour", router)
	d.knock("neighbour", router, "4300:tcp")
	lab.Wait(d.t, "the neighbour's knock", func() bool {
		return d.count("opened", neighbour)+d.count("extended", neighbour) > before
	})
}

// tryPort returns why a host gets no TCP connection within a time: by a refusal, no answer, or no way there.
func tryPort(host, address string, within time.Duration) error {
	return lab.Do(host, func() error {
		c, err := net.DialTimeout("tcp", address, within)
		if err == nil {
			c.Close()
		}
		return err
	})
}

// ping sends the step icmp:77, as ping does, but waits for no answer: there is none, and BusyBox's would wait a second.
func ping(t *testing.T, host, to string) {
	t.Helper()
	lab.In(t, host, func() error {
		addr := netip.MustParseAddr(to)
		network, header := "ip4:icmp", 20
		if addr.Is6() {
			network, header = "ip6:ipv6-icmp", 40
		}
		c, err := net.Dial(network, to)
		if err != nil {
			return err
		}
		defer c.Close()
		_, err = c.Write(wire.AppendEcho(nil, addr, addr, 1, 1, make([]byte, 77))[header:])
		return err
	})
}

// knock runs Debian's knock on a host.
func (d *latchkeydProcess) knock(host, to string, steps ...string) {
	d.t.Helper()
	args := []string{"-d", "30", to}
	if strings.Contains(to, ":") {
		args = append([]string{"-6"}, args...)
	}
	lab.Run(d.t, host, "knock", append(args, steps...)...)
}

// spoof sends whole IPv4 packets from a host, whatever source they name.
func spoof(t *testing.T, host string, packets ...[]byte) {
	t.Helper()
	lab.In(t, host, func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_RAW)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		for _, p := range packets {
			if err := unix.Sendto(fd, p, 0, &unix.SockaddrInet4{Addr: [4]byte(p[16:20])}); err != nil {
				return err
			}
		}
		return nil
	})
}

func syn(from string, port uint16) []byte {
	return wire.AppendTCP(nil, netip.AddrPortFrom(netip.MustParseAddr(from), 50000+port%1000),
		netip.AddrPortFrom(netip.MustParseAddr(router), port), uint32(port)<<8, wire.SYN, nil)
}

// nodeOn returns a command that runs Node.js on a host, which the browsers are steered with.
func nodeOn(t *testing.T, host string, args ...string) *exec.Cmd {
	t.Helper()
	lab.Need(t, "node")
	return lab.On(host, "node", args...)
}

// lockedBuffer is a buffer that may be read while a process writes to it.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
