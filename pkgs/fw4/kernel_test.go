// SPDX-License-Identifier: Apache-2.0

package fw4_test

import (
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/latchkey/latchkey/pkgs/fw4/fw4test"
	"github.com/latchkey/latchkey/pkgs/lab"
)

func TestMain(m *testing.M) { os.Exit(lab.MainHosts(m)) }

// load makes the router's firewall that of a configuration.
func load(t *testing.T, text string) {
	t.Helper()
	lab.Enter(t)
	lab.Run(t, "router", "nft", "flush ruleset")
	reload(t, renderers["played"], text, fw4test.WAN)
}

// say serves a port on a host: whoever comes is told which port it is.
func say(t *testing.T, host, network string, port int) {
	t.Helper()
	text, at := fmt.Sprint(port), fmt.Sprintf(":%d", port)
	lab.In(t, host, func() error {
		if network == "tcp" {
			l, err := net.Listen(network, at)
			if err != nil {
				return err
			}
			t.Cleanup(func() { l.Close() })
			go func() {
				for {
					c, err := l.Accept()
					if err != nil {
						return
					}
					_, _ = io.WriteString(c, text)
					c.Close()
				}
			}()
			return nil
		}
		c, err := net.ListenPacket(network, at)
		if err != nil {
			return err
		}
		t.Cleanup(func() { c.Close() })
		go func() {
			b := make([]byte, 100)
			for {
				_, from, err := c.ReadFrom(b)
				if err != nil {
					return
				}
				_, _ = c.WriteTo([]byte(text), from)
			}
		}()
		return nil
	})
}

// ask returns which port answers a host there, "" if none does within a time.
func ask(t *testing.T, host, network, to string, within time.Duration) (port string) {
	t.Helper()
	lab.In(t, host, func() error {
		c, err := net.DialTimeout(network, to, within)
		if err != nil {
			return nil
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(within))
		if network == "udp" {
			if _, err := c.Write([]byte("?")); err != nil {
				return nil
			}
		}
		b := make([]byte, 100)
		n, _ := c.Read(b)
		port = string(b[:n])
		return nil
	})
	return port
}

// Which port of which host answers at which port outside, and at the ports beside those nobody does.
func TestObjects_lead_each_port_to_its_own(t *testing.T) {
	load(t, `
config door 'nas'
	option port '2222 7000-7003 60000-60003/udp 5000-5003/udp'
	option dest_port '22 9000-9003 60000-60003 6000-6003'
	option dest 'lan'
	option dest_ip '192.168.1.22'
	option dest_ip6 '::22'

config door 'router'
	option proto 'udp'
	option port '8000-8003 443/tcp 8443-8445/tcp'
`)
	for _, p := range strings.Fields("22 9000 9003 9001 9004") {
		say(t, "nas", "tcp", number(p))
	}
	for _, p := range strings.Fields("60000 60002 60003 60004 6000 6003") {
		say(t, "nas", "udp", number(p))
	}
	for _, p := range strings.Fields("443 8443 8445 8446") {
		say(t, "router", "tcp", number(p))
	}
	for _, p := range strings.Fields("8000 8003 8004") {
		say(t, "router", "udp", number(p))
	}
	const four, six, host = "203.0.113.1", "[2001:db8:1::1]", "[2001:db8:2::22]"
	open := []struct{ network, to, port string }{
		{"tcp", four + ":2222", "22"}, {"tcp", four + ":7000", "9000"}, {"tcp", four + ":7001", "9001"}, {"tcp", four + ":7003", "9003"},
		{"udp", four + ":60000", "60000"}, {"udp", four + ":60002", "60002"}, {"udp", four + ":60003", "60003"},
		{"udp", four + ":5000", "6000"}, {"udp", four + ":5003", "6003"},
		{"tcp", host + ":22", "22"}, {"tcp", host + ":9003", "9003"}, {"udp", host + ":60003", "60003"}, {"udp", host + ":6000", "6000"},
		{"tcp", four + ":443", "443"}, {"tcp", four + ":8445", "8445"}, {"udp", four + ":8000", "8000"}, {"udp", four + ":8003", "8003"},
		{"tcp", six + ":443", "443"}, {"tcp", six + ":8443", "8443"}, {"udp", six + ":8003", "8003"},
	}
	closed := []struct{ network, to string }{
		{"tcp", four + ":22"}, {"tcp", four + ":7004"}, {"tcp", four + ":9000"}, {"udp", four + ":60004"}, {"udp", four + ":7000"},
		{"tcp", host + ":9004"}, {"udp", host + ":60004"}, {"tcp", four + ":8446"}, {"udp", six + ":8004"}, {"tcp", four + ":8000"},
	}
	for _, o := range open {
		if got := ask(t, "phone", o.network, o.to, soon); got != "" {
			t.Errorf("before anything is opened, %s %s answers as port %s", o.network, o.to, got)
		}
	}
	for _, set := range []string{"latchkey1_nas_4 { 203.0.113.7 }", "latchkey1_nas_6 { 2001:db8:1::7 }", "latchkey1_router_4 { 203.0.113.7 }", "latchkey1_router_6 { 2001:db8:1::7 }"} {
		lab.Run(t, "router", "nft", "add element inet fw4 "+set)
	}
	for _, o := range open {
		// The first packets of UDP may be lost while neighbours are looked up.
		got := ask(t, "phone", o.network, o.to, 5*time.Second)
		if got == "" && o.network == "udp" {
			got = ask(t, "phone", o.network, o.to, 5*time.Second)
		}
		if got != o.port {
			t.Errorf("%s %s answers as port %q, want %s", o.network, o.to, got, o.port)
		}
	}
	for _, o := range closed {
		if got := ask(t, "phone", o.network, o.to, soon); got != "" {
			t.Errorf("%s %s answers as port %s", o.network, o.to, got)
		}
	}
	for _, o := range open[:5] {
		if got := ask(t, "neighbour", o.network, o.to, soon); got != "" {
			t.Errorf("%s %s answers the neighbour as port %s", o.network, o.to, got)
		}
	}
}

func number(s string) (n int) {
	fmt.Sscan(s, &n)
	return n
}

// Why a range that leads to other ports is taken apart: of DNAT to such a range, the kernel takes one port for all.
func TestKernel_takes_one_port_for_all_of_a_moved_range(t *testing.T) {
	lab.Need(t, "nft")
	load(t, "config door 'nas'\noption port '7001'\noption dest 'lan'\noption dest_ip '192.168.1.22'\n")
	lab.Run(t, "router", "nft", "add rule inet fw4 dstnat_wan tcp dport 7000-7003 dnat ip to 192.168.1.22:9000-9003")
	for port := 9000; port <= 9003; port++ {
		say(t, "nas", "tcp", port)
	}
	ports := map[string]bool{}
	for port := 7000; port <= 7003; port++ {
		ports[ask(t, "phone", "tcp", fmt.Sprintf("203.0.113.1:%d", port), 5*time.Second)] = true
	}
	if len(ports) == 4 {
		t.Error("each port leads to its own: config.MaxMoved is not needed any more")
	}
}
