// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/lab"
)

func (d *latchkeydProcess) radar() (r control.Radar) {
	d.t.Helper()
	if err := d.ask(control.Request{Method: "radar"}, &r); err != nil {
		d.t.Fatal(err)
	}
	return r
}

// claimedBy returns what the radar says of an address; no attempts if it says nothing.
func (d *latchkeydProcess) claimedBy(address string) control.RadarSender {
	d.t.Helper()
	for _, s := range d.radar().Senders {
		if s.Address == address {
			return s
		}
	}
	return control.RadarSender{}
}

// nmap asks for the 1000 ports that it knows best, each twice as nothing answers.
func TestRadarNamesWhoScans(t *testing.T) {
	d := start(t, home)
	lab.Run(t, "neighbour", "nmap", "-n", "-Pn", "--privileged", "-sS", "--max-retries", "1", "-T4", "--min-rate", "400", router)
	lab.Wait(t, "the scan is told", func() bool { return d.count("scan", neighbour) == 1 })
	r, s := d.radar(), d.claimedBy(neighbour)
	t.Logf("nmap tried 1000 ports: %+v", s)
	const off = 1000 / 5 // four times the standard error of the count of ports
	if s.Ports > 1000+off || s.Most < 1000-off || !s.Scan {
		t.Errorf("%d to %d ports, want 1000 ± %d between them", s.Ports, s.Most, off)
	}
	if first := r.Now.Sub(s.First); first < 0 || first > time.Hour || s.Last.Before(s.First) {
		t.Errorf("seen from %s to %s, and it is %s", s.First, s.Last, r.Now)
	}
	if n := r.Hours[len(r.Hours)-1].TCP; n == 0 || n < s.Attempts/2 {
		t.Errorf("%d attempts in this hour, %d by this sender", n, s.Attempts)
	}
	// On a busy machine half of the packets are looked at, so no port of the thousand is certain to be told.
	if len(r.Ports) < 20 || r.Ports[0].Attempts < 1 {
		t.Errorf("services: %+v", r.Ports)
	}
	line := regexp.MustCompile(`(?m)^scan address=` + regexp.QuoteMeta(neighbour) + ` ports=\d+ detail=".*forged.*"$`)
	if !line.MatchString(d.log.String()) {
		t.Errorf("the log does not tell it:\n%s", d.log)
	}
	out, _, code := invoke("radar", "--socket", d.socket)
	if code != exitOK || !regexp.MustCompile(`(?m)^  `+regexp.QuoteMeta(neighbour)+` +scan +\d+ attempts at about \d+( to \d+)? ports`).MatchString(out) ||
		len(r.Ports) > 0 && !strings.Contains(out, fmt.Sprintf("%d/%s  %s ", r.Ports[0].Port, r.Ports[0].Proto, r.Ports[0].Service)) {
		t.Errorf("latchkeyd radar: %d\n%s", code, out)
	}
	lab.Withstood(t, "packets", "a port scan by nmap, as the radar tells it", "it is told once, with its sender and the number of its ports; nothing is done")
}

// What opens a door is no scan, and leaves no sender behind: a message by ports asks for 24 of them.
func TestKnocksThatOpenAreNotInTheRadar(t *testing.T) {
	lab.Need(t, "nmap")
	d := start(t, sealed, "--clock", "synchronised")
	if lab.Reach(t, "phone", nasDoor, closedFor) {
		t.Fatal("the door is open")
	}
	d.knock("phone", router, toNAS...)
	sendPorts(t, freshMessage(t), phone)
	lab.Wait(t, "both knocks open", func() bool { return len(d.grants("nas")) == 1 && len(d.grants("web")) == 1 })
	lab.On("neighbour", "nmap", "-n", "-Pn", "--privileged", "-sS", "-p", "1-40", router).Run()
	lab.Wait(t, "the neighbour is seen", func() bool { return d.claimedBy(neighbour).Attempts >= 40 })
	if s := d.claimedBy(phone); s.Attempts > 0 {
		t.Errorf("the phone is told: %+v", s)
	}
	if out, _, _ := invoke("radar", "--json", "--socket", d.socket); strings.Contains(out, phone) || strings.Contains(out, "7431") || strings.Contains(out, "8812") {
		t.Errorf("the knock can be read in the radar: %s", out)
	}
}

// Answers are no attempts: of a UDP service outside that a LAN host talks with, from whatever port, and those
// to a connection from inside.
func TestAnswersAreNotInTheRadar(t *testing.T) {
	lab.Need(t, "nmap")
	d := start(t, home)
	var outside net.PacketConn
	lab.In(t, "neighbour", func() (err error) {
		outside, err = net.ListenPacket("udp", neighbour+":6000")
		return err
	})
	defer outside.Close()
	go func() {
		b := make([]byte, 100)
		for {
			n, from, err := outside.ReadFrom(b)
			if err != nil {
				return
			}
			outside.WriteTo(b[:n], from)
		}
	}()
	lab.Serve(t, "neighbour", ":8000")
	talk := func(from string) (answers *atomic.Int64, stop func()) {
		var c net.Conn
		lab.In(t, "router", func() (err error) {
			c, err = (&net.Dialer{LocalAddr: net.UDPAddrFromAddrPort(netip.MustParseAddrPort(from))}).Dial("udp", neighbour+":6000")
			return err
		})
		answers = new(atomic.Int64)
		end := make(chan struct{})
		var talking sync.WaitGroup
		talking.Go(func() {
			for {
				select {
				case <-end:
					return
				case <-time.After(20 * time.Millisecond): // the pace of the talk
					c.Write([]byte("x"))
				}
			}
		})
		talking.Go(func() {
			b := make([]byte, 100)
			for {
				_, err := c.Read(b)
				if errors.Is(err, net.ErrClosed) {
					return
				}
				if err == nil {
					answers.Add(1)
				}
			}
		})
		return answers, func() { close(end); c.Close(); talking.Wait() }
	}
	_, stop := talk(router + ":40000")
	defer stop()
	for range 20 {
		if !lab.Reach(t, "router", neighbour+":8000", 5*time.Second) {
			t.Fatal("the service outside does not answer")
		}
	}
	lab.On("phone", "nmap", "-n", "-Pn", "--privileged", "-sS", "-p", "1-40", router).Run()
	lab.Wait(t, "a scan is seen", func() bool { return d.claimedBy(phone).Attempts >= 40 })
	if s := d.claimedBy(neighbour); s.Attempts > 0 {
		t.Errorf("answers count as attempts: %+v", s)
	}
	// From a port below 32768 they count until this port was seen to talk, which is looked for now and then.
	answers, stop := talk(router + ":6881")
	defer stop()
	last := -1
	lab.Wait(t, "the answers count no more", func() bool {
		before, came, marked := d.claimedBy(neighbour).Attempts, answers.Load(), d.claimedBy(phone).Attempts
		lab.Wait(t, "answers come", func() bool { return answers.Load() >= came+20 })
		// Packets are looked at in the order in which they come, so these were, once the phone's is.
		lab.On("phone", "nmap", "-n", "-Pn", "--privileged", "-sS", "-p", "1", router).Run()
		lab.Wait(t, "the phone is seen", func() bool { return d.claimedBy(phone).Attempts > marked })
		last = d.claimedBy(neighbour).Attempts
		return last == before
	})
	t.Logf("%d answers of a talk from port 6881 counted", last)
}

// The patterns that the README gives read the line that is written.
func TestOthersReadTheLogLineOfAScan(t *testing.T) {
	readme := string(must(os.ReadFile("../../README.md")))
	after := func(what string) string {
		_, rest, found := strings.Cut(readme, what)
		if !found {
			t.Fatalf("the README does not have %q", what)
		}
		line, _, _ := strings.Cut(rest, "\n")
		return strings.TrimSpace(line)
	}
	lines := map[string]string{} // by address
	for _, address := range []string{neighbour, "2001:db8:1::66"} {
		lines[address] = logLine(control.Event{Kind: "scan", Address: address, Ports: 981, Detail: "closed ports were tried: nothing was done about it, as a sender can be forged"})
	}
	others := []string{
		logLine(control.Event{Kind: "opened", Door: "nas", Address: phone, Knock: "message stun"}),
		logLine(control.Event{Kind: "refused", Address: phone, Reason: "bad-message", Detail: "scan address=" + phone + " ports=1"}),
	}
	t.Run("fail2ban", func(t *testing.T) {
		program, err := exec.LookPath("fail2ban-regex")
		if err != nil {
			t.Skip("SKIP: fail2ban is not installed")
		}
		filter := "[INCLUDES]\nbefore = common.conf\n[Definition]\n_daemon = latchkeyd\nfailregex = " + after("failregex = ") + "\n"
		folder := t.TempDir()
		name := filepath.Join(folder, "latchkey.conf")
		if err := os.WriteFile(name, []byte(filter), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink("/etc/fail2ban/filter.d/common.conf", filepath.Join(folder, "common.conf")); err != nil {
			t.Fatal(err)
		}
		for _, head := range []string{"Nov 26 05:48:10 router latchkeyd[123]: ", "2026-11-26T05:48:10.123456+00:00 router latchkeyd[123]: "} {
			var log strings.Builder
			for _, l := range lines {
				log.WriteString(head + l + "\n")
			}
			for _, l := range others {
				log.WriteString(head + l + "\n")
			}
			logFile := filepath.Join(folder, "log")
			if err := os.WriteFile(logFile, []byte(log.String()), 0o600); err != nil {
				t.Fatal(err)
			}
			out, err := exec.Command(program, "-o", "ip", logFile, name).CombinedOutput()
			got := strings.Fields(string(out))
			if err != nil || len(got) != len(lines) || lines[got[0]] == "" || lines[got[1]] == "" || got[0] == got[1] {
				t.Errorf("fail2ban finds %q: %v in\n%s", got, err, log.String())
			}
		}
	})
	t.Run("CrowdSec", func(t *testing.T) {
		pattern := strings.Trim(after("pattern: "), "'")
		// As its grok library has them, in short.
		pattern = strings.NewReplacer("%{IP:source_ip}", `(?P<source_ip>(?:\d{1,3}\.){3}\d{1,3}|[0-9A-Fa-f:]*:[0-9A-Fa-f:.]+)`, "%{INT:ports}", `(?P<ports>[+-]?\d+)`).Replace(pattern)
		re := regexp.MustCompile(pattern)
		for address, l := range lines {
			if m := re.FindStringSubmatch(l); m == nil || m[re.SubexpIndex("source_ip")] != address || m[re.SubexpIndex("ports")] != "981" {
				t.Errorf("%s finds %q in %s", pattern, m, l)
			}
		}
		for _, l := range others {
			if re.MatchString(l) {
				t.Errorf("%s finds %s", pattern, l)
			}
		}
	})
	t.Run("banIP", func(t *testing.T) {
		term := strings.Trim(after("list ban_logterm "), "'`")
		for _, head := range []string{"Thu Nov 26 05:48:10 2026 daemon.info latchkeyd[123]: "} {
			for address, l := range lines {
				if out, err := grep(term, head+l); err != nil || out == "" {
					t.Errorf("%q does not find %s: %v", term, address, err)
				}
			}
			if out, _ := grep(term, head+others[0]); out != "" {
				t.Errorf("%q finds %s", term, out)
			}
		}
	})
}

// grep is what logread -e does: a regular expression of POSIX.
func grep(pattern, line string) (string, error) {
	cmd := exec.Command("grep", "-e", pattern)
	cmd.Stdin = strings.NewReader(line + "\n")
	out, err := cmd.Output()
	return string(out), err
}

// A flood of the radar's own kind wakes nobody more often, and takes no memory.
func TestFloodDoesNotKeepTheRadarBusy(t *testing.T) {
	d := start(t, home)
	lab.Run(t, "phone", "nmap", "-n", "-Pn", "--privileged", "-sS", "-p", "1-40", router)
	lab.Wait(t, "the radar sees", func() bool { return d.claimedBy(phone).Attempts >= 40 })
	before := memory(t, d.cmd.Process.Pid)
	lab.On("neighbour", "nmap", "-n", "-Pn", "--privileged", "-sS", "-T5", "--max-retries", "0", "--min-rate", "20000", "--host-timeout", "20s", "-p", "1-65535", router).Run()
	lab.Wait(t, "the scan is told", func() bool { return d.count("scan", neighbour) == 1 })
	s := d.claimedBy(neighbour)
	t.Logf("65535 ports at 20000 a second: %+v; memory %d kB, before %d kB", s, memory(t, d.cmd.Process.Pid), before)
	if s.Samples > 20*1024 {
		t.Errorf("%d packets were looked at", s.Samples)
	}
	if s.Attempts < 65535/2 || s.Attempts > 2*65535 {
		t.Errorf("%d attempts", s.Attempts)
	}
	if s.Most < 65535/2 || s.Ports > 70000 {
		t.Errorf("%d to %d ports", s.Ports, s.Most)
	}
}
