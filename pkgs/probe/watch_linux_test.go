// SPDX-License-Identifier: Apache-2.0

package probe_test

import (
	"context"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/latchkey/latchkey/pkgs/lab"
	"github.com/latchkey/latchkey/pkgs/probe"
)

func TestMain(m *testing.M) { os.Exit(lab.Main(m)) }

// firewall loads what the port of the door does: "drop", "accept", or "reject with tcp reset".
func firewall(t *testing.T, verdict string) {
	t.Helper()
	cmd := exec.Command("nft", "-f", "-")
	cmd.Stdin = strings.NewReader("flush ruleset\ntable inet t {\nchain in {\ntype filter hook input priority 0\n" +
		"ct state established accept\ntcp dport 2222 " + verdict + "\n}\n}\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// A door at 127.0.0.1, and at an address to which there is no way.
var (
	here    = netip.MustParseAddrPort("127.0.0.1:2222")
	nowhere = netip.MustParseAddrPort("[2001:db8::9]:2222")
)

// serve accepts connections at the door, and tells what came over each until its end.
func serve(t *testing.T) <-chan string {
	t.Helper()
	l, err := net.Listen("tcp", here.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	came := make(chan string, 16)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			text, err := io.ReadAll(c)
			if err != nil {
				text = []byte(err.Error())
			}
			came <- string(text)
			c.Close()
		}
	}()
	return came
}

func TestWatch(t *testing.T) {
	for name, test := range map[string]struct {
		before, after string // what the firewall does
		service       bool
		to            []netip.AddrPort
		want          probe.Verdict
		tries         int // connections that the service gets
	}{
		"a door that opens":                       {"drop", "accept", true, []netip.AddrPort{nowhere, here}, probe.Open, 1},
		"a door that opens in a zone that talks":  {"reject with tcp reset", "accept", true, []netip.AddrPort{here}, probe.Open, 1},
		"a door that stays closed":                {"drop", "drop", true, []netip.AddrPort{here}, probe.NoAnswer, 0},
		"a door that is open":                     {"accept", "accept", true, []netip.AddrPort{here}, probe.Answered, -1},
		"a door that opens and nothing behind it": {"drop", "accept", false, []netip.AddrPort{here, nowhere}, probe.Refuses, 0},
		"a zone that talks":                       {"reject with tcp reset", "reject with tcp reset", true, []netip.AddrPort{here}, probe.Unclear, 0},
		"no way":                                  {"drop", "drop", false, []netip.AddrPort{nowhere}, probe.Offline, 0},
	} {
		t.Run(name, func(t *testing.T) {
			lab.Enter(t)
			firewall(t, test.before)
			var came <-chan string
			if test.service {
				came = serve(t)
			}
			w := probe.Begin(t.Context(), test.to)
			if test.before == "drop" {
				w.Settle(t.Context(), 300*time.Millisecond)
			} else {
				w.Settle(t.Context(), 30*time.Second) // until it has answered
			}
			firewall(t, test.after)
			patience := 10 * time.Second // to be met long before it is over
			if test.want != probe.Open {
				patience = time.Second
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			if conn := w.Await(ctx); conn != nil {
				conn.Close()
			}
			got := w.Verdict()
			w.End()
			if got != test.want {
				t.Errorf("%s, want %s (%v)", got, test.want, w.Err())
			}
			for n := 0; n < test.tries; n++ {
				if text := <-came; text != "" {
					t.Errorf("%q was sent to the service", text)
				}
			}
		})
	}
}
