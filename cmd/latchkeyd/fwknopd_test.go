// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/latchkey/latchkey/pkgs/lab"
)

// dropping is the firewall of a router for knockd and fwknopd, which know iptables.
const dropping = "nft flush ruleset && iptables -P INPUT DROP"

// fwknopd is the real one. It lets addresses in to port 8443.
type fwknopd struct {
	t            *testing.T
	dir, digests string // its files; what it remembers of used packets
	cmd          *exec.Cmd
	log          *lockedBuffer
	ended        chan struct{}
}

func startFwknopd(t *testing.T, digests string) *fwknopd {
	t.Helper()
	lab.Need(t, "fwknopd")
	f := &fwknopd{t: t, dir: t.TempDir(), digests: digests}
	for name, text := range map[string]string{
		"access.conf":  "SOURCE ANY\nKEY_BASE64 " + peerKey + "\nHMAC_KEY_BASE64 " + peerHMAC + "\nFW_ACCESS_TIMEOUT 60\n",
		"fwknopd.conf": "PCAP_INTF wan;\n",
	} {
		if err := os.WriteFile(filepath.Join(f.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f.run()
	t.Cleanup(f.kill)
	return f
}

// run starts it and waits until it listens.
func (f *fwknopd) run() {
	f.t.Helper()
	f.log, f.ended = &lockedBuffer{}, make(chan struct{})
	f.cmd = lab.On("router", "fwknopd", "-f", "-c", filepath.Join(f.dir, "fwknopd.conf"), "-a", filepath.Join(f.dir, "access.conf"),
		"-r", f.dir, "-p", filepath.Join(f.dir, "pid"), "-d", f.digests)
	f.cmd.Stdout, f.cmd.Stderr = f.log, f.log
	if err := f.cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	ended := f.ended
	go func() {
		f.cmd.Wait()
		close(ended)
	}()
	lab.Wait(f.t, "fwknopd listens", func() bool { return strings.Contains(f.log.String(), "main event loop") })
}

func (f *fwknopd) kill() {
	f.cmd.Process.Kill()
	<-f.ended
}

// packet makes a packet of Debian's fwknop for the phone, which asks for so many seconds.
func (f *fwknopd) packet(seconds string) []byte {
	f.t.Helper()
	save := filepath.Join(f.dir, "packet")
	lab.Run(f.t, "phone", "env", "HOME="+f.dir, "fwknop", "--no-save-args", "-A", "tcp/8443", "-a", phone, "-D", router, "-f", seconds, "--use-hmac",
		"--key-base64-rijndael", peerKey, "--key-base64-hmac", peerHMAC, "--test", "--save-packet", save)
	return []byte(strings.TrimSpace(string(must(os.ReadFile(save)))))
}

func (f *fwknopd) send(packet []byte) {
	f.t.Helper()
	lab.In(f.t, "phone", func() error { return sendUDP(packet, 62201) })
}

// lets reports whether iptables lets the phone in to a port.
func lets(t *testing.T, port string) bool {
	t.Helper()
	for line := range strings.Lines(lab.Run(t, "router", "iptables", "-S")) {
		if strings.Contains(line, "-s "+phone+"/32 ") && strings.Contains(line, "--dport "+port+" ") {
			return true
		}
	}
	return false
}

// TestPeersAtTheSameFaults shows what knockd and fwknopd do where latchkeyd was tried, too.
func TestPeersAtTheSameFaults(t *testing.T) {
	lab.Enter(t)
	for _, name := range peers {
		installed(t, name)
	}
	folder := mountSmall(t)
	lab.Run(t, "router", "sh", "-c", dropping)
	t.Cleanup(func() { lab.Run(t, "router", "nft", "flush ruleset") })
	f := startFwknopd(t, filepath.Join(folder, "digests"))
	sections := "[options]\nInterface = wan\n" +
		"[long]\nsequence = 7431,2951:udp,8812\n" + forSeconds(60, "8022") +
		"[short]\nsequence = 7531,2851:udp,8912\n" + forSeconds(3, "8024")
	k := startKnockd(t, sections)
	knock := func(steps ...string) {
		t.Helper()
		lab.Run(t, "phone", "knock", append([]string{"-d", "30", router}, steps...)...)
	}

	f.send(f.packet("60"))
	knock(toNAS...)
	lab.Wait(t, "both open", func() bool { return lets(t, "8443") && lets(t, "8022") })
	lab.Run(t, "router", "sh", "-c", dropping)
	began := time.Now()
	lab.Wait(t, "what was open is put back, or not within a second", func() bool {
		return lets(t, "8443") || lets(t, "8022") || time.Since(began) > time.Second
	})
	if lets(t, "8443") || lets(t, "8022") {
		t.Error("a rule is back")
	}
	for _, name := range []string{"fwknopd", "knockd"} {
		lab.Peer(t, name, faultRestarted, "the rule is gone until the next knock")
	}

	f.kill()
	// Comments up to the end of a page of the disk, so that a packet takes the next one.
	page := strings.Repeat("#"+strings.Repeat(" ", 62)+"\n", os.Getpagesize()/64)
	if err := os.WriteFile(f.digests, []byte(page), 0o600); err != nil {
		t.Fatal(err)
	}
	f.run()
	filler := fill(t, folder)
	packet := f.packet("60")
	f.send(packet)
	lab.Wait(t, "fwknopd opens although it can write nothing", func() bool { return lets(t, "8443") })
	f.kill()
	lab.Run(t, "router", "sh", "-c", dropping)
	f.run()
	f.send(packet)
	lab.Wait(t, "the copy opens after a restart", func() bool { return lets(t, "8443") })
	lab.Peer(t, "fwknopd", faultFull, "it opens, and after a restart a copy of the packet opens again")
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}

	f.kill()
	if err := os.WriteFile(f.digests, []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	lab.Run(t, "router", "sh", "-c", dropping)
	f.run()
	f.send(packet)
	lab.Wait(t, "the copy opens when what was remembered is damaged", func() bool { return lets(t, "8443") })
	lab.Peer(t, "fwknopd", "state file cut short at any byte, or empty", "it starts, and a copy of an old packet opens")

	// Each is killed while its door is open, which lasts 3 s: on a busy machine it may take some tries.
	lab.Wait(t, "fwknopd is killed while its door is open", func() bool {
		f.kill()
		lab.Run(t, "router", "sh", "-c", dropping)
		f.run()
		f.send(f.packet("3"))
		lab.Wait(t, "fwknopd opens", func() bool { return strings.Contains(f.log.String(), "Added access rule") })
		f.kill()
		return lets(t, "8443")
	})
	lab.Wait(t, "knockd is killed while its door is open, and its child, which sleeps until it is time to close", func() bool {
		knock("7531:tcp", "2851:udp", "8912:tcp")
		lab.Wait(t, "knockd opens", func() bool { return lets(t, "8024") })
		lab.Run(t, "router", "sh", "-c", fmt.Sprintf("kill -9 %d $(pgrep -P %[1]d)", k.cmd.Process.Pid))
		if lets(t, "8024") {
			return true
		}
		k = startKnockd(t, sections)
		return false
	})
	began = time.Now()
	lab.Wait(t, "the time passes for which they open", func() bool { return time.Since(began) > 4*time.Second })
	if !lets(t, "8443") || !lets(t, "8024") {
		t.Error("a door closed")
	}
	lab.Peer(t, "fwknopd", faultKilled, "the door stays open past its time, and nobody is there to close it")
	lab.Peer(t, "knockd", faultKilled, "killed with its children, as service managers do: the door stays open past its time, and nobody is there to close it")
}

// forSeconds is what a section of knockd.conf does to open a port for a time.
func forSeconds(seconds int, port string) string {
	return fmt.Sprintf("start_command = %s%s -j ACCEPT\ncmd_timeout = %d\nstop_command = iptables -D INPUT -s %%IP%% -p tcp --dport %[2]s -j ACCEPT\n", in, port, seconds)
}
