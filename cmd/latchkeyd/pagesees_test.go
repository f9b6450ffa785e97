// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/lab"
)

// What the cards of the page say, in English, by their beginnings.
const (
	saysOpen    = "Open."
	saysAgain   = "No answer yet: knocked again."
	saysSilent  = "Nothing comes back."
	saysAnswers = "Knocked. Closed ports of this router answer, too"
	saysHere    = "It answers without a knock: you are at home"
	saysBefore  = "Knocked. It answered before the knock"
	saysOffline = "This device is offline."
	saysKnocked = "Knocked at "
	saysClosed  = "Closed: it answers no more."
	saysAsked   = "Asked to close."
)

// doorsOfPage is a configuration with a service for each door but the last.
var doorsOfPage = strings.Replace(strings.Replace(sealed, "open_for '3s'", "open_for '5m'", 1), "\tlist door 'nas'\n", `	list door 'nas'
	list door 'vpn'

config door 'vpn'
	option port '51820'
	list proto 'udp'
`, 1)

// pageLink returns the page with a link to these addresses, whose key is right or not.
func pageLink(key string, addresses ...string) string {
	link := "file://" + must(filepath.Abs("../../luci-app/htdocs/latchkey/index.html")) + "#v=1&n=home&u=41641&p=20480&k=" + key + "&d=nas,web,vpn,old,mail"
	for _, item := range []string{"nas:tcp:2222:ssh:NAS: SSH", "web:tcp+udp:8443-8444+9000:http:", "vpn:udp:51820::VPN", "mail:tcp:22:ssh:On a port that browsers avoid"} {
		link += "&i=" + strings.ReplaceAll(url.QueryEscape(item), "+", "%20")
	}
	link += "&t=nas:300:3600"
	for _, a := range addresses {
		link += "&a=" + a
	}
	return link
}

// overUDP is a link without ports: a knock by them takes 48 of the 256 connections that Chromium has for two minutes.
func overUDP(link string) string { return strings.Replace(link, "&p=20480", "", 1) }

// TestPageSaysWhatItSaw presses doors of the knock page in real browsers, against a router whose zone drops what is closed,
// one that refuses it, and none.
func TestPageSaysWhatItSaw(t *testing.T) {
	for _, browser := range []string{"chromium", "firefox"} {
		t.Run(browser, func(t *testing.T) {
			d := start(t, doorsOfPage, "--clock", "synchronised")
			lab.SSHD(t)
			p := newCards(t, d, browser)
			for _, c := range []struct {
				name string
				play func(t *testing.T)
			}{
				{"silence that turns into an answer is open, with the time that is left and where to connect", func(t *testing.T) {
					p.do(t, "open "+pageLink(phoneKey, router, router6))
					got, r := p.want(t, "press nas", true, saysOpen)
					if !strings.HasSuffix(got.Time, " left") || got.Connect != "ssh://"+router+":2222" || !strings.HasPrefix(r.Focus, "NAS: SSH") {
						t.Errorf("the card says %+v, the focus is on %q", got, r.Focus)
					}
				}},
				{"what answered before is not taken for opened now", func(t *testing.T) {
					for _, address := range []string{phone, phone6} {
						d.ask(control.Request{Method: "open", Door: "nas", Address: address, For: "5m"}, nil)
					}
					p.do(t, "open "+overUDP(pageLink(phoneKey, router, router6)))
					if got, _ := p.want(t, "wait nas", false, saysHere); got.Connect != "ssh://"+router+":2222" && got.Connect != "ssh://["+router6+"]:2222" {
						t.Errorf("the card leads to %q", got.Connect)
					}
					p.want(t, "press nas", false, saysBefore)
				}},
				{"a door that falls silent is closed", func(t *testing.T) {
					d.ask(closeRequest("nas"), nil)
					p.do(t, "open "+overUDP(pageLink(phoneKey, router, router6)))
					p.want(t, "press nas", true, saysOpen)
					p.want(t, "shut nas", false, saysClosed)
				}},
				{"a web server is seen, seen shut, and not followed elsewhere", func(t *testing.T) {
					elsewhere := &http.Server{Handler: http.RedirectHandler("http://"+router+":9443/", http.StatusFound)}
					defer elsewhere.Close()
					lab.In(t, "router", func() error {
						l, err := net.Listen("tcp", router+":8443")
						go elsewhere.Serve(l)
						return err
					})
					p.do(t, "open "+overUDP(pageLink(phoneKey, router, router6)))
					p.want(t, "press web", true, saysOpen)
					p.want(t, "shut web", false, saysClosed)
					p.do(t, "open "+overUDP(strings.Replace(pageLink(phoneKey, router), "%3Ahttp%3A", "%3A%3A", 1)))
					p.want(t, "press web", true, saysOpen)
				}},
				{"an answer over a connection that was left over from before does not count", func(t *testing.T) {
					web := &http.Server{Handler: http.NotFoundHandler()}
					web.SetKeepAlivesEnabled(false)
					defer web.Close()
					lab.In(t, "router", func() error {
						l, err := net.Listen("tcp", router+":8443")
						go web.Serve(l)
						return err
					})
					d.ask(control.Request{Method: "close", Door: "web"}, nil)
					p.do(t, "open "+overUDP(strings.Replace(pageLink(phoneKey, router), "%3Ahttp%3A", "%3A%3A", 1)))
					p.want(t, "press web", true, saysOpen)
					// Where the first packet of a connection is lost, the browser begins another one after 250 ms, and keeps both.
					lab.Run(t, "router", "nft", `table inet lost {
						chain first {
							type filter hook prerouting priority -400
							tcp dport 8443 tcp flags syn / syn,ack quota until 100 bytes counter drop
						}
					}`)
					defer lab.Run(t, "router", "nft", "delete table inet lost")
					p.want(t, "shut web", false, saysClosed)
					if counted := lab.Run(t, "router", "nft", "list table inet lost"); !strings.Contains(counted, "packets 1 ") {
						t.Errorf("not one packet was lost: %s", counted)
					}
				}},
				{"a service that is down is behind an open door", func(t *testing.T) {
					d.ask(control.Request{Method: "close", Door: "web"}, nil)
					p.do(t, "open "+overUDP(pageLink(phoneKey, router, router6)))
					got, _ := p.want(t, "press web", true, saysOpen)
					// Of two addresses that refuse, the one that was heard first is named.
					if !strings.HasPrefix(got.Time, "Open since ") || got.Connect != "http://"+router+":8443/" && got.Connect != "http://["+router6+"]:8443/" {
						t.Errorf("the card says %+v", got)
					}
				}},
				{"nothing is claimed of UDP, of a port that browsers avoid, and of a door of which nothing is known", func(t *testing.T) {
					for door, place := range map[string]string{"vpn": router + ":51820", "mail": router + ":22", "old": ""} {
						got, _ := p.want(t, "press "+door, false, saysKnocked)
						if got.Place != place {
							t.Errorf("%s is at %q, want %q", door, got.Place, place)
						}
					}
				}},
				{"a key that opens nothing leads to a second knock, and to the router's events", func(t *testing.T) {
					p.do(t, "open "+pageLink(deviceKey, router))
					_, got := p.want(t, "press nas", false, saysSilent)
					if len(got.Said) < 2 || got.Said[len(got.Said)-2].Result != saysAgain {
						t.Errorf("the card said %+v", got.Said)
					}
				}},
				{"a page that shall not try doors claims nothing", func(t *testing.T) {
					p.do(t, "open "+pageLink(phoneKey, router))
					p.do(t, "probe")
					p.want(t, "press nas", false, saysKnocked)
					lab.Wait(t, "the door is open", func() bool { return len(d.grants("nas")) > 0 })
					p.want(t, "shut nas", false, saysAsked)
					p.do(t, "probe")
				}},
				{"a router that is gone is silent", func(t *testing.T) {
					lab.Run(t, "router", "ip", "link", "set", "wan", "down")
					defer lab.Run(t, "router", "sh", "-c", "ip link set wan up; ip addr add 2001:db8:1::1/64 dev wan")
					p.do(t, "open "+pageLink(phoneKey, router))
					p.want(t, "press nas", false, saysSilent)
				}},
				{"a device without a network is offline", func(t *testing.T) {
					p.do(t, "open "+pageLink(phoneKey, router, router6))
					lab.Run(t, "phone", "ip", "link", "set", "eth0", "down")
					defer lab.Run(t, "phone", "sh", "-c", `ip link set eth0 up; ip addr add 2001:db8:1::7/64 dev eth0
						ip route add default via 203.0.113.1; ip route add default via 2001:db8:1::1`)
					for _, door := range []string{"nas", "vpn"} {
						p.want(t, "press "+door, false, saysOffline)
					}
				}},
				{"where closed ports answer nothing can be told", func(t *testing.T) {
					lab.Run(t, "router", "nft", "insert rule inet fw4 input_wan tcp dport != 8443 ct status != dnat reject with tcp reset")
					defer lab.Script(t, "firewall")
					for _, addresses := range [][]string{{router}, {router6}, {router, router6}} {
						p.do(t, "open "+pageLink(phoneKey, addresses...))
						p.want(t, "press nas", false, saysAnswers)
					}
				}},
			} {
				t.Run(strings.ReplaceAll(c.name, " ", "_"), c.play)
			}
		})
	}
}

// cards is the knock page in a browser on the phone.
type cards struct {
	t      *testing.T
	router *latchkeydProcess
	in     io.Writer
	out    *bufio.Scanner
	said   *lockedBuffer
}

// cardsReply is what a card said after a step, in order, and what has the focus.
type cardsReply struct {
	Said  []cardSays
	Focus string
}

type cardSays struct {
	Result, Time   string
	Connect, Place string
	Open           bool
	MS             int // since the press
}

func newCards(t *testing.T, router *latchkeydProcess, browser string) *cards {
	t.Helper()
	p := &cards{t: t, router: router, said: &lockedBuffer{}}
	cmd := nodeOn(t, "phone", "../../testdata/browser/card.mjs", browser)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
	// The browser is node's child: it must not go on knocking when the test is over.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Stderr = p.said
	in := must(cmd.StdinPipe())
	p.in, p.out = in, bufio.NewScanner(must(cmd.StdoutPipe()))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		within(10*time.Second, func() bool { return !p.out.Scan() })
		unix.Kill(-cmd.Process.Pid, unix.SIGKILL)
		cmd.Wait()
	})
	return p
}

// do does a step of card.mjs.
func (p *cards) do(t *testing.T, step string) (r cardsReply) {
	t.Helper()
	if _, err := io.WriteString(p.in, step+"\n"); err != nil {
		t.Fatalf("%s: %v: %s", step, err, p.said)
	}
	if !p.out.Scan() {
		t.Fatalf("%s: the browser ended: %s", step, p.said)
	}
	if err := json.Unmarshal(p.out.Bytes(), &r); err != nil {
		t.Fatalf("%s: %q: %v", step, p.out.Text(), err)
	}
	return r
}

// slow is what the page says rightly instead, where an answer takes more than 0.7 s: a machine with much else to do
// is so slow now and then.
var slow = map[string][]string{
	saysOpen:   {saysKnocked},
	saysHere:   {saysKnocked},
	saysBefore: {saysOpen, saysKnocked},
	saysClosed: {saysAsked},
}

// want does a step, after which the card must say this last, and be drawn open only if it is. On a slow machine it is
// done again, up to three times, with the door as it was. After a press Chromium may have up to six connections left over
// from then, each of which brings an answer before the next press: see luci-app/page/README.md.
func (p *cards) want(t *testing.T, step string, open bool, says string) (last cardSays, r cardsReply) {
	t.Helper()
	_, door, _ := strings.Cut(step, " ")
	for tries, left := 1, 6; ; tries++ {
		r = p.do(t, step)
		if len(r.Said) == 0 {
			t.Fatalf("%s: the card says nothing", step)
		}
		last = r.Said[len(r.Said)-1]
		if last.Open == open && strings.HasPrefix(last.Result, says) {
			return last, r
		}
		isSlow := slices.ContainsFunc(slow[says], func(s string) bool { return strings.HasPrefix(last.Result, s) })
		if tries > 1 && says == saysOpen && left > 0 && strings.HasPrefix(last.Result, saysBefore) {
			isSlow = true
			left--
			tries--
		}
		if tries == 4 || !isSlow {
			t.Errorf("%s: the card says %+v, want %q and open %v", step, last, says, open)
			return last, r
		}
		t.Logf("%s: the card says %+v: again", step, last)
		switch says {
		case saysOpen:
			p.router.ask(closeRequest(door), nil)
		case saysClosed:
			p.do(t, "press "+door)
		}
	}
}
