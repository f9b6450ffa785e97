// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/base64"
	"errors"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/knock"
	"github.com/latchkey/latchkey/pkgs/lab"
	"github.com/latchkey/latchkey/pkgs/wire"
)

// forge sends packets from the neighbour at a rate per second at the most until stop is called, which returns how
// many there were.
func forge(t *testing.T, rate int, packet func(*rand.Rand) []byte) (stop func() int) {
	t.Helper()
	end, sent := make(chan struct{}), make(chan int)
	go func() {
		n := 0
		defer func() { sent <- n }()
		lab.In(t, "neighbour", func() error {
			fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_RAW)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			r := rand.New(rand.NewPCG(1, 2))
			// What a slow processor does not manage is forgotten, and it rests as long as it works: sent later, in ever
			// longer bursts, it would leave nobody else any time.
			const pause, most = 5 * time.Millisecond, 250 * time.Millisecond
			owed, last, worked := 0.0, time.Now(), time.Duration(0)
			for {
				select {
				case <-end:
					return nil
				case <-time.After(max(pause, worked)):
				}
				now := time.Now()
				owed += min(now.Sub(last), most).Seconds() * float64(rate)
				for last = now; owed >= 1; owed-- {
					p := packet(r)
					if err := unix.Sendto(fd, p, 0, &unix.SockaddrInet4{Addr: [4]byte(p[16:20])}); err != nil {
						return err
					}
					n++
				}
				worked = time.Since(now)
			}
		})
	}()
	stop = sync.OnceValue(func() int { close(end); return <-sent })
	t.Cleanup(func() { stop() }) // also of a test that failed: the next one has its own troubles
	return stop
}

func anyAddress(r *rand.Rand) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32())}), uint16(1024+r.IntN(60000)))
}

// TestForgedSYNsInTheSendersName knocks by ports with connections of the kernel, while somebody sends
// 200 SYNs a second in the knocking sender's name, which look like those of another system.
func TestForgedSYNsInTheSendersName(t *testing.T) {
	d := start(t, sealed, "--clock", "synchronised")
	to := netip.MustParseAddr(router)
	options := []byte{2, 4, 5, 0x78, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, 8} // a largest segment of 1400
	stop := forge(t, 200, func(r *rand.Rand) []byte {
		from := netip.AddrPortFrom(netip.MustParseAddr(phone), uint16(1024+r.IntN(60000)))
		p := wire.AppendTCP(nil, from, netip.AddrPortFrom(to, uint16(portsBase+r.IntN(24*256))), r.Uint32(), wire.SYN, options)
		p[20+12] = byte(20+len(options)) / 4 << 4 // they are options, and no payload
		return p
	})
	const knocks = 20
	opened := 0
	for range knocks {
		before := d.count("opened", phone) + d.count("extended", phone)
		connectAll(t, "phone", knock.Slots(freshMessage(t), portsBase))
		d.settle()
		if d.count("opened", phone)+d.count("extended", phone) > before {
			opened++
		}
	}
	t.Logf("%d of %d knocks opened, while %d SYNs were forged", opened, knocks, stop())
	if opened < knocks {
		t.Errorf("%d of %d knocks opened, want all; refused: %v", opened, knocks, d.refusals())
	}
	lab.Withstood(t, "packets", "SYNs forged in the name of who knocks by ports, 200 a second", "every knock opens")
}

// connectAll begins a connection to each port of the router, as a program does, and gives them up.
func connectAll(t *testing.T, host string, ports []uint16) {
	t.Helper()
	lab.In(t, host, func() error {
		for _, port := range ports {
			fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			to := &unix.SockaddrInet4{Port: int(port), Addr: netip.MustParseAddr(router).As4()}
			if err := unix.Connect(fd, to); err != nil && !errors.Is(err, unix.EINPROGRESS) {
				return err
			}
		}
		return nil
	})
}

// TestFloodWhileTheClockIsFree knocks by STUN, once each, while 1000 forged messages a second arrive at
// a router with three clients whose clock is not known to be right.
func TestFloodWhileTheClockIsFree(t *testing.T) {
	three := sealed
	for _, name := range []string{"tablet", "laptop"} {
		key := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte(name[:4]), 8))
		three += "\nconfig client '" + name + "'\n\toption key '" + key + "'\n\tlist door 'web'\n"
	}
	d := start(t, three, "--clock", "free")
	to := netip.AddrPortFrom(netip.MustParseAddr(router), stunPort)
	stop := forge(t, 1000, func(r *rand.Rand) []byte {
		token := make([]byte, 24)
		for i := range token {
			token[i] = byte(r.Uint32())
		}
		payload := wire.AppendBindingRequest(nil, [12]byte{1}, base64.RawStdEncoding.EncodeToString(token)+":abcd", "0123456789012345678901")
		return wire.AppendUDP(nil, anyAddress(r), to, payload)
	})
	const knocks = 6
	lab.Wait(t, "the flood", func() bool { return must(d.status()).Packets > 1000 })
	opened := 0
	for range knocks {
		before := d.count("opened", phone) + d.count("extended", phone)
		sendSTUN(t, "phone", freshMessage(t))
		d.settle()
		if d.count("opened", phone)+d.count("extended", phone) > before {
			opened++
		}
	}
	t.Logf("%d of %d knocks opened, while %d messages were forged", opened, knocks, stop())
	if opened < knocks {
		t.Errorf("%d of %d knocks opened, want all", opened, knocks)
	}
	lab.Withstood(t, "load", "forged messages, 1000 a second, while the clock is not known to be right", "every knock by STUN opens")
}

// TestFloodOfGenuineLookingFwknopPackets knocks with Debian's fwknop from where it was heard before,
// while 300 packets a second arrive that are right in all but the HMAC, at a router with three clients.
func TestFloodOfGenuineLookingFwknopPackets(t *testing.T) {
	text := strings.Replace(home, "\tlist device 'wan'\n", "\tlist device 'wan'\n\toption spa_port '62201'\n", 1)
	keys := map[string]string{}
	for i, name := range []string{"desk", "spare", "other"} {
		key := func(n byte) string {
			return base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{n, byte(1 + i)}, 16))
		}
		keys[name] = "KEY_BASE64 " + key('k') + "\nHMAC_KEY_BASE64 " + key('h') + "\nUSE_HMAC Y\n"
		text += "\nconfig client '" + name + "'\n\toption kind 'fwknop'\n\toption key '" + key('k') + "'\n\toption hmac_key '" + key('h') + "'\n\tlist door 'web'\n"
	}
	const base64Characters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	for _, hash := range []string{"sha256", "sha512"} {
		t.Run(hash, func(t *testing.T) {
			d := start(t, text, "--clock", "synchronised")
			dir := t.TempDir()
			rc := filepath.Join(dir, "fwknoprc")
			if err := os.WriteFile(rc, []byte("[router]\nSPA_SERVER "+router+"\nHMAC_DIGEST_TYPE "+hash+"\n"+keys["desk"]), 0o600); err != nil {
				t.Fatal(err)
			}
			press := func() bool {
				before := d.count("opened", phone) + d.count("extended", phone)
				lab.Run(t, "phone", "env", "HOME="+dir, "fwknop", "--rc-file", rc, "-n", "router", "-A", "tcp/8443", "-a", phone)
				d.settle()
				return d.count("opened", phone)+d.count("extended", phone) > before
			}
			if !press() {
				t.Fatalf("the first knock opens nothing; refused: %v", d.refusals())
			}
			to := netip.AddrPortFrom(netip.MustParseAddr(router), 62201)
			stop := forge(t, 300, func(r *rand.Rand) []byte {
				payload := make([]byte, 225)
				for i := range payload {
					payload[i] = base64Characters[r.IntN(64)]
				}
				payload[0], payload[225-43-1], payload[224] = '8', 'A', 'A'
				return wire.AppendUDP(nil, anyAddress(r), to, payload)
			})
			seen := must(d.status()).Packets
			lab.Wait(t, "the flood", func() bool { return must(d.status()).Packets > seen+300 })
			const knocks = 10
			opened, began, cpu := 0, time.Now(), cpuTime(t, d.cmd.Process.Pid)
			for range knocks {
				second := time.Now().Unix()
				lab.Wait(t, "another second: fwknop's packets have no finer time", func() bool { return time.Now().Unix() > second })
				if press() {
					opened++
				}
			}
			cpu = cpuTime(t, d.cmd.Process.Pid) - cpu
			t.Logf("%d of %d knocks opened, while %d packets were forged; latchkeyd took %v of %v of a processor", opened, knocks, stop(), cpu, time.Since(began))
			if opened < knocks {
				t.Errorf("%d of %d knocks opened, want all; refused: %v", opened, knocks, d.refusals())
			}
		})
	}
	lab.Withstood(t, "load", "fwknop packets that are right but for their HMAC, 300 a second", "every knock by fwknop opens")
}
