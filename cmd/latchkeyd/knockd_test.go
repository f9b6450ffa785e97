// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey/latchkey/pkgs/config"
	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/daemon"
	"github.com/latchkey/latchkey/pkgs/foreign"
	"github.com/latchkey/latchkey/pkgs/lab"
	"github.com/latchkey/latchkey/pkgs/wire"
)

// The two firewalls of a router that drops: one for the rows with iptables, one like fw4 for those with
// nft. Port forwards go through in both.
const (
	withIptables = `rules() {
	cat <<-END
		*filter
		:INPUT DROP
		:FORWARD DROP
		:KNOCKED -
		:input_rule -
		:zone_wan_forward -
		:DOCKER-USER -
		-A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
		-A INPUT -p $1 -j ACCEPT
		-A INPUT -j input_rule
		-A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED,DNAT -j ACCEPT
		-A FORWARD -j zone_wan_forward
		-A FORWARD -j DOCKER-USER
		COMMIT
	END
}
rules icmp | iptables-restore && rules icmpv6 | ip6tables-restore`
	withNft = `nft '
table inet fw4 {
	set friends { type ipv4_addr; flags timeout; }
	chain input_wan { }
	chain forward_wan { }
	chain dstnat_wan { }
	chain input {
		type filter hook input priority filter; policy drop;
		ct state established,related accept
		jump input_wan
	}
	chain forward {
		type filter hook forward priority filter; policy drop;
		ct state established,related accept
		ct status dnat accept
		jump forward_wan
	}
	chain output { type filter hook output priority filter; policy accept; }
	chain dstnat {
		type nat hook prerouting priority dstnat;
		jump dstnat_wan
	}
}'`
)

// TestKnockdAgrees runs the real knockd with each row of a table, knocks, and tries from outside what its
// command opened. The translation of the same file must hear the same packets, and must never open
// anything that the command did not.
func TestKnockdAgrees(t *testing.T) {
	lab.Enter(t)
	lab.Need(t, "knockd", "iptables")
	for _, name := range []string{"net.ipv4.icmp_ratelimit=0", "net.ipv6.icmp.ratelimit=0"} {
		lab.Run(t, "router", "sysctl", "-qw", name)
	}
	for _, port := range served {
		serveNumber(t, port)
	}
	for _, row := range knockdTable {
		t.Run(strings.ReplaceAll(row.name, " ", "_"), func(t *testing.T) { judge(t, row) })
	}
	lab.Run(t, "router", "nft", "flush ruleset")
}

func judge(t *testing.T, row judged) {
	text := row.lines
	if !strings.Contains(text, "sequence =") {
		text = "sequence = 7431,2951:udp,8812\n" + text
	}
	text = "[options]\nInterface = wan\n[row]\n" + text + "\n"
	translation, err := foreign.Translate(text, foreign.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ours, heard := translated(t, translation.Text, row)

	lab.Run(t, "router", "nft", "flush ruleset")
	firewall := withIptables
	if strings.Contains(row.lines, "nft ") {
		firewall = withNft
	}
	lab.Run(t, "router", "sh", "-c", firewall)
	k := startKnockd(t, text)
	if k == nil {
		if row.want != refusal {
			t.Fatal("knockd refuses this file")
		}
		return
	}
	if row.want == refusal {
		t.Fatal("knockd does not refuse this file")
	}
	for i, step := range row.steps() {
		send(t, row, step, i)
	}
	k.settle()
	if row.want == nothing {
		if len(ours) > 0 || translation.Usable > 0 {
			t.Errorf("ours opens %v\n%s", ours, translation.Text)
		}
		return
	}
	theirs := opened(t, row, func(list []string) bool {
		switch row.want {
		case deaf:
			return len(list) == 0
		case narrower:
			return len(list) > len(ours) && subset(ours, list)
		}
		return slices.Equal(list, ours)
	})
	problem := ""
	switch row.want {
	case same, sender:
		if len(ours) == 0 || !slices.Equal(ours, theirs) || !heard {
			problem = "both shall open the same"
		}
		if everybody := strings.Contains(translation.Text, "for everybody"); everybody != (row.want == sender) {
			problem = "whether knockd opens it for everybody is told wrong"
		}
	case narrower:
		if len(ours) == 0 || len(theirs) <= len(ours) || !heard || !subset(ours, theirs) {
			problem = "ours shall be a part of theirs"
		}
	case deaf:
		if heard || len(theirs) > 0 {
			problem = "neither shall open"
		}
	}
	if problem != "" {
		t.Errorf("%s\nours %v (heard: %t)\nknockd %v\n%s\nknockd said:\n%s", problem, ours, heard, theirs, translation.Text, k.log)
	}
}

// steps are the packets of a row.
func (row judged) steps() []string {
	if row.knock == "" {
		return strings.Fields("7431:tcp 2951:udp 8812:tcp")
	}
	return strings.Fields(row.knock)
}

// translated returns what the doors open that hear the row's packets, and whether any does.
func translated(t *testing.T, text string, row judged) (opens []string, heard bool) {
	t.Helper()
	cfg, problems := config.Parse(text)
	if cfg == nil {
		t.Fatalf("%v\n%s", problems, text)
	}
	for i := range cfg.Doors {
		d := &cfg.Doors[i]
		host := d.DestIP
		if row.six {
			host = d.DestIP6
		}
		for _, o := range d.Openings {
			for port := int(o.Outside.First); port <= int(o.Outside.Last); port++ {
				if o.Outside.Count() > 1 && !slices.Contains(probed, uint16(port)) {
					continue // of a range, what knockd opened is seen at the ports that are tried
				}
				inside := int(o.PortInside(uint16(port)))
				line := fmt.Sprintf("%s %d of the router", o.Proto, port)
				if d.Dest != "" && host.String() == nas6 {
					line = fmt.Sprintf("%s %d of the nas", o.Proto, inside)
				} else if d.Dest != "" {
					line = fmt.Sprintf("%s %d of the nas by %d", o.Proto, inside, port)
				}
				opens = append(opens, strings.TrimSuffix(line, fmt.Sprintf(" of the nas by %d", inside)))
			}
		}
	}
	for i := range opens {
		if !strings.Contains(opens[i], " of ") {
			opens[i] += " of the nas"
		}
	}
	slices.Sort(opens)
	now := time.Unix(1_800_000_000, 0)
	report := func(e control.Event) { heard = heard || e.Kind == "opened" }
	trace, err := daemon.NewTrace(text+"config latchkey 'main'\n\toption enabled '1'\n", func() bool { return true },
		func(time.Time) string { return "" }, report)
	if err != nil {
		t.Fatal(err)
	}
	for i, step := range row.steps() {
		var p wire.Packet
		if err := p.Decode(row.packet(step, i)); err != nil {
			t.Fatal(err)
		}
		now = now.Add(50 * time.Millisecond)
		trace.Packet(now, "", &p)
	}
	return opens, heard
}

// packet makes the packet of the i-th step, such as 7431:tcp, 2951:udp or 8812:fin. Each comes from a port
// of its own, as those of a client do.
func (row judged) packet(step string, i int) []byte {
	from, to := phone, router
	if row.six {
		from, to = phone6, router6
	}
	number, what, _ := strings.Cut(step, ":")
	port, _ := strconv.Atoi(number)
	src, dst := netip.AddrPortFrom(netip.MustParseAddr(from), uint16(40000+i)), netip.AddrPortFrom(netip.MustParseAddr(to), uint16(port))
	switch what {
	case "udp":
		return wire.AppendUDP(nil, src, dst, []byte("x"))
	case "fin":
		return wire.AppendTCP(nil, src, dst, uint32(1000*i), wire.FIN, nil)
	}
	return wire.AppendTCP(nil, src, dst, uint32(1000*i), wire.SYN, nil)
}

// send sends a step from the phone: with Debian's knock, if that can.
func send(t *testing.T, row judged, step string, i int) {
	t.Helper()
	switch {
	case strings.HasSuffix(step, ":fin"):
		spoof(t, "phone", row.packet(step, i))
	case row.six:
		lab.Run(t, "phone", "knock", "-6", router6, step)
	default:
		lab.Run(t, "phone", "knock", router, step)
	}
}

type knockd struct {
	t    *testing.T
	cmd  *exec.Cmd
	log  *lockedBuffer
	done string // what a file is called that is there when the neighbour has knocked at a port, without the port
}

// startKnockd returns nil if knockd refuses the file.
func startKnockd(t *testing.T, text string) *knockd {
	t.Helper()
	dir := t.TempDir()
	k := &knockd{t: t, log: &lockedBuffer{}, done: filepath.Join(dir, "done")}
	file := filepath.Join(dir, "knockd.conf")
	for _, port := range []string{"61000", "61003"} {
		text += "[neighbour]\nsequence = " + port + ":udp\ncommand = touch " + k.done + port + "\n"
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	k.cmd = lab.On("router", "knockd", "-v", "-i", "wan", "-c", file, "-p", filepath.Join(dir, "pid"))
	k.cmd.Stdout, k.cmd.Stderr = k.log, k.log
	// Its children inherit the pipe of its output: they are not waited for.
	k.cmd.WaitDelay = time.Millisecond
	if err := k.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		k.cmd.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		k.cmd.Process.Kill()
		<-ended
	})
	refuses := false
	lab.Wait(t, "knockd hears the neighbour, or ends", func() bool {
		select {
		case <-ended:
			refuses = true
			return true
		default:
			return k.hears("61000")
		}
	})
	if refuses {
		return nil
	}
	return k
}

// hears knocks from the neighbour at a port, and tells whether such a knock was heard soon.
func (k *knockd) hears(port string) bool {
	k.t.Helper()
	lab.Run(k.t, "neighbour", "knock", router, port+":udp")
	for range 20 {
		if _, err := os.Stat(k.done + port); err == nil {
			return true
		}
		time.Sleep(5 * time.Millisecond)
	}
	return false
}

// settle returns when knockd has heard every packet that was sent before, and its commands have ended.
func (k *knockd) settle() {
	k.t.Helper()
	lab.Wait(k.t, "knockd hears the neighbour again", func() bool { return k.hears("61003") })
	lab.Wait(k.t, "the commands of knockd end", func() bool {
		out, _ := exec.Command("pgrep", "-P", strconv.Itoa(k.cmd.Process.Pid)).Output()
		return len(bytes.TrimSpace(out)) == 0
	})
}

func subset(part, whole []string) bool {
	for _, x := range part {
		if !slices.Contains(whole, x) {
			return false
		}
	}
	return true
}

// TestKnockdTable keeps the table what it says it is.
func TestKnockdTable(t *testing.T) {
	const least = 60
	if len(knockdTable) < least {
		t.Errorf("%d rows, want %d", len(knockdTable), least)
	}
	bare := func(s string) string {
		return strings.Map(func(r rune) rune {
			if '0' <= r && r <= '9' {
				return -1
			}
			return r
		}, s)
	}
	seen := map[string]string{}
	for _, row := range knockdTable {
		key := bare(row.lines) + bare(row.knock)
		if row.knock != "" {
			key += row.knock
		}
		if other, twice := seen[key]; twice {
			t.Errorf("rows %q and %q differ in values only:%s", other, row.name, cmp.Diff(other, row.name))
		}
		seen[key] = row.name
	}
}
