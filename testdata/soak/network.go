// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/latchkey/latchkey/pkgs/lab"
)

// addresses is how many of each family a person has. A knock comes from the next one, so that what is
// left of a former knock is not taken for the effect of this one.
const addresses = 30

// join makes a person's host. Its addresses are one after the other from 203.0.113.100 and
// 2001:db8:1::1:0 on.
func (p *person) join(number int) error {
	args := []string{"join", p.name}
	for n := range addresses {
		i := number*addresses + n
		a4 := netip.AddrFrom4([4]byte{203, 0, 113, byte(100 + i)})
		a6 := netip.MustParseAddr(fmt.Sprintf("2001:db8:1::1:%x", i))
		p.four, p.six = append(p.four, a4), append(p.six, a6)
		args = append(args, a4.String()+"/24", a6.String()+"/64")
	}
	return lab.Output(lab.Verb(args...))
}

// comeFrom lets what the person's programs send to the router come from these addresses.
func (p *person) comeFrom(a4, a6 netip.Addr) error {
	return errors.Join(
		lab.Output(lab.On(p.name, "ip", "route", "replace", router4.String()+"/32", "dev", "eth0", "src", a4.String())),
		lab.Output(lab.On(p.name, "ip", "-6", "route", "replace", router6.String()+"/128", "dev", "eth0", "src", a6.String())))
}

// serve answers behind the doors until the program ends: TCP connections are accepted and closed, UDP
// packets are sent back.
func serve() error {
	for host, address := range map[string]string{"router": ":8443", "nas": ":22"} {
		var l net.Listener
		if err := lab.Do(host, func() (err error) {
			l, err = net.Listen("tcp", address)
			return err
		}); err != nil {
			return err
		}
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				c.Close()
			}
		}()
	}
	var c net.PacketConn
	if err := lab.Do("router", func() (err error) {
		c, err = net.ListenPacket("udp", ":51820")
		return err
	}); err != nil {
		return err
	}
	go func() {
		b := make([]byte, 64)
		for {
			n, from, err := c.ReadFrom(b)
			if err != nil {
				return
			}
			_, _ = c.WriteTo(b[:n], from) // while wan is away it cannot be sent
		}
	}()
	return nil
}

// tryFor is how long one try of a door waits for an answer.
const tryFor = time.Second

// reaches reports whether a door lets an address of the person in, by trying it once.
func (p *person) reaches(s service, from netip.Addr) (is bool) {
	to := s.four
	if from.Is6() {
		to = s.six
	}
	_ = lab.Do(p.name, func() error {
		d := net.Dialer{Timeout: tryFor, LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))}
		if s.proto == "udp" {
			d.LocalAddr = net.UDPAddrFromAddrPort(netip.AddrPortFrom(from, 0))
		}
		c, err := d.Dial(s.proto, to)
		if err != nil {
			return err
		}
		defer c.Close()
		is = s.proto == "tcp" || echoes(c)
		return nil
	})
	return is
}

// echoes reports whether a UDP packet comes back.
func echoes(c net.Conn) bool {
	if err := c.SetDeadline(time.Now().Add(tryFor)); err != nil {
		return false
	}
	if _, err := c.Write([]byte("soak")); err != nil {
		return false
	}
	n, err := c.Read(make([]byte, 64))
	return err == nil && n > 0
}
