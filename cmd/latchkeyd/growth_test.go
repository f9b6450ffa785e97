// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"math"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/lab"
	"github.com/latchkey/latchkey/pkgs/nft"
	"github.com/latchkey/latchkey/pkgs/seal"
)

// TestTenThousandGrants has 200 doors, 200 clients that may open all of them, and fifty of these knock.
func TestTenThousandGrants(t *testing.T) {
	lab.Enter(t)
	program, err := lab.Program("latchkeyd", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	const doors, grants = 200, 10_000
	all := ""
	for i := range doors {
		all += fmt.Sprintf("\tlist door 'door%d'\n", i)
	}
	d, rest := startMany(t, program, doors, func(int) string { return "\toption expires '2099-12-31'\n" + all })
	address := func(i int) netip.Addr {
		if i%2 == 0 {
			return netip.AddrFrom4([4]byte{198, 18, 7, byte(i)})
		}
		return netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 0x77, 15: byte(i)})
	}
	knock := func(client int, b seal.Body) {
		b.Stamp = uint64(time.Now().UnixMilli())
		sendSTUN(t, "phone", seal.Seal(keyOf(client), b))
	}
	// cost is what a knock takes of the processor, as the less of two measurements.
	cost := func() time.Duration {
		const knocks, at = 100, "198.18.9.9"
		least := time.Duration(math.MaxInt64)
		for range 2 {
			before, told := cpuTime(t, d.cmd.Process.Pid), strings.Count(d.log.String(), "opened door=door199 ")
			for i := range knocks {
				knock(100+i, seal.Body{Address: netip.MustParseAddr(at), Door: seal.Tag("door199"), Minutes: 60})
				lab.Wait(t, "it opens", func() bool { return strings.Count(d.log.String(), "opened door=door199 ") == told+i+1 })
			}
			least = min(least, (cpuTime(t, d.cmd.Process.Pid)-before)/knocks)
			if err := d.ask(control.Request{Method: "close", Door: "door199", Address: at}, nil); err != nil {
				t.Fatal(err)
			}
		}
		return least
	}
	alone := cost()
	lines := func() int { return strings.Count(d.log.String(), "opened door=") }
	told := lines()
	knock(0, seal.Body{Address: address(0), Minutes: 60})
	lab.Wait(t, "the log tells of each door that a knock opens", func() bool { return lines() == told+doors })
	for i := 1; i < grants/doors; i++ {
		knock(i, seal.Body{Address: address(i), Minutes: 60})
	}
	var s control.Status
	lab.Wait(t, "all doors are open to fifty addresses", func() bool {
		s = must(d.status())
		return s.Grants == grants
	})
	listed, more := 0, 0
	for _, x := range s.Doors {
		listed += len(x.Grants)
		more += x.More
	}
	if s.Most != 10240 || listed > control.MaxListed || listed < doors || listed+more != grants {
		t.Errorf("of %d grants %d are listed and %d more, of at most %d", s.Grants, listed, more, s.Most)
	}
	var raw control.Raw
	begin := time.Now()
	if err := d.ask(control.Request{Method: "status"}, &raw); err != nil {
		t.Fatal(err)
	}
	t.Logf("status has %d bytes and takes %v; %d kB of memory, %d kB before", len(raw), time.Since(begin), memory(t, d.cmd.Process.Pid), rest)
	show := exec.Command(os.Args[0], "status", "--socket", d.socket)
	show.Env = append(os.Environ(), asDaemon+"=1")
	if out, err := show.CombinedOutput(); err != nil || !strings.Contains(string(out), "10000 of 10240 grants are in use") ||
		!strings.Contains(string(out), fmt.Sprintf("  and to %d more\n", s.Doors[7].More)) {
		t.Errorf("latchkeyd status: %v\n%.2000s", err, out)
	}
	told = 0
	for _, e := range d.told() {
		if e.Kind == "trouble" && strings.Contains(e.Detail, "grants are in use") {
			told++
		}
	}
	if told != 1 {
		t.Errorf("its owner was told %d times that there is little room left", told)
	}

	t.Logf("a knock takes %v of the processor beside %d grants, %v alone", cost(), grants, alone) // pkgs/door's tests hold the work to it
	knock(60, seal.Body{Address: address(60)})
	knock(61, seal.Body{Address: address(61)})
	lab.Wait(t, "what is too many is refused", func() bool {
		return must(d.status()).Grants == 10240 && strings.Contains(d.log.String(), "there are 10240: too many grants")
	})

	has := func() int { return strings.Count(lab.Run(t, "router", "nft", "list", "ruleset"), " expires ") }
	flush := ""
	for i := range doors { // as another program could
		flush += "flush set inet fw4 " + nft.SetName(fmt.Sprintf("door%d", i), i%2 == 0, false) + "; "
	}
	lab.Run(t, "router", "nft", flush)
	lab.Wait(t, "the firewall has them all again", func() bool { return has() == 10240 })

	reloads, before := d.happened("reload"), cpuTime(t, d.cmd.Process.Pid)
	d.signal(unix.SIGHUP)
	lab.Wait(t, "the configuration is read", func() bool { return d.happened("reload") > reloads })
	t.Logf("a reload takes %v of the processor", cpuTime(t, d.cmd.Process.Pid)-before)
	if n := must(d.status()).Grants; n != 10240 {
		t.Errorf("%d grants after a reload", n)
	}
	var closed control.Closed
	if err := d.ask(control.Request{Method: "close", Door: "door0"}, &closed); err != nil || len(closed.Grants) < 51 {
		t.Errorf("closed %d, %v", len(closed.Grants), err)
	}
	begin = time.Now()
	d.stop()
	t.Logf("it stops within %v", time.Since(begin)) // procd kills after 5 s
	if n := has(); n != 0 {
		t.Errorf("%d addresses are let in after it stopped", n)
	}
}
