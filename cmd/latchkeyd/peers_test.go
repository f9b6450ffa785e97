// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/lab"
)

// peer is another port knocker on the router, whose door is port 8443 as that of our web is, for 3 s.
type peer struct {
	name  string
	t     *testing.T
	cmd   *exec.Cmd
	ended chan struct{}
	dir   string
	to    string // where it is knocked at
}

// peers are what faults are tried on beside ours.
var peers = []string{"knockd", "fwknopd"}

// Keys of fwknopd and its client.
const (
	peerKey  = "a2trAWtrAWtrAWtrAWtrAWtrAWtrAWtrAWtrAWtrAQA="
	peerHMAC = "aGhoAmhoaAJoaGgCaGhoAmhoaAJoaGgCaGhoAmhoaAI="
)

// startPeer starts a peer beside a firewall that drops, as its manual wants it: with iptables. It returns
// when a knock has opened its door and that is shut again.
func startPeer(t *testing.T, name string) *peer {
	t.Helper()
	p := &peer{name: name, t: t, dir: t.TempDir(), to: router, ended: make(chan struct{})}
	p.shut()
	t.Cleanup(func() {
		lab.Run(t, "router", "nft", "flush ruleset")
		lab.Script(t, "firewall")
	})
	switch name {
	case "knockd":
		p.write("conf", "[options]\n\tlogfile = "+filepath.Join(p.dir, "log")+"\n"+knockdDoor)
		p.cmd = lab.On("router", "knockd", "-i", "wan", "-c", filepath.Join(p.dir, "conf"), "-p", filepath.Join(p.dir, "pid"))
	case "fwknopd":
		p.write("conf", "PCAP_INTF wan;\n")
		p.write("access", "SOURCE ANY\nKEY_BASE64 "+peerKey+"\nHMAC_KEY_BASE64 "+peerHMAC+"\nFW_ACCESS_TIMEOUT 3\n")
		p.cmd = lab.On("router", "fwknopd", "-f", "-c", filepath.Join(p.dir, "conf"), "-a", filepath.Join(p.dir, "access"), "-r", p.dir,
			"-p", filepath.Join(p.dir, "pid"), "-d", filepath.Join(p.dir, "digests"))
	}
	log := must(os.Create(filepath.Join(p.dir, "said")))
	defer log.Close()
	p.cmd.Stdout, p.cmd.Stderr = log, log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() {
		p.cmd.Process.Kill()
		<-p.ended
		if t.Failed() {
			said, _ := os.ReadFile(log.Name())
			t.Logf("%s said:\n%s", name, said)
		}
	})
	if !p.opens() {
		t.Fatalf("%s does not work", name)
	}
	p.shut()
	return p
}

const knockdDoor = `
[web]
	sequence = 7431,2951:udp,8812
	seq_timeout = 5
	tcpflags = syn
	start_command = iptables -I INPUT -s %IP% -p tcp --dport 8443 -j ACCEPT
	cmd_timeout = 3
	stop_command = iptables -D INPUT -s %IP% -p tcp --dport 8443 -j ACCEPT
`

func (p *peer) write(name, text string) {
	p.t.Helper()
	if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// shut reloads the firewall, without what was opened: that takes less time than to wait for its end.
func (p *peer) shut() {
	p.t.Helper()
	lab.Run(p.t, "router", "sh", "-ec", `nft flush ruleset
		iptables -P INPUT DROP
		iptables -A INPUT -i lo -j ACCEPT
		iptables -A INPUT -p icmp -j ACCEPT
		iptables -A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT`)
}

// open reports whether its door is open to the phone: somebody answers, if only that nobody listens there.
func (p *peer) open() bool {
	err := tryPort("phone", p.to+":8443", 2*time.Second)
	return err == nil || errors.Is(err, unix.ECONNREFUSED)
}

// knock knocks once.
func (p *peer) knock() {
	if p.name == "knockd" {
		lab.On("phone", "knock", "-d", "30", p.to, "7431:tcp", "2951:udp", "8812:tcp").Run()
		return
	}
	lab.On("phone", "env", "HOME="+p.dir, "fwknop", "--no-save-args", "-D", p.to, "-A", "tcp/8443", "-a", phone,
		"--key-base64-rijndael", peerKey, "--key-base64-hmac", peerHMAC, "--use-hmac").Run()
}

// opens knocks some times, and tells whether the door opens.
func (p *peer) opens() bool {
	patiently(p.t, "a way to the router", func() bool { return lab.On("phone", "ping", "-c", "1", "-W", "1", p.to).Run() == nil })
	for range 5 {
		p.knock()
		if p.open() {
			return true
		}
	}
	return false
}

// closes reports whether the door closes within a time. A packet may be late: it looks twice.
func (p *peer) closes(within time.Duration) bool {
	for deadline := time.Now().Add(within); time.Now().Before(deadline); {
		if first := p.open(); !first && !p.open() {
			return true
		}
	}
	return false
}

func (p *peer) signal(s unix.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// ends reports whether it ends within a time.
func (p *peer) ends(within time.Duration) bool {
	select {
	case <-p.ended:
		return true
	case <-time.After(within):
		return false
	}
}

// installed skips where a peer is not there to compare with.
func installed(t *testing.T, name string) {
	t.Helper()
	lab.Need(t, name, "iptables", strings.TrimSuffix(name, "d"))
}
