// SPDX-License-Identifier: Apache-2.0

package uplink

import (
	"strings"

	"github.com/latchkey/latchkey/pkgs/config"
)

// Networks is what there is on a router, in lines of words:
//
//	network NAME [DEVICE]           a network that netifd knows, with its device if it has one now
//	device NAME                     a device that the kernel has
//	list device 'DEVICE' # NETWORK  what Find returned before
type Networks string

// find looks for a line about a name. device is its third word, "" = it has none.
func (n Networks) find(word, name string) (device string, found bool) {
	_, rest, found := strings.Cut("\n"+strings.ReplaceAll(string(n), "\n", " \n"), "\n"+word+" "+name+" ")
	device, _, _ = strings.Cut(rest, "\n")
	return strings.TrimSpace(device), found
}

// former returns the device that a network had, "" if nobody knows.
func (n Networks) former(name string) string {
	for line := range strings.Lines(string(n)) {
		device, isDevice := strings.CutPrefix(strings.TrimSpace(line), "list device '")
		if device, isTheirs := strings.CutSuffix(device, "' # "+name); isDevice && isTheirs {
			return device
		}
	}
	return ""
}

// Find returns options of section main, as lines of a configuration, that say what there is on a router of what a
// configuration and its enabled doors want. Behind a device is the network that it is of.
//
// A network that is down keeps the device that it had. One that is unknown may be the name of a device: then the
// daemon listens there, and as long as there is none it says so in its status and in the log. Stock zones name a
// network wan6 that many routers do not have: of networks that nobody named, only those count that are there, unless
// none is. Inside are the networks of the zones that have no network where knocks come in; the daemon opens no door
// from there, and says so to whoever tries.
func Find(c *config.Config, zones Zones, there Networks) []string {
	var list found
	outside := zones.Networks(c.Main.Interfaces)
	wanted := outside
	if len(c.Main.Interfaces) == 0 {
		wanted = there.known(outside)
		for _, name := range wanted {
			list.add("interface", name, "")
		}
	}
	for _, name := range wanted {
		device, isKnown := there.find("network", name)
		if device == "" && isKnown {
			device = there.former(name)
		}
		if device != "" {
			list.add("device", device, " # "+name)
		}
		if !isKnown {
			list.add("device", name, "")
			if _, ok := there.find("device", name); !ok {
				list.add("missing_interface", name, "")
			}
		}
	}
	for _, name := range c.Zones() {
		if !zones.names().has(name) {
			list.add("missing_zone", name, "")
		}
	}
	inside := 0
	for i := range zones {
		for _, name := range strings.Fields(zones[i].networks) {
			if device, _ := there.find("network", name); device != "" && inside < config.MaxInterfaces && !zones[i].hasOne(outside) {
				list.add("inside", device, " # "+name)
				inside++
			}
		}
	}
	return list
}

type found []string

func (f *found) add(option, value, comment string) {
	*f = append(*f, "list "+option+" '"+value+"'"+comment)
}

// known returns those of some networks that are there, or all if none is.
func (n Networks) known(names []string) []string {
	var list words
	for _, name := range names {
		if _, ok := n.find("network", name); ok {
			list.add(name)
		}
	}
	if list == nil {
		return names
	}
	return list
}
