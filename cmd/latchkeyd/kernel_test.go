// SPDX-License-Identifier: Apache-2.0

package main

import (
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/lab"
)

// The tests of this file put the real daemon, the real kernel and Debian's knock together. The names
// in parentheses are weaknesses of other port knockers that must not be ours.

func TestDoors(t *testing.T) {
	d := start(t, home)
	lab.Serve(t, "nas", ":22")
	lab.Serve(t, "router", ":8443")

	tests := []struct {
		name, host, other, to, door string
		knock                       []string
	}{
		{"a_LAN_host_behind_DNAT", "phone", "neighbour", router, nasDoor, toNAS},
		{"a_LAN_host_behind_an_IPv6_pinhole", "phone", "neighbour", router6, nasDoor6, toNAS},
		{"knocked_at_the_LAN_host_s_own_address", "neighbour", "phone", nas6, nasDoor6, toNAS},
		{"the_router_itself", "phone", "neighbour", router, webDoor, sorted},
		{"the_router_itself_over_IPv6", "phone", "neighbour", router6, webDoor6, sorted},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if lab.Reach(t, tt.host, tt.door, closedFor) {
				t.Fatal("open before the knock")
			}
			d.knock(tt.host, tt.to, tt.knock...)
			lab.Wait(t, "the door opens", func() bool { return lab.Reach(t, tt.host, tt.door, closedFor) })
			if lab.Reach(t, tt.other, tt.door, closedFor) {
				t.Error("open for somebody else, too")
			}
			for _, name := range []string{"nas", "web"} {
				if err := d.ask(closeRequest(name), nil); err != nil {
					t.Fatal(err)
				}
			}
			if lab.Reach(t, tt.host, tt.door, closedFor) {
				t.Error("open after it was closed early")
			}
		})
	}
}

func TestDoorClosesByItself(t *testing.T) {
	lab.Enter(t)
	// openAndWait opens the nas for 3 s, does something, and checks that it closes on time and that
	// the connection that was open lives on.
	openAndWait := func(t *testing.T, d *latchkeydProcess, then func()) {
		t.Helper()
		lab.Serve(t, "nas", ":22")
		d.knock("phone", router, toNAS...)
		lab.Wait(t, "the door opens", func() bool { return lab.Reach(t, "phone", nasDoor, closedFor) })
		opened := time.Now()
		c := lab.Connect(t, "phone", nasDoor, closedFor)
		if c == nil {
			t.Fatal("closed at once")
		}
		defer c.Close()
		then()
		lab.Wait(t, "the door closes", func() bool { return !lab.Reach(t, "phone", nasDoor, closedFor) })
		if long := time.Since(opened); long > 5*time.Second {
			t.Errorf("it was open for %s, want 3 s", long)
		}
		b := make([]byte, 4)
		if _, err := c.Write([]byte("ping")); err != nil {
			t.Fatal(err)
		}
		c.SetReadDeadline(time.Now().Add(5 * time.Second))
		if _, err := c.Read(b); err != nil {
			t.Errorf("the open connection: %v", err)
		}
	}
	t.Run("while_the_daemon_works", func(t *testing.T) { openAndWait(t, start(t, home), func() {}) })
	t.Run("after_kill_-9_of_the_daemon_(fwknopd,_knockd)", func(t *testing.T) {
		d := start(t, home)
		openAndWait(t, d, d.kill)
		lab.Withstood(t, "power and disk", faultKilled, "the kernel closes it on time, and who is connected stays")
	})
	t.Run("at_once_when_the_service_stops", func(t *testing.T) {
		d := start(t, home)
		lab.Serve(t, "router", ":8443")
		d.knock("phone", router, sorted...)
		lab.Wait(t, "the door opens", func() bool { return lab.Reach(t, "phone", webDoor, closedFor) })
		d.stop()
		if lab.Reach(t, "phone", webDoor, closedFor) {
			t.Error("open after SIGTERM")
		}
	})
	t.Run("at_once_when_the_daemon_starts_again_after_a_crash", func(t *testing.T) {
		d := start(t, home)
		lab.Serve(t, "router", ":8443")
		d.knock("phone", router, sorted...)
		lab.Wait(t, "the door opens", func() bool { return lab.Reach(t, "phone", webDoor, closedFor) })
		d.kill()
		if !lab.Reach(t, "phone", webDoor, closedFor) {
			t.Error("the kernel closed early")
		}
		d.run()
		if lab.Reach(t, "phone", webDoor, closedFor) {
			t.Error("a grant that no one knows of is still open")
		}
		lab.Withstood(t, "power and disk", "daemon started again after it was killed with a door open", "the door closes at once: nothing is open that status does not show")
	})
}

func TestGrantSurvives(t *testing.T) {
	d := start(t, home)
	lab.Serve(t, "router", ":8443")
	d.knock("phone", router, sorted...)
	open := func() bool { return lab.Reach(t, "phone", webDoor, closedFor) }
	lab.Wait(t, "the door opens", open)

	t.Run("a_reload_of_the_firewall_(knockd)", func(t *testing.T) {
		lab.Script(t, "firewall")
		if !open() {
			t.Error("closed")
		}
		lab.Withstood(t, "firewall", "firewall reloaded while a door is open", "it stays open")
	})
	t.Run("a_restart_of_the_firewall_(fwknopd)", func(t *testing.T) {
		lab.Run(t, "router", "nft", "delete table inet fw4")
		lab.Script(t, "firewall")
		lab.Wait(t, "the grant is back", open)
		lab.Withstood(t, "firewall", faultRestarted, "what is left of the grant is put back at once")
	})
	t.Run("a_firewall_that_is_away_for_a_while", func(t *testing.T) {
		lab.Run(t, "router", "nft", "delete table inet fw4")
		lab.Wait(t, "the door is pending", func() bool {
			s, err := d.status()
			return err == nil && s.Doors[1].State == "pending" && s.Doors[1].Grants[0].Pending
		})
		lab.Script(t, "firewall")
		lab.Wait(t, "the grant is back", open)
		lab.Wait(t, "the door is ready", func() bool {
			s, err := d.status()
			return err == nil && s.Doors[1].State == "ready" && !s.Doors[1].Grants[0].Pending
		})
		lab.Withstood(t, "firewall", "firewall stopped for a while", "doors and grants are shown as pending; what is left of them is back with the firewall")
	})
	t.Run("a_reload_of_the_daemon_that_adds_a_door", func(t *testing.T) {
		d.write(home + "\nconfig door 'vpn'\n\toption proto 'udp'\n\toption port '51820'\n")
		d.signal(unix.SIGHUP)
		lab.Wait(t, "the new door is there", func() bool { s, err := d.status(); return err == nil && len(s.Doors) == 3 })
		if !open() {
			t.Error("closed")
		}
	})
	t.Run("a_bad_configuration", func(t *testing.T) {
		d.write(home + "\nconfig door 'bad'\n\toption port '70000'\n")
		d.signal(unix.SIGHUP)
		lab.Wait(t, "status tells of the problem", func() bool { s, err := d.status(); return err == nil && s.Problem != "" })
		if !open() {
			t.Error("closed")
		}
	})
}

func TestKnockIsSeen(t *testing.T) {
	d := start(t, home)
	// Each knock extends the one grant: the events count them.
	seen := func() int { return d.count("opened", phone) + d.count("extended", phone) }
	mustWork := func(t *testing.T) {
		t.Helper()
		// What the wire cannot carry yet no daemon could see: neighbours must have found each other.
		lab.Wait(t, "a way to the router", func() bool {
			return lab.On("router", "ping", "-c", "1", "-W", "1", phone).Run() == nil
		})
		before, since := seen(), time.Now()
		for seen() == before {
			d.knock("phone", router, toNAS...)
			// Within a second; the rest is what a knock and slow machines take.
			if time.Since(since) > 3*time.Second {
				t.Fatalf("no knock was seen within 3 s; devices %+v", must(d.status()).Devices)
			}
		}
	}
	t.Run("while_nothing_changes", mustWork)
	t.Run("after_the_link_went_down_and_up", func(t *testing.T) {
		lab.Run(t, "router", "ip", "link", "set", "wan", "down")
		lab.Wait(t, "status says down", func() bool { return must(d.status()).Devices[0].State == "down" })
		lab.Run(t, "router", "ip", "link", "set", "wan", "up")
		mustWork(t)
	})
	t.Run("after_the_address_changed_(knockd)", func(t *testing.T) {
		lab.Run(t, "router", "ip", "addr", "flush", "dev", "wan")
		lab.Run(t, "router", "ip", "addr", "add", router+"/24", "dev", "wan")
		lab.Run(t, "router", "ip", "addr", "add", router6+"/64", "dev", "wan")
		mustWork(t)
	})
	t.Run("after_the_device_was_made_anew_(knockd,_fwknopd)", func(t *testing.T) {
		lab.Run(t, "router", "ip", "link", "del", "wan")
		lab.Wait(t, "status says missing", func() bool { return must(d.status()).Devices[0].State == "missing" })
		lab.Script(t, "wan")
		mustWork(t)
	})
	t.Run("and_repeated_it_is_one_grant", func(t *testing.T) {
		for range 3 {
			d.knock("phone", router, toNAS...)
		}
		d.settle()
		if got := d.grants("nas"); !slices.Equal(got, []string{phone}) {
			t.Errorf("grants %v", got)
		}
		elements := lab.Run(t, "router", "nft", "-j", "list", "set", "inet", "fw4", "latchkey1_nas_4")
		if n := countWord(elements, phone); n != 1 {
			t.Errorf("%d elements in the kernel's set:\n%s", n, elements)
		}
	})
}
