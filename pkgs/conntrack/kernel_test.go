// SPDX-License-Identifier: Apache-2.0

package conntrack_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/conntrack"
	"github.com/latchkey/latchkey/pkgs/door"
	"github.com/latchkey/latchkey/pkgs/lab"
)

func TestMain(m *testing.M) { os.Exit(lab.MainHosts(m)) }

// Addresses of testdata/lab.sh.
const (
	router     = "203.0.113.1"
	router6    = "2001:db8:1::1"
	phone      = "203.0.113.7"
	phone6     = "2001:db8:1::7"
	neighbour  = "203.0.113.66"
	neighbour6 = "2001:db8:1::66"
	nas        = "192.168.1.22"
	nas6       = "2001:db8:2::22"
)

// patience is how long what must not come is waited for.
const patience = 300 * time.Millisecond

// way is a way from outside to a service, behind one of the doors of testdata/router.nft.
type way struct {
	name, network  string
	to             string // as the client sees it
	host, listen   string // as the server does
	client, other  string // addresses that may use it
	set, otherDoor string
	flow           door.Flow
}

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

// alone is the network of an address alone.
func alone(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, a.BitLen()) }

var ways = []way{
	{"DNAT", "tcp", router + ":2222", "nas", ":22", phone, neighbour, "latchkey1_nas_4", "latchkey1_web_4",
		door.Flow{From: alone(addr(phone)), Ports: []door.Ports{{Proto: 6, First: 2222, Last: 2222, Server: 22}}, Server: addr(nas)}},
	{"pinhole", "tcp", "[" + nas6 + "]:22", "nas", ":22", phone6, neighbour6, "latchkey1_nas_6", "latchkey1_web_6",
		door.Flow{From: alone(addr(phone6)), Ports: []door.Ports{{Proto: 6, First: 22, Last: 22, Server: 22}}, Server: addr("::22")}},
	{"router", "tcp", router + ":8443", "router", ":8443", phone, neighbour, "latchkey1_web_4", "latchkey1_nas_4",
		door.Flow{From: alone(addr(phone)), Ports: []door.Ports{{Proto: 6, First: 8443, Last: 8443, Server: 8443}, {Proto: 17, First: 8443, Last: 8443, Server: 8443}}}},
	{"router_IPv6", "tcp", "[" + router6 + "]:8443", "router", ":8443", phone6, neighbour6, "latchkey1_web_6", "latchkey1_nas_6",
		door.Flow{From: alone(addr(phone6)), Ports: []door.Ports{{Proto: 6, First: 8443, Last: 8443, Server: 8443}}}},
	{"router_UDP", "udp", router + ":51820", "router", ":51820", phone, neighbour, "latchkey1_vpn_4", "latchkey1_web_4",
		door.Flow{From: alone(addr(phone)), Ports: []door.Ports{{Proto: 17, First: 51820, Last: 51820, Server: 51820}}}},
	{"router_UDP_IPv6", "udp", "[" + router6 + "]:51820", "router", ":51820", phone6, neighbour6, "latchkey1_vpn_6", "latchkey1_web_6",
		door.Flow{From: alone(addr(phone6)), Ports: []door.Ports{{Proto: 17, First: 51820, Last: 51820, Server: 51820}}}},
}

// start reloads the firewall, and lets addresses into sets.
func start(t *testing.T, elements ...string) {
	t.Helper()
	lab.Enter(t)
	lab.Run(t, "router", "nft", "flush ruleset")
	lab.Script(t, "firewall")
	lab.In(t, "router", func() error { // what is left of tests before
		_, err := conntrack.Table{}.End(netip.Prefix{}, func(door.Session) bool { return true })
		return err
	})
	for _, e := range elements {
		nft(t, "add", e)
	}
}

// nft adds or deletes an element, such as "latchkey1_web_4 203.0.113.7".
func nft(t *testing.T, verb, element string) {
	t.Helper()
	set, address, _ := strings.Cut(element, " ")
	lab.Run(t, "router", "nft", fmt.Sprintf("%s element inet fw4 %s { %s }", verb, set, address))
}

// serve answers what it reads, on a host until the test ends; of a UDP service the first line says who asked.
func serve(t *testing.T, network, host, address string) {
	t.Helper()
	if network == "tcp" {
		lab.Serve(t, host, address)
		return
	}
	var c net.PacketConn
	lab.In(t, host, func() (err error) {
		c, err = net.ListenPacket("udp", address)
		return err
	})
	t.Cleanup(func() { c.Close() })
	go func() {
		b := make([]byte, 1500)
		for {
			n, from, err := c.ReadFrom(b)
			if err != nil {
				return
			}
			c.WriteTo(b[:n], from)
		}
	}()
}

// dial begins a session from a host.
func dial(t *testing.T, host, network, to string) net.Conn {
	t.Helper()
	var c net.Conn
	lab.In(t, host, func() (err error) {
		c, err = net.DialTimeout(network, to, 5*time.Second)
		return err
	})
	t.Cleanup(func() { c.Close() })
	return c
}

// answers reports whether what is said comes back within a time.
func answers(t *testing.T, c net.Conn, within time.Duration) bool {
	t.Helper()
	text := []byte(fmt.Sprintf("%d.", time.Now().UnixNano()))
	if _, err := c.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := c.SetReadDeadline(time.Now().Add(within)); err != nil {
		t.Fatal(err)
	}
	var heard []byte
	b := make([]byte, 1500)
	for !bytes.Contains(heard, text) {
		n, err := c.Read(b)
		if err != nil {
			return false
		}
		heard = append(heard, b[:n]...)
	}
	return true
}

// end ends a flow on the router.
func end(t *testing.T, f door.Flow) int {
	t.Helper()
	var n int
	lab.In(t, "router", func() (err error) {
		n, err = conntrack.Table{}.End(f.From, f.Has)
		return err
	})
	return n
}

func TestEnd(t *testing.T) {
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			start(t, w.set+" "+w.client, w.set+" "+w.other)
			serve(t, w.network, w.host, w.listen)
			mine := []net.Conn{dial(t, "phone", w.network, w.to), dial(t, "phone", w.network, w.to)}
			others := dial(t, "neighbour", w.network, w.to)
			for _, c := range append(mine, others) {
				if !answers(t, c, 5*time.Second) {
					t.Fatal("the door is open, but does not answer")
				}
			}

			nft(t, "delete", w.set+" "+w.client)
			if !answers(t, mine[0], 5*time.Second) {
				t.Fatal("closing alone ended the session: the test shows nothing")
			}
			if n := end(t, w.flow); n != 2 {
				t.Errorf("%d sessions ended, want 2", n)
			}
			for _, c := range mine {
				if answers(t, c, patience) {
					t.Error("a session goes on")
				}
			}
			if !answers(t, others, 5*time.Second) {
				t.Error("the neighbour's session ended, too")
			}
			if n := end(t, w.flow); n != 0 {
				t.Errorf("%d sessions ended a second time", n)
			}

			nft(t, "add", w.set+" "+w.client)
			if !answers(t, dial(t, "phone", w.network, w.to), 5*time.Second) {
				t.Error("opened again, the door does not answer")
			}
		})
	}
}

// Who has an address of the network has no session any more, and who has another keeps his.
func TestEnd_of_a_network(t *testing.T) {
	for _, w := range ways {
		for _, tt := range []struct {
			four, six int // bits: the neighbour's address is another from the 26th or 122nd on
			want      int
		}{{24, 64, 2}, {28, 124, 1}} {
			bits := tt.four
			if w.flow.From.Addr().Is6() {
				bits = tt.six
			}
			f := w.flow
			f.From = netip.PrefixFrom(f.From.Addr(), bits).Masked()
			t.Run(w.name+"_"+f.From.String(), func(t *testing.T) {
				start(t, w.set+" "+w.client, w.set+" "+w.other)
				serve(t, w.network, w.host, w.listen)
				sessions := []net.Conn{dial(t, "phone", w.network, w.to), dial(t, "neighbour", w.network, w.to)}
				for _, c := range sessions {
					if !answers(t, c, 5*time.Second) {
						t.Fatal("the door is open, but does not answer")
					}
				}
				nft(t, "delete", w.set+" "+w.client)
				nft(t, "delete", w.set+" "+w.other)
				if n := end(t, f); n != tt.want {
					t.Errorf("%d sessions ended, want %d", n, tt.want)
				}
				if answers(t, sessions[0], patience) {
					t.Error("the phone's session goes on")
				}
				if tt.want == 1 && !answers(t, sessions[1], 5*time.Second) {
					t.Error("the neighbour's session ended, too")
				}
			})
		}
	}
}

// TestEnd_of_a_session_in_which_the_server_talks: what it sends looks like a new connection from
// inside, and must not be the way back in.
func TestEnd_of_a_session_in_which_the_server_talks(t *testing.T) {
	for _, w := range ways {
		if w.network != "tcp" {
			continue // over UDP it is one
		}
		t.Run(w.name, func(t *testing.T) {
			start(t, w.set+" "+w.client)
			heard := make(chan string, 1000)
			talk(t, w.host, w.listen, heard)
			c := dial(t, "phone", "tcp", w.to)
			go io.Copy(io.Discard, c)
			if _, err := io.WriteString(c, "hello"); err != nil {
				t.Fatal(err)
			}
			expect(t, heard, "hello")

			nft(t, "delete", w.set+" "+w.client)
			if n := end(t, w.flow); n != 1 {
				t.Errorf("%d sessions ended, want 1", n)
			}
			deadline := time.Now().Add(2 * time.Second)
			for time.Now().Before(deadline) {
				if _, err := io.WriteString(c, "again"); err != nil {
					break // it was reset
				}
				select {
				case text := <-heard:
					t.Fatalf("the server still hears %q", text)
				case <-time.After(50 * time.Millisecond):
				}
			}
		})
	}
}

// talk is a server that sends all the time, and tells what it hears.
func talk(t *testing.T, host, address string, heard chan<- string) {
	t.Helper()
	var l net.Listener
	lab.In(t, host, func() (err error) {
		l, err = net.Listen("tcp", address)
		return err
	})
	t.Cleanup(func() { l.Close() })
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			for {
				if _, err := io.WriteString(c, "tick"); err != nil {
					return
				}
				time.Sleep(5 * time.Millisecond) // its pace, not a wait
			}
		}()
		b := make([]byte, 1500)
		for {
			n, err := c.Read(b)
			if err != nil {
				return
			}
			heard <- string(b[:n])
		}
	}()
}

func expect(t *testing.T, heard <-chan string, want string) {
	t.Helper()
	select {
	case text := <-heard:
		if text != want {
			t.Fatalf("the server heard %q, want %q", text, want)
		}
	case <-time.After(10 * time.Second):
		t.Fatalf("the server heard nothing, want %q", want)
	}
}

// TestEnd_leaves_sessions_to_other_doors_alone has one address use four doors.
func TestEnd_leaves_sessions_to_other_doors_alone(t *testing.T) {
	var open []string
	for _, w := range ways {
		open = append(open, w.set+" "+w.client)
	}
	start(t, open...)
	serve(t, "tcp", "nas", ":22")
	serve(t, "tcp", "router", ":8443")
	serve(t, "udp", "router", ":51820")
	sessions := make([]net.Conn, len(ways))
	for i, w := range ways {
		if sessions[i] = dial(t, "phone", w.network, w.to); !answers(t, sessions[i], 5*time.Second) {
			t.Fatalf("%s does not answer", w.name)
		}
	}
	for i, w := range ways {
		nft(t, "delete", w.set+" "+w.client)
		if n := end(t, w.flow); n != 1 {
			t.Errorf("%s: %d sessions ended, want 1", w.name, n)
		}
		for j, other := range ways[i+1:] {
			if !answers(t, sessions[i+1+j], 5*time.Second) {
				t.Fatalf("with that of %s, the session of %s ended", w.name, other.name)
			}
		}
	}
}

// TestEnd_of_many_at_once is more than one walk through the kernel's table can take.
func TestEnd_of_many_at_once(t *testing.T) {
	start(t, "latchkey1_vpn_4 "+phone)
	serve(t, "udp", "router", ":51820")
	const many = 1100
	ports := map[string]bool{}
	for len(ports) < many {
		c := dial(t, "phone", "udp", router+":51820")
		ports[c.LocalAddr().String()] = true
		if _, err := c.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		c.Close()
	}
	// The last of them was seen when another is answered: not at once, where those before fill the server's buffer.
	last := dial(t, "phone", "udp", router+":51820")
	ports[last.LocalAddr().String()] = true
	lab.Wait(t, "an answer", func() bool { return answers(t, last, time.Second) })
	if n := end(t, ways[4].flow); n != len(ports) {
		t.Errorf("%d sessions ended, want %d", n, len(ports))
	}
}

// within runs f on the router, on a thread that has these capabilities only.
func within(t *testing.T, capabilities uint32, f func() error) error {
	t.Helper()
	return lab.Do("router", func() error {
		runtime.LockOSThread()
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		data := [2]unix.CapUserData{{Effective: capabilities, Permitted: capabilities}}
		if err := unix.Capset(&header, &data[0]); err != nil {
			return fmt.Errorf("capset: %w", err)
		}
		return f()
	})
}

func TestEnd_takes_one_capability(t *testing.T) {
	w := ways[0]
	start(t, w.set+" "+w.client)
	serve(t, w.network, w.host, w.listen)
	if !answers(t, dial(t, "phone", w.network, w.to), 5*time.Second) {
		t.Fatal("no answer")
	}
	var table conntrack.Table
	n, check := 0, error(nil)
	err := within(t, 1<<unix.CAP_NET_ADMIN, func() (err error) {
		check = table.Check()
		n, err = table.End(w.flow.From, w.flow.Has)
		return err
	})
	if check != nil || err != nil || n != 1 {
		t.Errorf("check: %v; %d sessions ended, error %v", check, n, err)
	}
	for what, f := range map[string]func() error{
		"check": table.Check,
		"end":   func() error { _, err := table.End(w.flow.From, w.flow.Has); return err },
	} {
		if err := within(t, 0, f); !errors.Is(err, unix.EPERM) || !strings.Contains(err.Error(), "CAP_NET_ADMIN") {
			t.Errorf("%s without it: error %v, want EPERM and a word on CAP_NET_ADMIN", what, err)
		}
	}
}
