// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/latchkey/latchkey/pkgs/capture"
	"github.com/latchkey/latchkey/pkgs/door"
	"github.com/latchkey/latchkey/pkgs/knock"
	"github.com/latchkey/latchkey/pkgs/lab"
	"github.com/latchkey/latchkey/pkgs/link"
	"github.com/latchkey/latchkey/pkgs/nft"
	"github.com/latchkey/latchkey/pkgs/seal"
	"github.com/latchkey/latchkey/pkgs/wire"
)

// ruleset is a router's firewall on the loopback device: the service behind door nas, on port
// 2222, and all ports of knocks answer nothing.
const ruleset = `
flush ruleset
table inet fw4 {
	set latchkey1_nas_4 { type ipv4_addr; flags timeout; }
	set latchkey1_nas_6 { type ipv6_addr; flags timeout; }
	chain input {
		type filter hook input priority 0; policy accept
		ct state established accept
		tcp dport 2222 ip saddr @latchkey1_nas_4 accept
		tcp dport 2222 ip6 saddr @latchkey1_nas_6 accept
		tcp dport { 2222, 7000, 20480-26623 } drop
		udp dport { 8000, 41641 } drop
	}
}
`

// router is what a knock needs at the other end: real capture, detectors and firewall, with a
// word of its own in between.
type router struct {
	mu        sync.Mutex
	ring      *seal.Ring
	stamps    *seal.Stamps
	book      *door.Book
	detectors []knock.Detector
	log       []string
}

// startRouter is the script command: router LINKFILE. It opens door nas for messages of the link's
// key, and recognises the sequence 7000/tcp 8000/udp icmp:77.
func startRouter(ts *testscript.TestScript, neg bool, args []string) {
	turn.Lock() // scripts run at the same time, but there is one loopback device
	ts.Defer(turn.Unlock)
	l, err := link.Parse(ts.ReadFile(args[0]))
	ts.Check(err)
	load := exec.Command("sh", "-c", "ip link set lo up && nft -f -")
	load.Stdin = strings.NewReader(ruleset)
	if out, err := load.CombinedOutput(); err != nil {
		ts.Fatalf("loopback: %v\n%s", err, out)
	}
	fw, err := nft.Open(nft.Config{})
	ts.Check(err)
	ts.Defer(func() { ts.Check(fw.Shutdown()) })

	now := time.Now()
	r := &router{stamps: seal.NewStamps(seal.Millis, seal.Past{}), ring: seal.NewRing([]seal.Key{l.Key}), book: door.NewBook(fw, door.Limits{})}
	r.ring.Advance(now, true)
	_, err = r.book.SetDoors(now, []door.Door{{Name: "nas", OpenFor: time.Minute, MaxOpen: time.Hour}})
	ts.Check(err)
	var steps []knock.Step
	for _, text := range []string{"7000/tcp", "8000/udp", "icmp:77"} {
		s, err := knock.ParseStep(text)
		ts.Check(err)
		steps = append(steps, s)
	}
	r.detectors = knock.New(knock.Config{
		Sequences: []knock.Sequence{{Name: "nas", Steps: steps, Within: 10 * time.Second}},
		Clients:   []knock.Client{{Name: "phone"}},
		Ring:      r.ring,
		STUNPorts: l.STUNPorts,
		Ports:     wire.PortRange{First: l.Ports, Last: l.Ports + 24*256 - 1},
	}, now)
	var f wire.Filter
	for _, d := range r.detectors {
		d.AddFilter(&f)
	}
	f.Normalize()
	live, err := capture.Listen(r.packets, func(capture.Link) {}, true)
	ts.Check(err)
	ts.Defer(func() { live.Close() })
	ts.Check(live.Set([]string{"lo"}, f))
	routers.Store(ts.Getenv("WORK"), r)
	serve(ts)
}

var (
	turn    sync.Mutex // of the script that has a router
	routers sync.Map   // the *router of each script, by its directory
)

// serve answers on the service's port with what it is told, in capitals.
func serve(ts *testscript.TestScript) {
	for _, address := range []string{"127.0.0.1:2222", "[::1]:2222"} {
		server, err := net.Listen("tcp", address)
		ts.Check(err)
		ts.Defer(func() { server.Close() })
		go func() {
			for {
				conn, err := server.Accept()
				if err != nil {
					return
				}
				go func() {
					defer conn.Close()
					var text []byte
					for b := make([]byte, 512); ; { // until the other side has said it all
						n, err := conn.Read(b)
						text = append(text, b[:n]...)
						if err != nil {
							break
						}
					}
					fmt.Fprint(conn, strings.ToUpper(string(text)))
				}()
			}
		}()
	}
}

func (r *router) packets(now time.Time, _ string, packets [][]byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var p wire.Packet
	for _, b := range packets {
		if p.Decode(b) != nil {
			continue
		}
		for _, d := range r.detectors {
			d.Observe(now, &p, func(f knock.Finding) { r.log = append(r.log, r.admit(now, f)) })
		}
	}
}

// admit opens and closes door nas, and returns what it did in words.
func (r *router) admit(now time.Time, f knock.Finding) string {
	from := "4"
	if f.From.Is6() {
		from = "6"
	}
	if f.Kind == knock.KindSequence {
		return fmt.Sprintf("sequence %s %s ipv%s", f.Name, f.Reason, from)
	}
	what := fmt.Sprintf("%s ipv%s", f.Carrier, from)
	if f.Reason != knock.OK {
		return what + " " + string(f.Reason)
	}
	if r.stamps.Receive(now, seal.Window{}, f.Body.Stamp, f.From) != seal.Fresh {
		return what + " replayed"
	}
	r.stamps.Accept(f.Body.Stamp)
	who := f.From
	if f.Body.Address.IsValid() {
		who = f.Body.Address
	}
	if f.Body.Door != (seal.DoorTag{}) && f.Body.Door != seal.Tag("nas") {
		return what + " another door"
	}
	var err error
	if f.Body.Close {
		_, err = r.book.Close(now, "nas", who)
		return fmt.Sprint(what, " close ", who, " ", err)
	}
	_, _, err = r.book.Open(now, door.Ask{Door: "nas", Address: who, For: time.Duration(f.Body.Minutes) * time.Minute})
	return fmt.Sprint(what, " open ", who, " ", f.Body.Minutes, "m ", err)
}

// routerSaw is the script command: saw LINE... It waits until the router saw exactly that, in any
// order, and forgets it.
func routerSaw(ts *testscript.TestScript, neg bool, want []string) {
	v, ok := routers.Load(ts.Getenv("WORK"))
	if !ok {
		ts.Fatalf("there is no router")
	}
	r := v.(*router)
	slices.Sort(want)
	var got []string
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		r.mu.Lock()
		got = slices.Sorted(slices.Values(r.log))
		if len(got) >= len(want) {
			r.log = nil
		}
		r.mu.Unlock()
		if len(got) >= len(want) {
			break
		}
	}
	if !slices.Equal(got, want) {
		ts.Fatalf("the router saw\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// inLab runs the tests among the hosts of the lab.
type inLab struct{ *testing.M }

func (m inLab) Run() int { return lab.MainHosts(m.M) }

func TestMain(m *testing.M) {
	testscript.Main(inLab{m}, map[string]func(){"latchkey": main})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			e.Setenv("HOME", e.Getenv("WORK")+"/home")
			for name, path := range map[string]string{"LAB": "../../testdata/lab.sh", "PYTHON": "../knock/knock.py"} {
				path, err := filepath.Abs(path)
				if err != nil {
					return err
				}
				e.Setenv(name, path)
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"daemon": startDaemon,
			"router": startRouter,
			"saw":    routerSaw,
			"mode":   mode,
			"usage":  wrongUsage,
			"exits":  exits,
		},
		Condition: func(what string) (bool, error) {
			return what == "lab" && os.Getenv("LATCHKEY_LAB") == "inside", nil
		},
	})
}

// mode is the script command: mode FILE OCTAL.
func mode(ts *testscript.TestScript, neg bool, args []string) {
	info, err := os.Stat(ts.MkAbs(args[0]))
	ts.Check(err)
	if got := fmt.Sprintf("%o", info.Mode().Perm()); got != args[1] {
		ts.Fatalf("mode of %s is %s, want %s", args[0], got, args[1])
	}
}

// wrongUsage is the script command: usage ARG... It runs latchkey and wants exit code 2.
func wrongUsage(ts *testscript.TestScript, neg bool, args []string) {
	exits(ts, neg, append([]string{strconv.Itoa(exitUsage), "latchkey"}, args...))
}

// exits is the script command: exits CODE PROGRAM ARG... It runs a program and wants an exit code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != want {
		ts.Fatalf("%q: %v, want exit code %d", args[1:], err, want)
	}
}
