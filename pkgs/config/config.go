// SPDX-License-Identifier: Apache-2.0

package config

import (
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"slices"
	"time"

	"github.com/latchkey/latchkey/pkgs/door"
	"github.com/latchkey/latchkey/pkgs/knock"
	"github.com/latchkey/latchkey/pkgs/seal"
	"github.com/latchkey/latchkey/pkgs/wire"
)

// Config is a whole configuration of ready values. After Parse nothing in it can be invalid.
type Config struct {
	Main      Main
	Doors     []Door
	Clients   []Client
	Sequences []Sequence
	Ports     *knock.Ordered // the ordered form of carrier ports, nil if there is none
}

// DoorNames returns the names of all doors.
func (c *Config) DoorNames() []string {
	names := make([]string, len(c.Doors))
	for i := range c.Doors {
		names[i] = c.Doors[i].Name
	}
	return names
}

// Zones returns the firewall zones that the enabled doors need, each once.
func (c *Config) Zones() []string {
	var list []string // at most twice MaxDoors
	for i := range c.Doors {
		if !c.Doors[i].Enabled {
			continue
		}
		for _, zone := range c.Doors[i].Zones() {
			if !slices.Contains(list, zone) {
				list = append(list, zone)
			}
		}
	}
	return list
}

// Main is the section 'main'.
type Main struct {
	Enabled    bool
	Interfaces []string // logical names: "wan", "wan6"; none = those of the firewall's zone wan, which the init script looks up
	Devices    []string // resolved by the init script; where nobody resolved them, Interfaces, or wan and wan6
	Inside     []string // devices of the networks inside, from which no door is opened; filled in by the init script
	// What the init script looked for and did not find: interfaces, and firewall zones of doors.
	MissingInterfaces []string
	MissingZones      []string
	// What links say, see package share.
	Hosts []string // the router's public name and addresses, up to MaxHosts
	// What the plugin of rpcd found: up to MaxHosts names and addresses, a name, a page. Hosts, Name and Page have it where
	// the owner wrote nothing.
	FoundHosts           []string
	FoundName, FoundPage string
	Name                 string         // what people call the router; "" = they said nothing
	Page                 string         // URL of the knock page; "" = none
	STUNPorts            []uint16       // UDP ports of carrier stun, up to link.MaxSTUNPorts; none = off
	Ports                wire.PortRange // 24 slots of 256 ports of carrier ports; zero = off
	SPAPort              uint16         // UDP port of kind fwknop, 0 = off
	MaxSkew              time.Duration  // between a sender's clock and ours
	Radar                bool           // count what strangers try at closed ports
	LogLevel             Level
}

// MissingZone returns the first zone that a door needs and the firewall does not have, with the option
// that names it; "" if it has them all, or nobody looked.
func (m *Main) MissingZone(d *Door) (option, zone string) {
	for i, zone := range d.Zones() {
		if slices.Contains(m.MissingZones, zone) {
			return []string{"src", "dest"}[i], zone
		}
	}
	return "", ""
}

// Level is how much an event must matter to be logged.
type Level int8

// The levels, in ascending order.
const (
	LevelDebug Level = iota - 1
	LevelInfo        // the default
	LevelWarn
	LevelError
)

// Door is a section 'door'.
type Door struct {
	Name     string
	Title    string
	Src      string     // firewall zone from which the opened address connects
	Openings []Opening  // at least one, in the order of option port; none of them overlap
	Dest     string     // zone of the LAN host; "" = the router itself
	DestIP   netip.Addr // IPv4, behind DNAT
	DestIP6  netip.Addr // IPv6, behind a pinhole; may be a suffix such as ::22
	Service  string     // what is behind the first opening, one of link.Services; "" = none that is known
	OpenFor  time.Duration
	MaxOpen  time.Duration
	Width4   int      // leading bits of an IPv4 address that tell for whom a grant is, up to 32: that address alone
	Width6   int      // the same of IPv6, up to 128
	Wake     wire.MAC // zero = none
	Cut      bool     // end sessions with their grants
	// Reflection lets the zone of a host behind DNAT use the door's ports at the router's address outside, open or not.
	Reflection bool
	Enabled    bool
}

// ForBook returns what the book of grants and the firewall have to know of the door.
func (d *Door) ForBook() door.Door {
	return door.Door{Name: d.Name, OpenFor: d.OpenFor, MaxOpen: d.MaxOpen, Width4: d.Width4, Width6: d.Width6}
}

// Serves reports whether the door leads anywhere for an address.
func (d *Door) Serves(a netip.Addr) bool { return d.ServesFamily(!a.Unmap().Is4()) }

// ServesFamily reports whether the door leads anywhere over IPv6 (six) or IPv4: a LAN host may have an
// address of one family only.
func (d *Door) ServesFamily(six bool) bool {
	switch {
	case d.Dest == "":
		return true
	case six:
		return d.DestIP6.IsValid()
	}
	return d.DestIP.IsValid()
}

// Zones returns the firewall zones that the door needs.
func (d *Door) Zones() []string {
	if d.Dest == "" {
		return []string{d.Src}
	}
	return []string{d.Src, d.Dest}
}

// Client is a section 'client': one device that may knock.
type Client struct {
	Name    string
	Title   string
	Kind    knock.Kind    // KindMessage ('latchkey') or KindFwknop
	Key     seal.Key      // of KindMessage
	SPA     knock.SPAKeys // of KindFwknop
	Doors   []string
	Expires time.Time // zero = never
	Enabled bool
}

// ID names the client's key, without revealing anything of it: 16 hex digits. What is remembered of a
// client goes by it, so that a new name does not make old messages fresh, nor a new key old ones.
func (c *Client) ID() string {
	h := sha256.New()
	h.Write([]byte("latchkey client\x00"))
	if c.Kind == knock.KindFwknop {
		h.Write(c.SPA.HMAC)
	} else {
		h.Write(c.Key[:])
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// Expired reports whether the client's time is over.
func (c *Client) Expired(now time.Time) bool { return !c.Expires.IsZero() && !now.Before(c.Expires) }

// ValidUntil says, for people, when the client's time ends: the last day on which it may knock, in UTC, or
// a moment of a day.
func (c *Client) ValidUntil() string {
	end := c.Expires.UTC()
	if end.Equal(end.Truncate(24 * time.Hour)) {
		return end.AddDate(0, 0, -1).Format(time.DateOnly)
	}
	return end.Format("2006-01-02 15:04:05 UTC")
}

// Sequence is a section 'sequence'.
type Sequence struct {
	knock.Sequence          // name, steps, time window
	Once           []string // texts of one-time sequences instead of Steps, in the order of their use
	Doors          []string
	Client         string // whose knock it is; "" = nobody's in particular
	Enabled        bool
}
