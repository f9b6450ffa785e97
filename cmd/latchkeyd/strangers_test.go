// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/lab"
)

func closeRequest(door string) control.Request { return control.Request{Method: "close", Door: door} }

// must is for calls that fail only if the test itself is wrong.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func countWord(s, word string) int { return strings.Count(s, `"`+word+`"`) }

func TestStrangerCannotDisturb(t *testing.T) {
	d := start(t, home)

	t.Run("with_packets_in_the_middle_of_a_knock", func(t *testing.T) {
		// Right steps, wrong ones and trip wires of the neighbour's between each two of the phone's.
		spoof(t, "neighbour", syn(phone, 7431))
		spoof(t, "neighbour", syn(neighbour, 7431), syn(neighbour, 8812), syn(neighbour, 7432), syn(neighbour, 2950))
		lab.Run(t, "phone", "knock", router, "2951:udp")
		spoof(t, "neighbour", syn(neighbour, 7431), syn(neighbour, 8811), syn("198.51.100.1", 7431))
		spoof(t, "neighbour", syn(phone, 8812))
		lab.Wait(t, "the phone's knock", func() bool { return d.count("opened", phone) == 1 })
		lab.Withstood(t, "packets", "steps, wrong ports and trip wires of strangers in the middle of a knock", "the knock opens")
	})
	t.Run("by_beginning_a_knock_and_never_ending_it_(knockd)", func(t *testing.T) {
		short := strings.Replace(home, "config sequence 'to_nas'", "config sequence 'to_nas'\n\toption within '1s'", 1)
		d.write(short)
		d.signal(unix.SIGHUP)
		lab.Wait(t, "the reload", func() bool { return strings.Contains(d.log.String(), "reload") })
		spoof(t, "neighbour", syn("198.51.100.3", 7431))
		started := time.Now()
		lab.Wait(t, "the stranger's time window nearly ends", func() bool { return time.Since(started) > 900*time.Millisecond })
		before := d.count("opened", phone) + d.count("extended", phone)
		lab.Run(t, "phone", "knock", "-d", "100", router, "7431:tcp", "2951:udp", "8812:tcp")
		lab.Wait(t, "the phone's knock", func() bool { return d.count("opened", phone)+d.count("extended", phone) > before })
		lab.Withstood(t, "packets", "knocks of strangers that begin and never end", "the knock opens")
	})
}

func TestScanOpensNothing(t *testing.T) {
	for _, scan := range []struct{ name, option string }{
		{"ascending_(knockd)", "-r"},
		{"in_random_order", "-sS"},
		{"of_UDP_and_TCP", "-sSU"},
	} {
		t.Run(scan.name, func(t *testing.T) {
			d := start(t, home)
			rate := "20000"
			if scan.option == "-sSU" {
				rate = "8000"
			}
			out := lab.Run(t, "phone", "nmap", "-n", "-Pn", "--privileged", scan.option, "-T5", "--max-retries", "0",
				"--min-rate", rate, "--host-timeout", "20s", "-p", "1-10000", router)
			d.settle()
			for _, kind := range []string{"opened", "extended"} {
				if d.count(kind, phone) > 0 {
					t.Errorf("the scan opened a door; nmap:\n%s\nlog:\n%s", out, d.log)
				}
			}
		})
	}
	lab.Withstood(t, "packets", "port scans by nmap: ascending, in random order, of TCP and UDP", "open nothing")
}

func TestNothingComesBack(t *testing.T) {
	d := start(t, home)
	heard := listenOn(t, "phone")
	d.knock("phone", router, toNAS...)
	d.knock("phone", router6, toNAS...)
	d.knock("phone", router, "7431:tcp", "8812:tcp", "2951:udp")
	d.knock("phone", router, "7431:tcp", "2951:udp", "8811:tcp", "8812:tcp")
	d.knock("phone", router6, "1:tcp", "22:tcp", "53:udp", "443:tcp", "8443:tcp")
	ping(t, "phone", router)
	ping(t, "phone", router6)
	if lab.Reach(t, "phone", webDoor, closedFor) {
		t.Fatal("a closed door answers")
	}
	lab.Wait(t, "the good knocks", func() bool { return d.count("opened", phone) == 1 && d.count("opened", phone6) == 1 })
	d.settle()
	if got := heard(); len(got) > 0 {
		t.Errorf("the phone got %d packets, the first ones:\n%s", len(got), strings.Join(got[:min(len(got), 5)], "\n"))
	}
	// That the ear works at all: what the router sends on purpose is heard.
	lab.On("router", "ping", "-c", "1", "-W", "1", phone).Run()
	lab.Wait(t, "the phone's ear hears a ping", func() bool { return len(heard()) > 0 })
	lab.Withstood(t, "packets", "a stranger who listens for any answer to knocks, right and wrong", "no packet leaves the router")
}

// listenOn hears every packet that comes to a host, but for those by which neighbours on a link find
// each other (ARP, RFC 826, and ICMPv6 types 130 to 143, RFC 4861 and RFC 3810).
func listenOn(t *testing.T, host string) (heard func() []string) {
	t.Helper()
	packets := tapOn(t, host, func(kind uint8, ip []byte) bool { return kind != unix.PACKET_OUTGOING && isTraffic(ip) })
	return func() (list []string) {
		for _, p := range packets() {
			list = append(list, fmt.Sprintf("%x", p[:min(len(p), 64)]))
		}
		return list
	}
}

// tapOn collects the IP packets of a host that keep wants, until the test ends; kind is one of
// unix.PACKET_HOST, PACKET_OUTGOING and so on.
func tapOn(t *testing.T, host string, keep func(kind uint8, ip []byte) bool) func() [][]byte {
	t.Helper()
	var fd int
	lab.In(t, host, func() (err error) {
		all := binary.BigEndian.Uint16([]byte{0, unix.ETH_P_ALL})
		if binary.NativeEndian.Uint16([]byte{0, 1}) != 1 {
			all = all>>8 | all<<8
		}
		fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, int(all))
		return err
	})
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 50000}); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var list [][]byte
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		defer unix.Close(fd)
		b := make([]byte, 2048)
		for {
			select {
			case <-stop:
				return
			default:
			}
			n, from, err := unix.Recvfrom(fd, b, 0)
			if err != nil {
				continue
			}
			if link, ok := from.(*unix.SockaddrLinklayer); ok && keep(link.Pkttype, b[:n]) {
				mu.Lock()
				list = append(list, bytes.Clone(b[:n]))
				mu.Unlock()
			}
		}
	}()
	t.Cleanup(func() { close(stop); <-stopped })
	return func() [][]byte {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(list)
	}
}

func isTraffic(ip []byte) bool {
	switch {
	case len(ip) >= 20 && ip[0]>>4 == 4:
		return true
	case len(ip) >= 41 && ip[0]>>4 == 6:
		next, kind := ip[6], ip[40]
		return !(next == 58 && kind >= 130 && kind <= 143 || next == 0) // 0: hop by hop, as MLD has
	}
	return false
}
