// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/lab"
)

// A browser that knocks at a name with both families tries IPv6 first and falls back to IPv4 with
// the same SYNs: one message that opens for both addresses (seal.Stamps). Checks to a name are an
// extra of Chromium.
func TestPageKnocksAtName(t *testing.T) {
	d := start(t, sealed, "--clock", "synchronised")
	resolv := serveNames(t, "phone", netip.MustParseAddr(router), netip.MustParseAddr(router6))
	url := "file://" + must(filepath.Abs("../../luci-app/htdocs/latchkey/index.html")) +
		"#v=1&n=home&h=router.example&u=41641&p=20480&k=" + phoneKey + "&d=web"
	for _, browser := range []string{"chromium", "firefox"} {
		t.Run(browser, func(t *testing.T) {
			lab.Need(t, "node")
			seen := must(d.status()).Last
			cmd := lab.On("phone", "sh", "-c", `mount --bind "$0" /etc/resolv.conf; exec node "$@"`,
				resolv, "../../testdata/browser/press.mjs", browser, "web", url)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			want := []string{"message ports " + phone, "message ports " + phone6}
			lab.Wait(t, "the knock opens for both addresses", func() bool {
				var list []control.Event
				if err := d.ask(control.Request{Method: "events", Since: seen}, &list); err != nil {
					t.Fatal(err)
				}
				for _, e := range list {
					want = slices.DeleteFunc(want, func(w string) bool { return w == e.Knock+" "+e.Address || w == e.Also+" "+e.Address })
				}
				return len(want) == 0
			})
			if r := d.refusals(); len(r) > 0 {
				t.Errorf("refusals %v", r)
			}
		})
	}
}

// serveNames answers every DNS question on a host with these addresses, and returns the path of a
// resolv.conf that says so. Without a DNS server Chromium does not even read the hosts file.
func serveNames(t *testing.T, host string, addresses ...netip.Addr) string {
	t.Helper()
	var c net.PacketConn
	lab.In(t, host, func() (err error) {
		c, err = net.ListenPacket("udp", "127.0.0.1:53")
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
			if reply := answer(b[:n], addresses); reply != nil {
				c.WriteTo(reply, from)
			}
		}
	}()
	path := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(path, []byte("nameserver 127.0.0.1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// answer returns the DNS answer to a question, or nil if it is none.
func answer(question []byte, addresses []netip.Addr) []byte {
	var m dnsmessage.Message
	if m.Unpack(question) != nil || len(m.Questions) != 1 {
		return nil
	}
	m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
	q := m.Questions[0]
	header := dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET, TTL: 60}
	for _, a := range addresses {
		switch {
		case a.Is4() && q.Type == dnsmessage.TypeA:
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: header, Body: &dnsmessage.AResource{A: a.As4()}})
		case a.Is6() && q.Type == dnsmessage.TypeAAAA:
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: header, Body: &dnsmessage.AAAAResource{AAAA: a.As16()}})
		}
	}
	reply, err := m.Pack()
	if err != nil {
		return nil
	}
	return reply
}
