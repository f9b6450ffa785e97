// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// answerNames is a name server that knows one name, as 127.0.0.1.
func answerNames(t *testing.T, address, name string) {
	t.Helper()
	conn, err := net.ListenPacket("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		for b := make([]byte, 512); ; {
			n, from, err := conn.ReadFrom(b)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(b[:n]) != nil || len(m.Questions) != 1 {
				continue
			}
			q := m.Questions[0]
			m.Response, m.Authoritative, m.Additionals = true, true, nil
			switch {
			case q.Name.String() != name+".":
				m.RCode = dnsmessage.RCodeNameError
			case q.Type == dnsmessage.TypeA:
				m.Answers = []dnsmessage.Resource{{
					Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 60},
					Body:   &dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}},
				}}
			}
			if answer, err := m.Pack(); err == nil {
				_, _ = conn.WriteTo(answer, from)
			}
		}
	}()
}

// Android has no /etc/resolv.conf. Termux has one of its own, and old Android has getprop.
func TestNamesAreLookedUpWithoutResolvConf(t *testing.T) {
	loopback(t)
	answerNames(t, "127.0.0.4:53", "home.example.net")
	answerNames(t, "127.0.0.2:53", "old.example.net")
	write := func(path, text string, mode os.FileMode) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	termux, bin := filepath.Join(dir, "usr"), filepath.Join(dir, "bin")
	write(filepath.Join(termux, "etc/resolv.conf"), "# of Termux\nnameserver 127.0.0.3\nnameserver 127.0.0.4\n", 0o644) // the first is dead
	write(filepath.Join(bin, "getprop"), "#!/bin/sh\n[ \"$1\" != net.dns1 ] || echo 127.0.0.2\n", 0o755)

	for name, test := range map[string]struct{ host, prefix, path, says string }{
		"by the file of Termux":       {"home.example.net", termux, "", "knocking at home.example.net (127.0.0.1)"},
		"by getprop":                  {"old.example.net", "", bin + ":", "knocking at old.example.net (127.0.0.1)"},
		"a name that there is not":    {"attic.example.net", termux, "", "error: look up \"attic.example.net\": no such host"},
		"where no name server is set": {"home.example.net", "", "", "hint: in Termux: pkg install resolv-conf; or use an address"},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command("unshare", "--mount", "sh", "-c", `mount -t tmpfs none /etc && exec latchkey knock "$0" 7000/tcp --gap 10ms`, test.host)
			cmd.Env = append(os.Environ(), "PREFIX="+test.prefix, "PATH="+test.path+os.Getenv("PATH"))
			out, _ := cmd.CombinedOutput()
			if !strings.Contains(string(out), test.says) {
				t.Errorf("printed %q, want %q", out, test.says)
			}
		})
	}
}
