// SPDX-License-Identifier: Apache-2.0

// Package traffic sends whole IPv4 packets from the hosts of the lab, at a rate, and makes the packets of
// knocks and of strangers: for testdata/bench and testdata/soak.
package traffic

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"math/rand/v2"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/lab"
	"github.com/latchkey/latchkey/pkgs/wire"
)

// Socket sends whole IPv4 packets, whatever source they name.
type Socket struct {
	fd   int
	to   *unix.SockaddrInet4     // scratch of Send: one for each packet would be garbage
	link *unix.SockaddrLinklayer // instead: where all packets go
}

// From calls f with a socket of a host, on a thread whose network is the host's.
func From(host string, f func(Socket) error) error {
	return lab.Do(host, func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return f(Socket{fd: fd, to: &unix.SockaddrInet4{}})
	})
}

// OnCable calls f with a socket that puts packets onto the cable between the Internet and the router. No host
// has sent them and no bridge has passed them on, which takes less than half the time; their checksums have to
// be right already.
func OnCable(f func(Socket) error) error {
	return lab.Do("internet", func() error {
		device, err := net.InterfaceByName("router")
		if err != nil {
			return err
		}
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0) // 0: it receives nothing
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_QDISC_BYPASS, 1); err != nil {
			return err
		}
		var ip [2]byte
		binary.BigEndian.PutUint16(ip[:], unix.ETH_P_IP)
		to := &unix.SockaddrLinklayer{Protocol: binary.NativeEndian.Uint16(ip[:]), Ifindex: device.Index, Halen: 6}
		copy(to.Addr[:], []byte{2, 0, 0, 0, 0, 1}) // the router's in testdata/lab.sh
		return f(Socket{fd: fd, link: to})
	})
}

// Send sends a packet to the address that it names.
func (s Socket) Send(packet []byte) error {
	if s.link != nil {
		return unix.Sendto(s.fd, packet, 0, s.link)
	}
	s.to.Addr = [4]byte(packet[16:20])
	return unix.Sendto(s.fd, packet, 0, s.to)
}

// The pauses of a flood: packets come one by one as far as that can be, because in bunches they cost who
// receives them less.
const (
	shortestPause = 100 * time.Microsecond
	longestPause  = 10 * time.Millisecond
	// breath is after how many packets others have the CPU at the latest, who have no other.
	breath = 256
)

// Flood sends packets at a rate per second until ctx ends, and returns how many. It asks for each packet
// when it is due, and has sent it before it asks for the next. Where a packet takes longer to send than the
// rate allows, fewer are sent.
func (s Socket) Flood(ctx context.Context, random *rand.Rand, packet func(*rand.Rand) []byte, rate float64) (sent int, err error) {
	pause := min(max(time.Duration(float64(time.Second)/rate), shortestPause), longestPause)
	for begin := time.Now(); ctx.Err() == nil; Sleep(pause) {
		for due := int(time.Since(begin).Seconds() * rate); sent < due; sent++ {
			if err := s.Send(packet(random)); err != nil {
				return sent, err
			}
			if sent%breath != 0 {
				continue
			}
			if Sleep(time.Microsecond); ctx.Err() != nil {
				return sent, nil
			}
		}
	}
	return sent, nil
}

// Sleep is time.Sleep that needs no other thread to wake up, for times below a millisecond.
func Sleep(d time.Duration) {
	t := unix.NsecToTimespec(int64(d))
	_ = unix.Nanosleep(&t, nil) // a signal may end it early
}

// Stranger returns an address of the shared address space (RFC 6598), which nobody has in the lab.
func Stranger(r *rand.Rand) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{100, 64 | byte(r.IntN(64)), byte(r.Uint32()), byte(r.Uint32())}), AnyPort(r))
}

// AnyPort returns one of the ports that systems connect from.
func AnyPort(r *rand.Rand) uint16 { return uint16(1024 + r.IntN(60000)) }

// Bytes returns n random bytes.
func Bytes(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// SYN begins a TCP connection.
func SYN(from, to netip.AddrPort, seq uint32) []byte {
	return wire.AppendTCP(nil, from, to, seq, wire.SYN, nil)
}

// Binding is the payload of a STUN request that carries a message, as browsers send it.
func Binding(message []byte) []byte {
	return wire.AppendBindingRequest(nil, [12]byte(message), base64.RawStdEncoding.EncodeToString(message)+":abcd", "0123456789012345678901")
}

// STUN is a packet with such a request.
func STUN(from, to netip.AddrPort, message []byte) []byte {
	return wire.AppendUDP(nil, from, to, Binding(message))
}

// spaLength is what fwknop's packets have for a user name of 5 letters, in characters.
const spaLength = 225

// SPA is random base64 of the length of a fwknop packet: fwknopd drops at once what is not. One packet in
// 64 could be genuine, which latchkeyd can tell only by computing.
func SPA(r *rand.Rand, to netip.AddrPort) []byte {
	payload := []byte(base64.StdEncoding.EncodeToString(Bytes(r, 171))[:spaLength])
	return wire.AppendUDP(nil, Stranger(r), to, payload)
}

// ForgedSPA is random base64 that only computing its HMAC tells from a fwknop packet.
func ForgedSPA(r *rand.Rand, to netip.AddrPort) []byte {
	const digest = 43 // characters of SHA-256 in base64
	payload := []byte(base64.RawStdEncoding.EncodeToString(Bytes(r, 171))[:spaLength])
	payload[0], payload[spaLength-digest-1], payload[spaLength-1] = '8', 'A', 'A'
	return wire.AppendUDP(nil, Stranger(r), to, payload)
}
