// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/latchkey/latchkey/pkgs/lab"
	"github.com/latchkey/latchkey/pkgs/seal"
	"github.com/latchkey/latchkey/pkgs/wire"
	"github.com/latchkey/latchkey/testdata/traffic"
)

// candidate is one way to have a door opened by one kind of knock. Candidates of one kind get the
// same packets, from honest senders and from strangers.
type candidate struct {
	name, kind string
	// programs that must be installed, and the Debian packages that have them.
	programs, packages string
	// probe is the time between SYNs to the door. It must be far below the latency, and costs
	// the sender's CPU.
	probe time.Duration
	// start makes the firewall and returns the daemon, not yet started; nil if there is none.
	start func(*rig) (*exec.Cmd, error)
	// knocks prepares the honest knocks, n of them.
	knocks func(r *rig, n int) (knocks, error)
	// flood makes a packet of a stranger who knows the ports and forms of knocks, but no secret.
	flood func(*mathrand.Rand) []byte
}

// knocks returns the packets of the next knock, from an address.
type knocks func(from netip.Addr) [][]byte

// The kinds of knocks, in latchkeyd's words.
const (
	sequence = "sequence"
	message  = "message"
	spa      = "fwknop"
)

var candidates = []candidate{
	{"kernel only", sequence, "nft", "nftables", 20 * time.Microsecond, startKernel, sequenceKnocks, sequenceFlood},
	{"latchkeyd", sequence, "nft", "nftables", 20 * time.Microsecond, startLatchkeyd, sequenceKnocks, sequenceFlood},
	{"knockd", sequence, "nft knockd", "nftables knockd", 100 * time.Microsecond, startKnockd, sequenceKnocks, sequenceFlood},
	{"latchkeyd", message, "nft", "nftables", 20 * time.Microsecond, startLatchkeyd, messageKnocks, messageFlood},
	{"latchkeyd", spa, "nft fwknop", "nftables fwknop-client", 20 * time.Microsecond, startLatchkeyd, spaKnocks, spaFlood},
	{"fwknopd", spa, "iptables fwknopd fwknop", "iptables fwknop-server fwknop-client", 200 * time.Microsecond, startFwknopd, spaKnocks, spaFlood},
}

const (
	stunPort = 41641
	spaPort  = 62201 // fwknopd's default
	// grant is longer than a trial, and short so that no limit on grants is met.
	grant = "3s"
)

// steps are in no order, so that no port of them is reached by counting.
var steps = []uint16{7431, 2951, 8812}

// client has the keys of a phone: one for messages, two for fwknop packets.
type client struct {
	key       seal.Key
	spa, hmac string // base64
}

func newClient() client {
	secret := func() string {
		var b [32]byte
		rand.Read(b[:])
		return base64.StdEncoding.EncodeToString(b[:])
	}
	var c client
	rand.Read(c.key[:])
	c.spa, c.hmac = secret(), secret()
	return c
}

// startKernel adds the knock to the router's rules: the state of a knock is in sets.
func startKernel(r *rig) (*exec.Cmd, error) {
	const memory = "type ipv4_addr; flags dynamic, timeout; size 65535; timeout 5s"
	rules := fmt.Sprintf(`
		add set inet fw4 step1 { %[1]s; }
		add set inet fw4 step2 { %[1]s; }
		add set inet fw4 open { %[1]s; }
		insert rule inet fw4 input_wan tcp dport %[2]d ip saddr @open accept
		insert rule inet fw4 input_wan tcp dport %[5]d ip saddr @step2 update @open { ip saddr timeout %[6]s } drop
		insert rule inet fw4 input_wan tcp dport %[4]d ip saddr @step1 update @step2 { ip saddr } drop
		insert rule inet fw4 input_wan tcp dport %[3]d update @step1 { ip saddr } drop
	`, memory, doorPort, steps[0], steps[1], steps[2], grant)
	if err := r.firewall(); err != nil {
		return nil, err
	}
	return nil, lab.Output(lab.On("router", "nft", rules))
}

// startLatchkeyd uses one configuration for all kinds of knocks.
func startLatchkeyd(r *rig) (*exec.Cmd, error) {
	var b strings.Builder
	fmt.Fprintf(&b, `
config latchkey 'main'
	option enabled '1'
	list device 'wan'
	option stun_port '%d'
	option spa_port '%d'

config door 'web'
	option port '%d'
	option open_for '%s'

config sequence 'to_web'
	option within '5s'
	list door 'web'
`, stunPort, spaPort, doorPort, grant)
	for _, p := range steps {
		fmt.Fprintf(&b, "\tlist step '%d/tcp'\n", p)
	}
	for i, c := range r.clients {
		fmt.Fprintf(&b, "\nconfig client 'phone%d'\n\toption key '%s'\n\tlist door 'web'\n", i, c.key.Text())
		fmt.Fprintf(&b, "\nconfig client 'tablet%d'\n\toption kind 'fwknop'\n\toption key '%s'\n\toption hmac_key '%s'\n\tlist door 'web'\n", i, c.spa, c.hmac)
	}
	config, err := r.file("latchkey", b.String())
	if err != nil {
		return nil, err
	}
	program, err := filepath.Abs(latchkeyd)
	if err != nil {
		return nil, err
	}
	if err := os.Remove(filepath.Join(r.dir, "state")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	cmd := r.onDaemonCPU(program, "run", "--config", config, "--state", filepath.Join(r.dir, "state"),
		"--socket", filepath.Join(r.dir, "sock"), "--clock", "synchronised")
	cmd.Env = append(os.Environ(), "GOMEMLIMIT=12MiB") // as openwrt's init script does
	return cmd, r.firewall()
}

// startKnockd lets knockd add to the same set of the same rules.
func startKnockd(r *rig) (*exec.Cmd, error) {
	config, err := r.file("knockd.conf", fmt.Sprintf(`
[options]
	logfile = %s
[web]
	sequence = %d,%d,%d
	seq_timeout = 5
	tcpflags = syn
	start_command = nft add element inet fw4 latchkey1_web_4 '{ %%IP%% timeout %s }'
`, filepath.Join(r.dir, "knockd.log"), steps[0], steps[1], steps[2], grant))
	if err != nil {
		return nil, err
	}
	return r.onDaemonCPU("knockd", "-i", "wan", "-c", config), r.firewall()
}

// startFwknopd has a firewall of its own: fwknopd knows iptables only, and what iptables accepts is
// still dropped by the rules of the others.
func startFwknopd(r *rig) (*exec.Cmd, error) {
	var access strings.Builder
	for _, c := range r.clients {
		fmt.Fprintf(&access, "SOURCE ANY\nKEY_BASE64 %s\nHMAC_KEY_BASE64 %s\n", c.spa, c.hmac)
	}
	rules, err1 := r.file("access.conf", access.String())
	config, err2 := r.file("fwknopd.conf", "PCAP_INTF wan;\n")
	flush := lab.Output(lab.On("router", "nft", "flush ruleset"))
	filter := lab.Output(lab.On("router", "sh", "-e", "-c", `
		iptables -P INPUT DROP
		iptables -A INPUT -i lo -j ACCEPT
		iptables -A INPUT -m conntrack --ctstate ESTABLISHED -m comment --comment bench -j ACCEPT`))
	if err := errors.Join(err1, err2, flush, filter); err != nil {
		return nil, err
	}
	return r.onDaemonCPU("fwknopd", "-f", "-c", config, "-a", rules, "-r", r.dir,
		"-p", filepath.Join(r.dir, "fwknopd.pid"), "-d", filepath.Join(r.dir, "fwknopd.digests")), nil
}

func sequenceKnocks(r *rig, _ int) (knocks, error) {
	return func(from netip.Addr) (packets [][]byte) {
		for _, port := range steps {
			packets = append(packets, traffic.SYN(netip.AddrPortFrom(from, traffic.AnyPort(r.random)), to(port), r.random.Uint32()))
		}
		return packets
	}, nil
}

// messageKnocks are STUN requests as browsers send them.
func messageKnocks(r *rig, _ int) (knocks, error) {
	sent := make([]seal.Sent, len(r.clients))
	turn := 0
	return func(from netip.Addr) [][]byte {
		turn = (turn + 1) % len(r.clients)
		token := seal.Seal(r.clients[turn].key, seal.Body{Stamp: sent[turn].Press(time.Now(), 1).Starts[0], Door: seal.Tag("web")})
		return [][]byte{traffic.STUN(netip.AddrPortFrom(from, traffic.AnyPort(r.random)), to(stunPort), token)}
	}, nil
}

// spaKnocks are made by Debian's fwknop beforehand, because it takes longer than what is measured.
// Their times are one second after the other up to now: latchkeyd tells packets by their second and
// a number below 1000, so that a few of a second might be taken for one.
func spaKnocks(r *rig, n int) (knocks, error) {
	var payloads [][]byte
	save := filepath.Join(r.dir, "spa")
	for i := range n {
		c := r.clients[i%len(r.clients)]
		rc, err := r.file("fwknoprc", fmt.Sprintf("[default]\nKEY_BASE64 %s\nHMAC_KEY_BASE64 %s\nUSE_HMAC Y\n", c.spa, c.hmac))
		if err != nil {
			return nil, err
		}
		// -s: open for the address that the packet comes from.
		cmd := exec.Command("fwknop", "--rc-file", rc, "-A", fmt.Sprintf("tcp/%d", doorPort), "-s", "-D", routerAddr.String(),
			"-U", "bench", "--time-offset-minus", fmt.Sprintf("%ds", (n-1-i)/len(r.clients)), "--test", "--save-packet", save)
		cmd.Env = append(os.Environ(), "HOME="+r.dir)
		if err := lab.Output(cmd); err != nil {
			return nil, err
		}
		b, err := os.ReadFile(save)
		if err != nil {
			return nil, err
		}
		payloads = append(payloads, []byte(strings.TrimSpace(string(b))))
	}
	return func(from netip.Addr) [][]byte {
		p := payloads[0]
		payloads = payloads[1:]
		return [][]byte{wire.AppendUDP(nil, netip.AddrPortFrom(from, traffic.AnyPort(r.random)), to(spaPort), p)}
	}, nil
}

func sequenceFlood(r *mathrand.Rand) []byte {
	return traffic.SYN(traffic.Stranger(r), to(steps[r.IntN(len(steps))]), r.Uint32())
}

func messageFlood(r *mathrand.Rand) []byte {
	return traffic.STUN(traffic.Stranger(r), to(stunPort), traffic.Bytes(r, 24))
}

func spaFlood(r *mathrand.Rand) []byte { return traffic.SPA(r, to(spaPort)) }

// to is a port of the router.
func to(port uint16) netip.AddrPort { return netip.AddrPortFrom(routerAddr, port) }
