// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/knock"
	"github.com/latchkey/latchkey/pkgs/lab"
	"github.com/latchkey/latchkey/pkgs/seal"
	"github.com/latchkey/latchkey/pkgs/wire"
)

// EtherTypes (IANA).
const (
	etherIPv4 = 0x0800
	etherIPv6 = 0x86dd
	etherVLAN = 0x8100
	etherQinQ = 0x88a8
)

// ether puts an IP packet into a frame to the router's wan, as testdata/lab.sh names it.
func ether(ip []byte) []byte {
	kind := uint16(etherIPv4)
	if len(ip) > 0 && ip[0]>>4 == 6 {
		kind = etherIPv6
	}
	frame := []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0x99}
	return append(binary.BigEndian.AppendUint16(frame, kind), ip...)
}

// tagged puts tags of VLANs (IEEE 802.1Q: type and number) before what is in a frame.
func tagged(frame []byte, tags ...uint16) []byte {
	out := bytes.Clone(frame[:12])
	for _, word := range tags {
		out = binary.BigEndian.AppendUint16(out, word)
	}
	return append(out, frame[12:]...)
}

// wirePort returns what puts frames onto the wire of the router's wan, behind all that would drop them.
func wirePort(t *testing.T) func(frames ...[]byte) {
	t.Helper()
	fd := -1
	lab.In(t, "internet", func() (err error) {
		var device *unix.Ifreq
		if fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0); err != nil { // 0: reads nothing
			return err
		}
		if device, err = unix.NewIfreq("router"); err != nil {
			return err
		}
		if err = unix.IoctlIfreq(fd, unix.SIOCGIFINDEX, device); err != nil {
			return err
		}
		return unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: int(device.Uint32())})
	})
	t.Cleanup(func() { unix.Close(fd) })
	return func(frames ...[]byte) {
		t.Helper()
		for _, f := range frames {
			lab.Wait(t, "the wire takes a frame", func() bool {
				_, err := unix.Write(fd, f)
				if err != nil && err != unix.ENOBUFS && err != unix.EINTR {
					t.Fatalf("send %d bytes: %v", len(f), err)
				}
				return err == nil
			})
		}
	}
}

const (
	spaKey   = "a2trAWtrAWtrAWtrAWtrAWtrAWtrAWtrAWtrAWtrAQA="
	spaHMAC  = "aGhoAmhoaAJoaGgCaGhoAmhoaAJoaGgCaGhoAmhoaAI="
	spaPort  = 62201
	otherKey = "BBECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
)

// everyKind is home with a client of each kind, so that every kind of knock opens door web.
var everyKind = strings.Replace(sealed, "\tlist device 'wan'\n", "\tlist device 'wan'\n\toption spa_port '62201'\n", 1) + `
config client 'desk'
	option kind 'fwknop'
	option key '` + spaKey + `'
	option hmac_key '` + spaHMAC + `'
	list door 'web'
`

// knockKind is a kind of knock with its carrier.
type knockKind struct {
	name     string
	packets  func(*knocker, netip.Addr) [][]byte // the IP packets of one knock at door web
	families []string                            // the phone's addresses that may send them
}

var kinds = []knockKind{
	{"sequence", (*knocker).sequence, []string{phone, phone6}},
	{"stun", (*knocker).stun, []string{phone, phone6}},
	{"ports", (*knocker).ports, []string{phone, phone6}},
	{"fwknop", (*knocker).fwknop, []string{phone}}, // fwknopd knows no IPv6
}

// knocker makes the packets of knocks.
type knocker struct {
	t    *testing.T
	key  string // of messages
	door string
	spa  []string        // keys of fwknop
	home string          // of fwknop
	same []byte          // message of every knock, nil = each has its own
	made map[string]bool // marks of fwknop's packets so far, also of those of copies of this knocker
}

func newKnocker(t *testing.T) *knocker {
	return &knocker{t: t, key: phoneKey, door: "web", spa: []string{spaKey, spaHMAC}, home: t.TempDir(), made: map[string]bool{}}
}

// routerFor is the router's address in the family of a sender.
func routerFor(from netip.Addr) netip.Addr {
	if from.Is4() {
		return netip.MustParseAddr(router)
	}
	return netip.MustParseAddr(router6)
}

func (k *knocker) udp(from netip.Addr, port uint16, payload []byte) []byte {
	return wire.AppendUDP(nil, netip.AddrPortFrom(from, 40000), netip.AddrPortFrom(routerFor(from), port), payload)
}

func (k *knocker) syn(from netip.Addr, port uint16) []byte {
	return wire.AppendTCP(nil, netip.AddrPortFrom(from, 40000+port%1000), netip.AddrPortFrom(routerFor(from), port), uint32(port)<<8, wire.SYN, nil)
}

// sequence is to_web of home.
func (k *knocker) sequence(from netip.Addr) [][]byte {
	return [][]byte{k.syn(from, 5100), k.udp(from, 6200, nil),
		wire.AppendEcho(nil, from, routerFor(from), 1, 1, make([]byte, 77)), k.syn(from, 4300)}
}

// message is a new one, of a press of its own.
func (k *knocker) message() []byte {
	if k.same != nil {
		return bytes.Clone(k.same)
	}
	return seal.Seal(must(seal.ParseKey(k.key)), seal.Body{Stamp: sentStamps.Press(time.Now(), 1).Starts[0], Door: seal.Tag(k.door)})
}

func (k *knocker) stun(from netip.Addr) [][]byte {
	return [][]byte{k.udp(from, stunPort, request(k.message()))}
}

// request is a Binding request that carries a message.
func request(msg []byte) []byte {
	return wire.AppendBindingRequest(nil, [12]byte{1}, base64.RawStdEncoding.EncodeToString(msg)+":abcd", "0123456789012345678901")
}

func (k *knocker) ports(from netip.Addr) (list [][]byte) {
	for _, port := range knock.Slots(k.message(), portsBase) {
		list = append(list, k.syn(from, port))
	}
	return list
}

// payload is a packet that Debian's fwknop has made, for whoever sends it, and another one each time. On s390x, of 64 bits
// and big endian, its random number is always the same (libfko reads four bytes into a long), so that only its time differs,
// whatever it is encrypted to.
func (k *knocker) payload() []byte {
	k.t.Helper()
	b, mark := k.spaPacket()
	for k.made[mark] {
		second := time.Now().Unix()
		lab.Wait(k.t, "another second", func() bool { return time.Now().Unix() > second })
		b, mark = k.spaPacket()
	}
	k.made[mark] = true
	return b
}

// What fwknop -T says of a packet, by which latchkeyd tells it from others.
var spaNumber, spaMoment = regexp.MustCompile("Random Value: [0-9]+"), regexp.MustCompile("Timestamp: [0-9]+")

// spaPacket has fwknop make a packet, and returns with it what tells it from others.
func (k *knocker) spaPacket() (b []byte, mark string) {
	k.t.Helper()
	file := filepath.Join(k.home, "packet")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		k.t.Fatal(err)
	}
	port := map[string]string{"web": "tcp/8443", "nas": "tcp/2222"}[k.door]
	said := lab.Run(k.t, "phone", "env", "HOME="+k.home, "fwknop", "--no-save-args", "-T", "-B", file, "-D", router, "-A", port, "-s",
		"--use-hmac", "--key-base64-rijndael", k.spa[0], "--key-base64-hmac", k.spa[1])
	number, moment := spaNumber.FindString(said), spaMoment.FindString(said)
	if b = bytes.TrimSpace(must(os.ReadFile(file))); len(b) == 0 || number == "" || moment == "" {
		k.t.Fatalf("fwknop has made no packet, or does not say what is in it: %s", said)
	}
	return b, number + moment
}

func (k *knocker) fwknop(from netip.Addr) [][]byte {
	return [][]byte{k.udp(from, spaPort, k.payload())}
}

// wire is wirePort, which waits for the daemon now and then: a busy machine lets it read nothing for a while, and its
// queue holds some 900 packets.
func (d *latchkeydProcess) wire() func(frames ...[]byte) {
	send, sent := wirePort(d.t), 0
	return func(frames ...[]byte) {
		d.t.Helper()
		send(frames...)
		if sent += len(frames); sent > 400 {
			d.settle()
			sent = 0
		}
	}
}

// frames puts each packet of a knock into a frame.
func frames(packets [][]byte) (list [][]byte) {
	for _, ip := range packets {
		list = append(list, ether(ip))
	}
	return list
}

// knocksHonestly knocks from an address of the phone until that has opened.
func (d *latchkeydProcess) knocksHonestly(send func(...[]byte), k *knocker, kind knockKind, from string) {
	d.t.Helper()
	before := d.count("opened", from) + d.count("extended", from)
	knock, sent := frames(kind.packets(k, netip.MustParseAddr(from))), time.Time{}
	lab.Wait(d.t, "an honest "+kind.name+" from "+from, func() bool {
		if time.Since(sent) > time.Second { // clients send copies, as TCP does by itself
			sent = time.Now()
			send(knock...)
		}
		return d.count("opened", from)+d.count("extended", from) > before
	})
}

// knocksOfEveryKind knocks from the phone in each way, and waits until each has opened.
func (d *latchkeydProcess) knocksOfEveryKind(send func(...[]byte), k *knocker) {
	d.t.Helper()
	for _, kind := range kinds {
		for _, family := range kind.families {
			d.knocksHonestly(send, k, kind, family)
		}
	}
}

// isHonest reports whether an address is one of those that knock honestly in these tests.
func isHonest(address string) bool {
	return address == phone || address == phone6 || address == neighbour
}
