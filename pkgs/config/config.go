// SPDX-License-Identifier: Apache-2.0

package config

import (
	"net"
	"net/netip"
	"time"

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

// Main is the section 'main'.
type Main struct {
	Enabled    bool
	Interfaces []string       // logical names, as the user wrote them: "wan", "wan6"
	Devices    []string       // resolved by the init script, or Interfaces where nobody resolved them
	STUNPort   uint16         // UDP port of carrier stun, 0 = off
	Ports      wire.PortRange // 24 slots of 256 ports of carrier ports; zero = off
	SPAPort    uint16         // UDP port of kind fwknop, 0 = off
	MaxSkew    time.Duration  // between a sender's clock and ours
	LogLevel   Level
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
	Src      string       // firewall zone the knocks come from
	Protos   []wire.Proto // TCP, UDP or both
	Port     uint16       // outside
	Dest     string       // zone of the LAN host; "" = the router itself
	DestIP   netip.Addr   // IPv4, behind DNAT
	DestIP6  netip.Addr   // IPv6, behind a pinhole; may be a suffix such as ::22
	DestPort uint16       // of the LAN host
	OpenFor  time.Duration
	MaxOpen  time.Duration
	Wake     net.HardwareAddr // nil = none
	Enabled  bool
}

// Serves tells whether the door leads anywhere for an address of this family: a LAN host may have an
// address of one only.
func (d *Door) Serves(a netip.Addr) bool {
	switch {
	case d.Dest == "":
		return true
	case a.Unmap().Is4():
		return d.DestIP.IsValid()
	}
	return d.DestIP6.IsValid()
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

// KindWord returns the client's kind as configurations write it.
func (c *Client) KindWord() string {
	if c.Kind == knock.KindFwknop {
		return kindFwknop
	}
	return kindLatchkey
}

// Sequence is a section 'sequence'.
type Sequence struct {
	knock.Sequence          // name, steps, time window
	Once           []string // texts of one-time sequences instead of Steps, in the order of their use
	Doors          []string
	Client         string // whose knock it is; "" = nobody's in particular
	Enabled        bool
}
