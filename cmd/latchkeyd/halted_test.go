// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/lab"
)

const faultStopped = "daemon stopped (SIGSTOP) while a door is open"

// halt stops the daemon, and returns when it stands still.
func (d *latchkeydProcess) halt() {
	d.t.Helper()
	d.signal(unix.SIGSTOP)
	lab.Wait(d.t, "the process is stopped", func() bool {
		stat := string(must(os.ReadFile(fmt.Sprintf("/proc/%d/stat", d.cmd.Process.Pid))))
		return strings.HasPrefix(stat[strings.LastIndexByte(stat, ')')+1:], " T")
	})
}

// elements reports whether a set of the kernel, such as nas_4, has any.
func elements(t *testing.T, set string) bool {
	t.Helper()
	return strings.Contains(lab.Run(t, "router", "nft", "list", "set", "inet", "fw4", "latchkey1_"+set), "expires")
}

// TestDaemonThatStandsStill stops the daemon while doors are open and while packets come.
func TestDaemonThatStandsStill(t *testing.T) {
	const quick = `
config door 'vpn'
	option proto 'udp'
	option port '51820'

config sequence 'quick'
	option within '2s'
	list step '1443/tcp'
	list step '2611/tcp'
	list step '9127/tcp'
	list door 'vpn'
`
	d := start(t, sealed+quick, "--clock", "synchronised")
	lab.Serve(t, "nas", ":22")
	lab.Serve(t, "router", ":8443")
	d.knock("phone", router, toNAS...)
	patiently(t, "the nas opens", func() bool { return len(d.grants("nas")) > 0 })
	d.halt()
	begin, stands := time.Now(), time.Minute
	if testing.Short() {
		stands = 0 // as long as the rest takes
	}
	patiently(t, "the nas closes", func() bool { return !lab.Reach(t, "phone", nasDoor, closedFor) && !elements(t, "nas_4") })

	// What comes meanwhile: steps that are too far apart, a sequence that is too long ago when it is
	// read, and two messages.
	const longer = 2200 * time.Millisecond // than the window of the sequence
	slow := []string{"1443:tcp", "2611:tcp", "9127:tcp"}
	for i, step := range slow {
		if i > 0 {
			time.Sleep(longer / 2) // this is what a step of the sequence takes here
		}
		d.knock("phone", router, step)
		if i == 0 {
			spoof(t, "neighbour", syn(neighbour, 1443), syn(neighbour, 2611), syn(neighbour, 9127))
		}
	}
	first, second := freshMessage(t), freshMessage(t)
	sendSTUN(t, "phone", first)
	sendSTUN(t, "neighbour", second)
	sendSTUN(t, "neighbour", first)
	time.Sleep(time.Until(begin.Add(stands))) // how long it stands still is what is tried here
	d.signal(unix.SIGCONT)
	patiently(t, "the messages that waited open, in their order", func() bool {
		return slices.Equal(d.grants("web"), []string{neighbour, phone}) || slices.Equal(d.grants("web"), []string{phone, neighbour})
	})
	d.settle()
	if got := d.grants("vpn"); len(got) > 0 {
		t.Errorf("steps that are too old open the vpn to %v", got)
	}
	told := false
	for _, e := range d.told() {
		told = told || e.Reason == "too-slow" && e.Address == neighbour && strings.Contains(e.Detail, "late: latchkeyd had been held up")
	}
	if !told {
		t.Errorf("nothing tells of the knock that was heard too late: %+v", d.told())
	}
	patiently(t, "the knock of a sequence opens again", func() bool {
		d.knock("phone", router, slow...)
		return slices.Equal(d.grants("vpn"), []string{phone})
	})
	lab.Withstood(t, "load", faultStopped, "the door closes on time")
	if stands > 0 {
		lab.Withstood(t, "load", "knocks that come while the daemon is stopped for a minute", "read in order afterwards; steps count by when they came, so that old or slow ones open nothing")
	}

	t.Run("and_goes_on_all_the_time", func(t *testing.T) {
		before := d.count("opened", phone) + d.count("extended", phone)
		patiently(t, "a knock is heard", func() bool {
			sendSTUN(t, "phone", freshMessage(t))
			for range 50 {
				d.signal(unix.SIGSTOP)
				d.signal(unix.SIGCONT)
			}
			return d.count("opened", phone)+d.count("extended", phone) > before
		})
		lab.Withstood(t, "load", "storm of SIGSTOP and SIGCONT", "knocks open")
	})
	t.Run("and_ends_in_the_middle_of_it_all", func(t *testing.T) {
		for round := range 3 {
			if round > 0 {
				d.run("--clock", "synchronised")
			}
			patiently(t, "the web opens", func() bool {
				sendSTUN(t, "phone", freshMessage(t))
				return lab.Reach(t, "phone", webDoor, closedFor)
			})
			stop, stopped, again := make(chan struct{}), make(chan struct{}), freshMessage(t)
			go func() {
				defer close(stopped)
				for {
					select {
					case <-stop:
						return
					default:
						sendSTUN(t, "phone", again)
						unix.Kill(d.cmd.Process.Pid, unix.SIGHUP)
					}
				}
			}()
			if round == 1 {
				d.halt()
				d.signal(unix.SIGTERM)
				d.signal(unix.SIGCONT)
			}
			for range 2 {
				unix.Kill(d.cmd.Process.Pid, unix.SIGTERM) // the second one may come when it is gone
			}
			if err := <-d.ended; err != nil {
				t.Errorf("round %d ends with %v", round, err)
			}
			d.ended = nil
			close(stop)
			<-stopped
			for _, set := range []string{"web_4", "web_6", "nas_4"} {
				if elements(t, set) {
					t.Errorf("round %d leaves an element in %s", round, set)
				}
			}
		}
		lab.Withstood(t, "load", "SIGTERM, once and again, in the middle of knocks and reloads, and while stopped", "ends, and every door is closed")
	})
	for _, name := range peers {
		t.Run("beside_"+name, func(t *testing.T) {
			installed(t, name)
			p := startPeer(t, name)
			if !p.opens() {
				t.Fatal("does not open")
			}
			p.signal(unix.SIGSTOP)
			outcome := "the door stays open as long as it is stopped"
			if p.closes(8 * time.Second) {
				outcome = "the door closes on time: a process of its own does that"
			}
			p.signal(unix.SIGCONT)
			lab.Peer(t, name, faultStopped, outcome)
		})
	}
}
