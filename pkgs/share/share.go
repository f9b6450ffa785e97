// SPDX-License-Identifier: Apache-2.0

package share

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/latchkey/latchkey/pkgs/config"
	"github.com/latchkey/latchkey/pkgs/knock"
	"github.com/latchkey/latchkey/pkgs/link"
	"github.com/latchkey/latchkey/pkgs/wire"
)

// usualName is what a router is called that nobody gave a name.
const usualName = "home"

// Warning is something about a link that its owner should know before he hands it out.
type Warning struct {
	Word string // one of those below, for programs
	Text string // for people
}

// Useless reports whether no client takes the link.
func (w Warning) Useless() bool {
	return w.Word == NoDoor || w.Word == NoCarrier || w.Word == NoAddress
}

// The words of warnings.
const (
	NoDoor         = "no-door"         // the client may open none, or all are switched off
	NoCarrier      = "no-carrier"      // section main has no port for messages
	NoAddress      = "no-address"      // neither name nor address is known
	LocalName      = "local-name"      // the name is known in the router's own network only
	PrivateAddress = "private-address" // the router is in the network of another one
	CarrierAddress = "carrier-address" // the router's addresses are the provider's own
	MayChange      = "may-change"      // addresses, and no name that follows them
	TooManyDoors   = "too-many-doors"  // the link has room for some only
	ClientOff      = "client-off"      // the client is switched off, or its time is over
	NoFamily       = "no-family"       // a door cannot be used by way of the link's addresses
)

// ErrNoClient is in an error of Make: the configuration does not have the client.
var ErrNoClient = errors.New("there is no client")

// ErrKind is in an error of Make: the client has no key of ours.
var ErrKind = errors.New("links are for kind 'latchkey'")

// Make returns the link of a client, as it is at a time. An error says that there can be none.
func Make(now time.Time, c *config.Config, client string) (link.Link, []Warning, error) {
	i := slices.IndexFunc(c.Clients, func(k config.Client) bool { return k.Name == client })
	if i < 0 {
		return link.Link{}, nil, fmt.Errorf("%w '%.40s'", ErrNoClient, client)
	}
	k := &c.Clients[i]
	if k.Kind != knock.KindMessage {
		return link.Link{}, nil, fmt.Errorf("client '%s' is of kind '%s', and %w", client, k.KindWord(), ErrKind)
	}
	m := maker{link: link.Link{
		Page: c.Main.Page, Name: c.Main.Name,
		STUNPorts: c.Main.STUNPorts, Ports: c.Main.Ports.First, Ordered: c.Ports, Key: k.Key,
	}}
	if m.link.Name == "" || m.link.Name == "OpenWrt" { // as they all are called
		m.link.Name = usualName
	}
	m.addDoors(c, k)
	if !k.Enabled || k.Expired(now) {
		m.warn(ClientOff, "client '"+client+"' is switched off or its time is over: what it knocks is refused")
	}
	if m.link.STUNPorts == nil && m.link.Ports == 0 && m.link.Ordered == nil {
		m.warn(NoCarrier, "section 'main' has neither stun_port nor ports: no knock arrives")
	}
	m.addHosts(c.Main.Hosts)
	m.compareFamilies(c)
	if n := len(m.link.Text()); n > link.MaxSize {
		return link.Link{}, nil, fmt.Errorf("the link of client '%s' would have %d bytes, the limit is %d: give it fewer doors", client, n, link.MaxSize)
	}
	return m.link, m.warnings, nil
}

// maker is a link that is made.
type maker struct {
	link     link.Link
	warnings []Warning
}

func (m *maker) warn(word, text string) { m.warnings = append(m.warnings, Warning{word, text}) }

// addDoors adds the client's doors, and what is known of them.
func (m *maker) addDoors(c *config.Config, k *config.Client) {
	l := &m.link
	may := 0
	for _, name := range k.Doors {
		d := doorOf(c, name)
		if !d.Enabled {
			continue
		}
		if may++; may > link.MaxDoors {
			continue
		}
		l.Doors = append(l.Doors, name)
		l.About = append(l.About, aboutDoor(d))
		l.Times = append(l.Times, link.Time{Door: name, Usual: d.OpenFor, Most: d.MaxOpen})
	}
	if len(l.Doors) == 0 {
		m.warn(NoDoor, "the client has no door that it may open")
	}
	if may > len(l.Doors) {
		m.warn(TooManyDoors, fmt.Sprintf("the link has the first %d of %d doors", len(l.Doors), may))
	}
}

// aboutDoor is what a link says of a door. What a client connects to comes first: the first port, by TCP if it
// is for both protocols.
func aboutDoor(d *config.Door) link.Door {
	var tcp, udp []wire.PortRange
	for _, o := range d.Openings {
		if o.Proto == wire.TCP {
			tcp = append(tcp, o.Outside)
		} else {
			udp = append(udp, o.Outside)
		}
	}
	about := link.Door{Name: d.Name, Service: d.Service, Title: d.Title}
	switch {
	case slices.Equal(tcp, udp):
		about.TCP, about.UDP, about.Ports = true, true, tcp
	case d.Openings[0].Proto == wire.TCP:
		about.TCP, about.Ports, about.Other = true, tcp, udp
	default:
		about.UDP, about.Ports, about.Other = true, udp, tcp
	}
	return about
}

// doorOf returns a door of a client: the configuration was checked, so it is there.
func doorOf(c *config.Config, name string) *config.Door {
	return &c.Doors[slices.IndexFunc(c.Doors, func(d config.Door) bool { return d.Name == name })]
}

// compareFamilies warns about doors that lead to a host by a family of addresses in which the link has none.
// What a name leads to is not known.
func (m *maker) compareFamilies(c *config.Config) {
	l := &m.link
	if l.Host != "" || len(l.Addresses) == 0 {
		return
	}
	var lost []string
	for _, name := range l.Doors {
		if !slices.ContainsFunc(l.Addresses, doorOf(c, name).Serves) {
			lost = append(lost, name)
		}
	}
	if len(lost) > 0 {
		m.warn(NoFamily, "the router's addresses in the link are of another family than where these doors lead, so knocks at them are refused: "+
			strings.Join(lost, ", ")+" (give them dest_ip or dest_ip6, too)")
	}
}

// addHosts adds the router's name and addresses. Addresses to which a device that is away cannot send are
// added only if there is nothing else: it would knock at somebody else's.
func (m *maker) addHosts(hosts []string) {
	l := &m.link
	var public, inside []netip.Addr
	worst := link.Public
	for _, host := range hosts {
		reach := link.ReachOf(host)
		a, err := netip.ParseAddr(host)
		switch {
		case err != nil:
			l.Host = host
			if reach != link.Public {
				m.warn(LocalName, "the name of the router is known in its own network only: "+host)
			}
		case reach == link.Public:
			public = append(public, a)
		default:
			inside = append(inside, a)
			worst = min(worst, reach)
		}
	}
	if len(public) > 0 {
		if l.Host == "" {
			m.warn(MayChange, "the link has addresses only: if the provider changes them, the device needs new settings; a name would follow them (option host)")
		}
		l.Addresses = public[:min(len(public), link.MaxAddresses)]
		return
	}
	switch {
	case worst == link.Carrier:
		m.warn(CarrierAddress, fmt.Sprintf("the provider shares its address among customers, this router has %v: knocks from outside do not arrive; ask the provider for a public address, or for IPv6", inside))
	case worst == link.Private:
		m.warn(PrivateAddress, fmt.Sprintf("this router has a private address, %v: the router before it must forward the ports of knocks and doors, and option host must lead to that one", inside))
	case l.Host == "":
		m.warn(NoAddress, "neither a name nor an address of this router is known: write its name into option host of section main")
	}
	if l.Host == "" {
		l.Addresses = inside[:min(len(inside), link.MaxAddresses)]
	}
}
