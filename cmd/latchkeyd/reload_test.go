// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/lab"
)

// load puts a ruleset into the router, after it was changed by pairs of old and new text.
func load(t *testing.T, before string, changes ...string) {
	t.Helper()
	text := string(must(os.ReadFile("../../testdata/router.nft")))
	changed := strings.NewReplacer(changes...).Replace(text)
	if len(changes) > 0 && changed == text {
		t.Fatalf("nothing of %q is in the ruleset", changes)
	}
	path := filepath.Join(t.TempDir(), "ruleset")
	if err := os.WriteFile(path, []byte(before+changed), 0o600); err != nil {
		t.Fatal(err)
	}
	lab.Run(t, "router", "nft", "-f", path)
}

// accepted returns how many knocks of the phone opened or extended a door.
func (d *latchkeydProcess) accepted() int {
	d.t.Helper()
	return d.count("opened", phone) + d.count("extended", phone)
}

// TestKnocksWhileTheFirewallIsChanged has somebody change nftables all the time while the phone knocks.
func TestKnocksWhileTheFirewallIsChanged(t *testing.T) {
	lab.Enter(t)
	ruleset := must(filepath.Abs("../../testdata/router.nft"))
	// Each line is a transaction for nft -i, which some are built without.
	if out, err := exec.Command("nft", "-i").CombinedOutput(); err != nil {
		t.Skipf("SKIP: nft takes no lines one by one: %v %s", err, out)
	}
	for _, tt := range []struct {
		name, fault string
		lines       []string
	}{
		{"a_reload", "firewall reloaded in a tight loop under knocks", []string{`include "` + ruleset + `"`}},
		{"a_restart", "firewall stopped and started in a tight loop under knocks", []string{"delete table inet fw4", `include "` + ruleset + `"`}},
		{"other_tables", "storm of changes of nftables by others under knocks", []string{"add table inet other", "delete table inet other"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := start(t, sealed, "--clock", "synchronised")
			changes, stop := storm(t, tt.lines)
			for range 10 {
				before, last := d.accepted(), changes.Load()
				sendSTUN(t, "phone", freshMessage(t))
				lab.Wait(t, "a knock is accepted", func() bool { return d.accepted() > before })
				lab.Wait(t, "the firewall is changed meanwhile", func() bool { return changes.Load() > last })
			}
			stop()
			if list := d.refusals(); len(list) > 0 {
				t.Errorf("refused: %q", list)
			}
			lab.Script(t, "firewall")
			lab.Wait(t, "the kernel lets the phone in", func() bool { return inKernel(t, "web", phone) })
			lab.Wait(t, "the doors are ready, and nothing fails any more", func() bool {
				s, err := d.status()
				return err == nil && s.Doors[1].State == "ready" && !s.Doors[1].Grants[0].Pending
			})
			lab.Withstood(t, "firewall", tt.fault, "every knock opens, and at the end the kernel has what status shows")
		})
	}
}

// storm feeds lines to one nft on the router, again and again, until it is stopped. Beyond what fits into the
// pipe, which is little, changes counts what nft took.
func storm(t *testing.T, lines []string) (changes *atomic.Int64, stop func()) {
	t.Helper()
	nft := lab.On("router", "nft", "-i")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := unix.FcntlInt(w.Fd(), unix.F_SETPIPE_SZ, 1); err != nil {
		t.Fatal(err)
	}
	var said lockedBuffer
	nft.Stdin, nft.Stdout, nft.Stderr = r, &said, &said
	err = nft.Start()
	r.Close()
	if err != nil {
		t.Fatal(err)
	}
	changes = new(atomic.Int64)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer w.Close()
		for {
			for _, line := range lines {
				if _, err := io.WriteString(w, line+"\n"); err != nil {
					return // nft is gone
				}
				changes.Add(1)
			}
		}
	}()
	stop = sync.OnceFunc(func() {
		nft.Process.Kill()
		nft.Wait()
		<-ended
		if strings.Contains(said.String(), "rror") {
			t.Errorf("nft: %s", said.String())
		}
	})
	t.Cleanup(stop)
	lab.Wait(t, "nft takes more than fits into the pipe", func() bool {
		return changes.Load() > int64(os.Getpagesize()/len(slices.MinFunc(lines, func(a, b string) int { return len(a) - len(b) })))
	})
	return changes, stop
}

// TestSetsOfADoorThatOthersSpoil has a door open while its set is taken away, replaced or emptied.
func TestSetsOfADoorThatOthersSpoil(t *testing.T) {
	d := start(t, sealed, "--clock", "synchronised")
	const (
		again = "delete table inet fw4\n"
		set4  = "\tset latchkey1_web_4 { type ipv4_addr; flags timeout; }\n"
		set6  = "\tset latchkey1_web_6 { type ipv6_addr; flags timeout; }\n"
		rule4 = "\t\tmeta nfproto ipv4 tcp dport 8443 ip saddr @latchkey1_web_4 counter accept\n"
		rule6 = "\t\tmeta nfproto ipv6 tcp dport 8443 ip6 saddr @latchkey1_web_6 counter accept\n"

		replacedSet  = "set of an open door replaced by one of another type or with flag interval"
		replacedThen = "the door is broken, knocks are refused with the reason, the set stays empty; the grant is back with the right set"
	)
	for _, tt := range []struct {
		name, fault string
		spoil       func(t *testing.T)
		state       string // of the door then
		refused     string // what a knock is told then, "" = it is accepted
		outcome     string
	}{
		{"set_of_a_network", replacedSet,
			func(t *testing.T) { load(t, again, set4, strings.Replace(set4, "flags ", "flags interval, ", 1)) },
			"broken", "has flag interval", replacedThen},
		{"set_of_ports", replacedSet,
			func(t *testing.T) {
				load(t, again, set4, strings.Replace(set4, "ipv4_addr", "inet_service", 1), rule4, "\t\ttcp dport @latchkey1_web_4 accept\n")
			},
			"broken", "is not of type ipv4_addr", replacedThen},
		{"both_sets_gone", "sets and rules of an open door deleted",
			func(t *testing.T) { load(t, again, set4, "", set6, "", rule4, "", rule6, "") },
			"pending", "", "door and grants are shown as pending; they are back with the sets"},
		{"set_of_a_family_gone", "set of one family of an open door deleted",
			func(t *testing.T) { load(t, again, set4, "", rule4, "") },
			"pending", "", "door and grant are shown as pending, and a knock extends it; it is back with the set"},
		{"set_emptied", "set of an open door emptied, or filled with strangers, by somebody else",
			func(t *testing.T) {
				lab.Run(t, "router", "nft", "flush set inet fw4 latchkey1_web_4; add element inet fw4 latchkey1_web_4 { "+neighbour+" timeout 1h }")
			},
			"ready", "", "the grant is put back and the strangers are taken out at once"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sendSTUN(t, "phone", freshMessage(t))
			lab.Wait(t, "the door is open", func() bool { return inKernel(t, "web", phone) })
			tt.spoil(t)
			lab.Wait(t, "the door is "+tt.state, func() bool { s, err := d.status(); return err == nil && s.Doors[1].State == tt.state })
			before := d.accepted()
			sendSTUN(t, "phone", freshMessage(t))
			lab.Wait(t, "the knock is answered", func() bool {
				if tt.refused == "" {
					return d.accepted() > before
				}
				e := d.newestOf("refused")
				return e.Reason == "firewall" && strings.Contains(e.Detail, tt.refused)
			})
			if tt.refused != "" && inKernel(t, "web", phone) {
				t.Error("an address was put into the wrong set")
			}
			if tt.state != "ready" {
				load(t, again)
			}
			lab.Wait(t, "the door is ready, and open to the phone alone", func() bool {
				s, err := d.status()
				return err == nil && s.Doors[1].State == "ready" && inKernel(t, "web", phone) && !inKernel(t, "web", neighbour)
			})
			lab.Withstood(t, "firewall", tt.fault, tt.outcome)
		})
	}
	t.Run("no_firewall_when_it_starts", func(t *testing.T) {
		lab.Run(t, "router", "nft", "delete table inet fw4")
		d.restart("--clock", "synchronised")
		before := d.accepted()
		sendSTUN(t, "phone", freshMessage(t))
		lab.Wait(t, "the knock is accepted", func() bool { return d.accepted() > before })
		load(t, "")
		lab.Wait(t, "the door opens", func() bool { return inKernel(t, "web", phone) })
		lab.Withstood(t, "firewall", "firewall that starts after latchkeyd", "knocks wait for it: their doors open as soon as it is there")
	})
}
