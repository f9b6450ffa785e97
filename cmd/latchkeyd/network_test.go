// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/config"
	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/fw4"
	"github.com/latchkey/latchkey/pkgs/fw4/fw4test"
	"github.com/latchkey/latchkey/pkgs/lab"
)

// networks has a door that opens to 256 addresses of IPv4, or to a network of IPv6.
const networks = `
config latchkey 'main'
	option enabled '1'
	list device 'wan'
	list host '203.0.113.1'
	option stun_port '41641'

config door 'shell'
	option port '2222'
	option dest_port '22'
	option dest 'lan'
	option dest_ip '192.168.1.22'
	option dest_ip6 '2001:db8:2::22'
	option open_for '5m'
	option width4 '24'
	option width6 '64'

config client 'phone'
	option key '` + phoneKey + `'
	list door 'shell'
`

// moveTo gives a host on the internet one address in place of another, until the test ends.
func moveTo(t *testing.T, host, from, to string) {
	t.Helper()
	replace := func(from, to string) {
		// With its last address a device loses its routes over IPv4.
		lab.Run(t, host, "ip", "addr", "del", from, "dev", "eth0")
		lab.Run(t, host, "ip", "addr", "add", to, "dev", "eth0")
		lab.Run(t, host, "ip", "route", "replace", "default", "via", router)
	}
	replace(from, to)
	t.Cleanup(func() { replace(to, from) })
}

// moveOut gives the neighbour an address in the network beside the phone's, of each family.
func moveOut(t *testing.T) {
	t.Helper()
	moveTo(t, "neighbour", neighbour+"/24", "203.0.112.66/16")
	moveTo(t, "neighbour", neighbour6+"/64", "2001:db8:1:1::66/60")
	for _, route := range []string{"203.0.112.0/24", "2001:db8:1:1::/64"} {
		lab.Run(t, "router", "ip", "route", "add", route, "dev", "wan")
		t.Cleanup(func() { lab.Run(t, "router", "ip", "route", "del", route, "dev", "wan") })
	}
}

// A phone knocks, its provider gives it another address of the same network, and it connects by ssh.
func TestPhoneWhoseAddressChangesWithinItsNetwork(t *testing.T) {
	lab.Enter(t)
	moveOut(t)
	for _, tt := range []struct {
		name, network, from, to string
		flag                    string // of latchkey knock
		host, port, door        string // how ssh gets there
	}{
		{"over_IPv4", "203.0.113.0/24", phone + "/24", "203.0.113.209/24", "-4", router, "2222", nasDoor},
		{"over_IPv6", "2001:db8:1::/64", phone6 + "/64", "2001:db8:1::9:9/64", "-6", nas6, "22", nasDoor6},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, latchkey, env := startDoors(t, strings.Replace(networks, "'203.0.113.1'", "'"+map[string]string{"-4": router, "-6": router6}[tt.flag]+"'", 1))
			lab.SSHD(t)
			knock := func() {
				t.Helper()
				c := lab.On("phone", latchkey, "knock", "--no-probe", "home", "shell")
				c.Env = env
				if out, err := c.CombinedOutput(); err != nil {
					t.Fatalf("knock: %v\n%s", err, out)
				}
			}
			knock()
			lab.Wait(t, "the door opens to the network", func() bool { return slices.Equal(d.grants("shell"), []string{tt.network}) })
			moveTo(t, "phone", tt.from, tt.to)
			ssh := exec.Command("../../testdata/lab.sh", "ssh", "phone", "-p", tt.port, tt.host, "hostname")
			if out, err := ssh.CombinedOutput(); err != nil || strings.TrimSpace(string(out)) != "nas" {
				t.Errorf("ssh from another address of the network: %v\n%s", err, out)
			}
			if lab.Reach(t, "neighbour", tt.door, closedFor) {
				t.Error("the neighbour, who is in another network, gets in")
			}

			known := func() int { return d.count("opened", tt.network) + d.count("extended", tt.network) }
			before := known()
			knock() // from there
			lab.Wait(t, "the second knock extends", func() bool { return known() > before })
			if got := d.grants("shell"); !slices.Equal(got, []string{tt.network}) {
				t.Errorf("grants %v", got)
			}

			// The firewall is reloaded, empty: the grant is put back.
			c, _ := config.Parse(networks)
			nft := lab.On("router", "nft", "-f", "-")
			nft.Stdin = strings.NewReader("flush ruleset\n" + fw4test.Render(fw4.Objects(c)))
			if out, err := nft.CombinedOutput(); err != nil {
				t.Fatalf("nft: %v\n%s", err, out)
			}
			lab.Wait(t, "the door is open again", func() bool { return lab.Reach(t, "phone", tt.door, time.Second) })

			// By hand, with any address of the network.
			var out bytes.Buffer
			address := strings.Split(tt.to, "/")[0]
			if err := closeDoor(env0(&out), []string{"--socket", d.socket, "shell", address}); err != nil {
				t.Fatal(err)
			}
			if want := "door shell is closed to " + tt.network + "\n"; out.String() != want {
				t.Errorf("close says %q, want %q", out.String(), want)
			}
			if lab.Reach(t, "phone", tt.door, closedFor) {
				t.Error("the phone gets in though the door was closed")
			}
		})
	}
}

func env0(out *bytes.Buffer) env { return env{out: out, err: out} }

// A door that opens to single addresses after a reload leaves nothing of its networks open, not even while the
// firewall has the former rules.
func TestReloadToSingleAddressesClosesNetworks(t *testing.T) {
	d, _, _ := startDoors(t, networks)
	lab.Serve(t, "nas", ":22")
	if err := d.ask(control.Request{Method: "open", Door: "shell", Address: phone}, nil); err != nil {
		t.Fatal(err)
	}
	if !lab.Reach(t, "phone", nasDoor, 10*time.Second) {
		t.Fatal("the door is not open")
	}
	narrow := strings.NewReplacer("\toption width4 '24'\n", "", "\toption width6 '64'\n", "").Replace(networks)
	d.write(narrow)
	d.signal(unix.SIGHUP)
	lab.Wait(t, "the grant ends", func() bool { return d.count("closed", "203.0.113.0/24") == 1 })
	lab.Wait(t, "the set of networks is empty", func() bool {
		return !strings.Contains(lab.Run(t, "router", "nft", "list set inet fw4 latchkey2_shell_4"), "elements")
	})
	if lab.Reach(t, "phone", nasDoor, closedFor) {
		t.Error("the phone still gets in")
	}
}
