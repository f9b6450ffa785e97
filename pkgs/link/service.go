// SPDX-License-Identifier: Apache-2.0

package link

import "slices"

// Services are the words for what is behind a door. A client knows how to connect to most of them;
// of one that it does not know it shows address and port.
var Services = []string{"ssh", "sftp", "http", "https", "rdp", "vnc", "smb", "wireguard", "openvpn"}

// usual are the ports at which one service is meant nearly always: those of IANA's registry, and those that
// people meet at home (8080 and 8443: web interfaces, 8123: Home Assistant, 8006: Proxmox, 5901: the
// second screen of VNC, 51820: the examples of WireGuard).
var usual = []struct {
	service string
	udp     bool
	ports   []uint16
}{
	{"ssh", false, []uint16{22}},
	{"http", false, []uint16{80, 8080, 8123}},
	{"https", false, []uint16{443, 8443, 8006}},
	{"rdp", false, []uint16{3389}},
	{"vnc", false, []uint16{5900, 5901}},
	{"smb", false, []uint16{445}},
	{"wireguard", true, []uint16{51820}},
	{"openvpn", true, []uint16{1194}},
}

// UsualPorts returns the ports at which a service is meant nearly always; nil of a service that has none.
func UsualPorts(service string) []uint16 {
	for _, u := range usual {
		if u.service == service {
			return u.ports
		}
	}
	return nil
}

// UsualService returns the word for what most likely listens at a port inside; "" if nobody knows.
func UsualService(tcp, udp bool, port uint16) string {
	for _, u := range usual {
		if (u.udp && udp || !u.udp && tcp) && slices.Contains(u.ports, port) {
			return u.service
		}
	}
	return ""
}
