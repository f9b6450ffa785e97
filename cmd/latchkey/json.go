// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/latchkey/latchkey/pkgs/link"
	"github.com/latchkey/latchkey/pkgs/probe"
	"github.com/latchkey/latchkey/pkgs/send"
	"github.com/latchkey/latchkey/pkgs/wire"
)

// The JSON of knock and list. Nothing secret is in it. Fields are added, and not taken away.

type knockJSON struct {
	Router  string     `json:"router"`
	Action  string     `json:"action"` // open or close
	Address string     `json:"address,omitempty"`
	Minutes int        `json:"minutes,omitempty"`
	Sent    []sentJSON `json:"sent"`
	Doors   []seenJSON `json:"doors"`
}

type sentJSON struct {
	To      string `json:"to"`
	Carrier string `json:"carrier"`
	Error   string `json:"error,omitempty"`
}

type seenJSON struct {
	doorJSON
	Seen probe.Verdict `json:"seen"`
	Text string        `json:"text"`
}

type doorJSON struct {
	Name  string `json:"name"`
	Proto string `json:"proto,omitempty"`
	Port  uint16 `json:"port,omitempty"` // the first of Ports
	// Ports are all ports, such as 22/tcp and 60000-61000/udp, those of Proto first.
	Ports   []string `json:"ports,omitempty"`
	Service string   `json:"service,omitempty"`
	Title   string   `json:"title,omitempty"`
}

type routerJSON struct {
	Name      string     `json:"name"`
	Host      string     `json:"host,omitempty"`
	Addresses []string   `json:"addresses"`
	STUNPort  uint16     `json:"stun_port,omitempty"`  // the first of STUNPorts
	STUNPorts []uint16   `json:"stun_ports,omitempty"` // all
	Ports     uint16     `json:"ports,omitempty"`      // the first of carrier ports in slots
	Ordered   bool       `json:"ordered"`
	Doors     []doorJSON `json:"doors"`
}

func printKnock(w io.Writer, k *knocker, wish wish, results []send.Result, sights []*sight) error {
	out := knockJSON{Router: k.name, Action: "open", Minutes: int(k.body.Minutes), Sent: []sentJSON{}, Doors: []seenJSON{}}
	if wish.close {
		out.Action = "close"
	}
	if wish.address.IsValid() {
		out.Address = wish.address.String()
	}
	for _, r := range results {
		s := sentJSON{To: r.Address.String(), Carrier: string(r.Carrier)}
		if r.Err != nil {
			s.Error = r.Err.Error()
		}
		out.Sent = append(out.Sent, s)
	}
	for _, s := range sights {
		out.Doors = append(out.Doors, seenJSON{doorOf(s.Door), s.verdict(), s.describe()})
	}
	return printJSON(w, out)
}

func printRouters(w io.Writer, links []link.Link) error {
	out := []routerJSON{}
	for _, l := range links {
		r := routerJSON{Name: l.Name, Host: l.Host, STUNPorts: l.STUNPorts, Ports: l.Ports, Ordered: l.Ordered != nil,
			Addresses: []string{}, Doors: []doorJSON{}}
		if len(l.STUNPorts) > 0 {
			r.STUNPort = l.STUNPorts[0]
		}
		for _, a := range l.Addresses {
			r.Addresses = append(r.Addresses, a.String())
		}
		for _, name := range l.Doors {
			d, _ := l.Door(name)
			d.Name = name
			r.Doors = append(r.Doors, doorOf(d))
		}
		out = append(out, r)
	}
	return printJSON(w, out)
}

func doorOf(d link.Door) doorJSON {
	out := doorJSON{Name: d.Name, Service: d.Service, Title: d.Title}
	switch {
	case d.TCP && d.UDP:
		out.Proto = "tcp+udp"
	case d.TCP:
		out.Proto = "tcp"
	case d.UDP:
		out.Proto = "udp"
	}
	out.Port = firstPort(d.Ports)
	for _, proto := range [...]wire.Proto{wire.TCP, wire.UDP} {
		for _, r := range d.Of(proto) {
			out.Ports = append(out.Ports, r.String()+"/"+proto.String())
		}
	}
	if !d.TCP { // what it says first comes first
		n := len(d.Other)
		out.Ports = append(out.Ports[n:], out.Ports[:n]...)
	}
	return out
}

func printJSON(w io.Writer, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s\n", text)
	return err
}
