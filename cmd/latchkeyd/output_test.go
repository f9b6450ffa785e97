// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// fullOnce is a file system without room for the first text, and with room for all later ones.
type fullOnce struct {
	bytes.Buffer
	failed bool
}

func (f *fullOnce) Write(text []byte) (int, error) {
	if !f.failed {
		f.failed = true
		return 0, unix.ENOSPC
	}
	return f.Buffer.Write(text)
}

// TestOutputThatCannotBeWritten: scripts and the plugin of rpcd go by what is printed.
func TestOutputThatCannotBeWritten(t *testing.T) {
	const capture = "../../testdata/captures/knock-ethernet.pcap"
	const zone = "config zone 'w'\n\toption name 'wan'\n\toption input 'REJECT'\n\tlist network 'wan'\n"
	d := start(t, sealed, "--clock", "synchronised")
	complete, link, offers := "../../testdata/config/full", file(t, "#v=1&"), filepath.Join(t.TempDir(), "offers")
	socket := []string{"--socket", d.socket}
	if _, said, code := invoke("offer", "--folder", offers, "laptop", link); code != exitOK {
		t.Fatal(said)
	}
	names, err := filepath.Glob(offers + "/*")
	if err != nil || len(names) != 1 {
		t.Fatalf("offers %q, %v", names, err)
	}
	printing := map[string][][]string{
		"status":   {socket, append([]string{"--json"}, socket...), {"--help"}},
		"open":     {append([]string{"web", neighbour}, socket...)},
		"close":    {append([]string{"web"}, socket...)},
		"events":   {socket, append([]string{"--json"}, socket...), append([]string{"--follow"}, socket...)},
		"radar":    {socket, append([]string{"--json"}, socket...)},
		"check":    {{complete}, {"--json", complete}},
		"firewall": {{complete, file(t, zone), file(t, "network wan eth1\ndevice eth1\n")}},
		"silence":  {{"w", "input", file(t, zone)}},
		"ports":    {{complete}},
		"trace":    {{"--config", complete, capture}},
		"import":   {{file(t, "[openSSH]\n\tsequence = 7000,8000,9000\n\tcommand = /usr/sbin/iptables -A INPUT -s %IP% -p tcp --dport 22 -j ACCEPT\n")}},
		"forget":   {append([]string{"phone"}, socket...)},
		"newkey":   {nil},
		"link":     {{"phone", file(t, linkConfig)}},
		"offer":    {{"--folder", offers, "phone", link}},
		"pickup":   {{"--folder", offers, "--", filepath.Base(names[0])}},
		"version":  {nil},
		"help":     {nil},
	}
	for _, c := range commands() {
		if printing[c.name] == nil && !slices.Contains([]string{"run", "ntp", "hooks"}, c.name) {
			t.Errorf("%s is not tried", c.name)
		}
	}
	for name, calls := range printing {
		for _, args := range calls {
			args = append([]string{name}, args...)
			t.Run(name, func(t *testing.T) {
				var said bytes.Buffer
				ended := make(chan int, 1)
				go func() { ended <- latchkeyd(args, env{in: strings.NewReader(""), out: &fullOnce{}, err: &said}) }()
				select {
				case code := <-ended:
					if code != exitError || !strings.Contains(said.String(), "not all could be printed: "+unix.ENOSPC.Error()) {
						t.Errorf("returned %d and said %q", code, said.String())
					}
				case <-time.After(10 * time.Second):
					t.Error("goes on")
				}
			})
		}
	}
}
