// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/latchkey/latchkey/pkgs/seal"
)

// service is a door of testdata/router.nft, and how it is reached from outside.
type service struct {
	name   string
	proto  string
	port   uint16
	four   string // address and port over IPv4 …
	six    string // … and over IPv6
	spa    string // what fwknop calls it
	config string // options of its section
}

// How long doors are open. Renewing one comes renewAfter its opening: an event that comes within 5 s is
// taken for the same press of a button, and not told.
const (
	openFor    = 8 * time.Second
	renewAfter = 5500 * time.Millisecond
	maxOpen    = 20 * time.Second
)

var services = []service{
	{"web", "tcp", 8443, "203.0.113.1:8443", "[2001:db8:1::1]:8443", "tcp/8443", "option port '8443'"},
	{"nas", "tcp", 2222, "203.0.113.1:2222", "[2001:db8:2::22]:22", "tcp/2222",
		"option port '2222'\n\toption dest 'lan'\n\toption dest_ip '192.168.1.22'\n\toption dest_ip6 '2001:db8:2::22'\n\toption dest_port '22'"},
	{"vpn", "udp", 51820, "203.0.113.1:51820", "[2001:db8:1::1]:51820", "udp/51820", "option port '51820'\n\toption proto 'udp'"},
}

const (
	stunPort  = 41641
	portsBase = 20480 // to 26623
	spaPort   = 62201
)

// The router's addresses in testdata/lab.sh.
var (
	router4 = netip.MustParseAddr("203.0.113.1")
	router6 = netip.MustParseAddr("2001:db8:1::1")
)

// steps are those of the sequence of a door.
var steps = map[string][]string{
	"web": {"7431/tcp", "2951/udp", "8812/tcp"},
	"nas": {"9120/udp", "3377/tcp", "5504/tcp", "1790/udp"},
}

// onceSize is how many one-time sequences a person's list has. A checkpoint gives those who have used
// theirs up another list.
const onceSize = 64

// onceDoor is what they open.
const onceDoor = "vpn"

// onceSteps is the nth one-time sequence of the person's list.
func (p *person) onceSteps(n int) []string {
	return []string{fmt.Sprintf("%d/tcp", 27000+4*(p.number*onceSize+n)), fmt.Sprintf("%d/udp", 30000+2*p.lists%10_000)}
}

// keys are a person's: of the program latchkey, of a browser, and of fwknop.
type keys struct {
	latchkey, browser seal.Key
	spa, hmac         string // base64
}

func newKeys() (k keys) {
	rand.Read(k.latchkey[:])
	rand.Read(k.browser[:])
	k.spa, k.hmac = secret(), secret()
	return k
}

func secret() string {
	var b [32]byte
	rand.Read(b[:])
	return base64.StdEncoding.EncodeToString(b[:])
}

// configuration is the router's. Variants differ in what changes no grant: titles, and a client that
// nobody is.
func (s *soak) configuration() string {
	var b strings.Builder
	fmt.Fprintf(&b, "config latchkey 'main'\n\toption enabled '1'\n\toption name 'home'\n\tlist device 'wan'\n"+
		"\tlist host '%s'\n\tlist host '%s'\n\toption stun_port '%d'\n\toption ports '%d-%d'\n\toption spa_port '%d'\n",
		router4, router6, stunPort, portsBase, portsBase+6143, spaPort)
	for _, d := range services {
		fmt.Fprintf(&b, "\nconfig door '%s'\n\toption title 'variant %d'\n\toption open_for '%s'\n\toption max_open '%s'\n\t%s\n",
			d.name, s.variant, openFor, maxOpen, d.config)
	}
	for _, d := range services {
		if list := steps[d.name]; list != nil {
			fmt.Fprintf(&b, "\nconfig sequence 'to_%s'\n\tlist door '%s'\n%s", d.name, d.name, lines("step", list))
		}
	}
	for _, p := range append(s.people[:len(s.people):len(s.people)], s.unlucky) {
		var once []string
		for n := range onceSize {
			once = append(once, strings.Join(p.onceSteps(n), " "))
		}
		fmt.Fprintf(&b, "\nconfig sequence 'once_%s'\n\tlist door '%s'\n%s", p.name, onceDoor, lines("once", once))
		for _, c := range []struct{ name, options string }{
			{p.name, "option key '" + p.keys.latchkey.Text() + "'"},
			{p.name + "_browser", "option key '" + p.keys.browser.Text() + "'"},
			{p.name + "_fwknop", "option kind 'fwknop'\n\toption key '" + p.keys.spa + "'\n\toption hmac_key '" + p.keys.hmac + "'"},
		} {
			fmt.Fprintf(&b, "\nconfig client '%s'\n\t%s\n", c.name, c.options)
			for _, d := range services {
				fmt.Fprintf(&b, "\tlist door '%s'\n", d.name)
			}
		}
	}
	if s.variant%2 == 1 {
		fmt.Fprintf(&b, "\nconfig client 'guest%d'\n\toption key '%s'\n\tlist door 'web'\n", s.variant, secret())
	}
	return b.String()
}

func lines(option string, values []string) string {
	var b strings.Builder
	for _, v := range values {
		fmt.Fprintf(&b, "\tlist %s '%s'\n", option, v)
	}
	return b.String()
}
