// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/base64"
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/knock"
	"github.com/latchkey/latchkey/pkgs/lab"
	"github.com/latchkey/latchkey/pkgs/seal"
	"github.com/latchkey/latchkey/pkgs/wire"
)

const (
	stunPort  = 41641
	portsBase = 20480
	phoneKey  = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
)

// sealed is home with a client that sends messages by both carriers.
var sealed = strings.Replace(home, "\tlist device 'wan'\n", `	list device 'wan'
	option stun_port '41641'
	option ports '20480-26623'

config client 'phone'
	option key '`+phoneKey+`'
	list door 'web'
	list door 'nas'
`, 1)

const (
	floodRate = 10_000 // packets per second
	floodTime = 5 * time.Second
	honest    = 30 // knocks meanwhile
)

// TestFlood sends 10 000 packets a second, each from another address that nobody has, for 5 s, and
// wants every honest knock of that time to open its door.
func TestFlood(t *testing.T) {
	anyone := func(r *rand.Rand) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32())}), uint16(1024+r.IntN(60000)))
	}
	to := netip.MustParseAddr(router)
	floods := []struct {
		name   string
		packet func(r *rand.Rand) []byte
		// passes is how many of the packets may pass the kernel's filter, of a thousand.
		passes int
	}{
		{"of_STUN_requests_with_wrong_hints", func(r *rand.Rand) []byte {
			token := make([]byte, 24)
			for i := range token {
				token[i] = byte(r.Uint32())
			}
			payload := wire.AppendBindingRequest(nil, [12]byte{1}, base64.RawStdEncoding.EncodeToString(token)+":abcd", "0123456789012345678901")
			return wire.AppendUDP(nil, anyone(r), netip.AddrPortFrom(to, stunPort), payload)
		}, 1},
		{"of_random_bytes", func(r *rand.Rand) []byte {
			payload := make([]byte, 128)
			for i := 0; i < len(payload); i += 8 {
				binary.NativeEndian.PutUint64(payload[i:], r.Uint64())
			}
			return wire.AppendUDP(nil, anyone(r), netip.AddrPortFrom(to, stunPort), payload)
		}, 1},
		{"of_SYNs_to_the_span_of_ports", func(r *rand.Rand) []byte {
			port := uint16(portsBase + r.IntN(24*256))
			return wire.AppendTCP(nil, anyone(r), netip.AddrPortFrom(to, port), r.Uint32(), wire.SYN, nil)
		}, 1000},
		{"of_first_steps_of_a_sequence", func(r *rand.Rand) []byte {
			return wire.AppendTCP(nil, anyone(r), netip.AddrPortFrom(to, 7431), r.Uint32(), wire.SYN, nil)
		}, 1000},
	}
	knocks := []struct {
		name string
		// from is the address that the nth knock comes from.
		from func(n int) string
		send func(t *testing.T, msg []byte, from string)
	}{
		{"stun", func(int) string { return phone }, func(t *testing.T, msg []byte, _ string) { sendSTUN(t, "phone", msg) }},
		// A sender's connections to one port within 0.6 s are taken for one, so each knock has
		// another sender.
		{"ports", func(n int) string { return "192.0.2." + strconv.Itoa(n) }, sendPorts},
	}
	for _, flood := range floods {
		for _, k := range knocks {
			if flood.passes == 1 && k.name == "ports" {
				continue // the flood is on the other carrier's port
			}
			t.Run(flood.name+"_during_knocks_by_"+k.name, func(t *testing.T) {
				d := start(t, sealed, "--clock", "synchronised")
				before := must(d.status()).Packets
				cpu := cpuTime(t, d.cmd.Process.Pid)
				sent := make(chan int)
				go func() { sent <- sendFlood(t, flood.packet) }()
				opened := 0
				for n := range honest {
					from, msg := k.from(n), freshMessage(t)
					already, sent := d.count("opened", from)+d.count("extended", from), time.Time{}
					lab.Wait(t, "an honest knock opens", func() bool {
						if time.Since(sent) > time.Second { // clients send copies, as TCP does by itself
							sent = time.Now()
							k.send(t, msg, from)
						}
						return d.count("opened", from)+d.count("extended", from) > already
					})
					opened++
					time.Sleep(100 * time.Millisecond) // a pause between knocks: it waits for nothing
				}
				total := <-sent
				passed := must(d.status()).Packets - before
				t.Logf("%d of %d honest knocks opened; %d of %d packets passed the kernel's filter; CPU time %s, memory %d kB",
					opened, honest, passed, total, cpuTime(t, d.cmd.Process.Pid)-cpu, memory(t, d.cmd.Process.Pid))
				if int(passed) > honest*60+total*flood.passes/1000 {
					t.Errorf("%d of %d packets passed the kernel's filter", passed, total)
				}
			})
		}
	}
}

// sendFlood sends packets at floodRate for floodTime and returns how many.
func sendFlood(t *testing.T, packet func(*rand.Rand) []byte) int {
	const each = 5 * time.Millisecond
	r := rand.New(rand.NewPCG(1, 2))
	sent := 0
	lab.In(t, "neighbour", func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_RAW)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		begin := time.Now()
		for time.Since(begin) < floodTime {
			for due := int(time.Since(begin).Seconds() * floodRate); sent < due; sent++ {
				p := packet(r)
				if err := unix.Sendto(fd, p, 0, &unix.SockaddrInet4{Addr: [4]byte(p[16:20])}); err != nil {
					return err
				}
			}
			time.Sleep(each) // the rate of the flood
		}
		return nil
	})
	return sent
}

var sentStamps seal.Sent

// freshMessage seals the phone's wish for its doors.
func freshMessage(t *testing.T) []byte {
	t.Helper()
	key := must(seal.ParseKey(phoneKey))
	return seal.Seal(key, seal.Body{Stamp: sentStamps.Press(time.Now(), 1).Starts[0], Door: seal.Tag("web")})
}

// sendSTUN sends a message as browsers do, once.
func sendSTUN(t *testing.T, host string, msg []byte) {
	t.Helper()
	payload := wire.AppendBindingRequest(nil, [12]byte{byte(rand.Uint32())}, base64.RawStdEncoding.EncodeToString(msg)+":abcd", "0123456789012345678901")
	lab.In(t, host, func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return unix.Sendto(fd, payload, 0, &unix.SockaddrInet4{Port: stunPort, Addr: netip.MustParseAddr(router).As4()})
	})
}

// sendPorts sends a message as a row of SYNs.
func sendPorts(t *testing.T, msg []byte, from string) {
	t.Helper()
	var packets [][]byte
	for i, port := range knock.Slots(msg, portsBase) {
		src := netip.AddrPortFrom(netip.MustParseAddr(from), uint16(30000+i))
		packets = append(packets, wire.AppendTCP(nil, src, netip.AddrPortFrom(netip.MustParseAddr(router), port), rand.Uint32(), wire.SYN, nil))
	}
	spoof(t, "phone", packets...)
}

// cpuTime returns what all threads of a process have used (proc_pid_stat(5)).
func cpuTime(t *testing.T, pid int) time.Duration {
	t.Helper()
	stat := string(must(os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")))
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	ticks := must(strconv.Atoi(fields[11])) + must(strconv.Atoi(fields[12]))
	return time.Duration(ticks) * 10 * time.Millisecond // USER_HZ is 100
}

// memory returns a process's resident memory in kB.
func memory(t *testing.T, pid int) int { t.Helper(); return memoryOf(t, pid, "VmRSS:") }

// ownMemory is what is its own of that: how much of the program's text is in memory differs from one run to the next.
func ownMemory(t *testing.T, pid int) int { t.Helper(); return memoryOf(t, pid, "RssAnon:") }

// memoryOf returns a figure of a process's memory in kB (proc_pid_status(5)).
func memoryOf(t *testing.T, pid int, figure string) int {
	t.Helper()
	status := string(must(os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")))
	for line := range strings.Lines(status) {
		if v, ok := strings.CutPrefix(line, figure); ok {
			return must(strconv.Atoi(strings.Fields(v)[0]))
		}
	}
	t.Fatalf("no %s", figure)
	return 0
}
