// SPDX-License-Identifier: Apache-2.0

package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/lab"
	"github.com/latchkey/latchkey/pkgs/wire"
)

// told returns all events that are kept.
func (d *latchkeydProcess) told() (list []control.Event) {
	d.t.Helper()
	if err := d.ask(control.Request{Method: "events"}, &list); err != nil {
		d.t.Fatal(err)
	}
	return list
}

// atHome is the configuration sealed with the LAN's device.
var atHome = strings.Replace(sealed, "list device 'wan'\n", "list device 'wan'\n\tlist inside 'lan'\n", 1)

// The first thing that people do: they press the button at home. The nas stands for a laptop in the
// LAN, and knocks at the router's public name.
func TestKnockFromTheLANIsTold(t *testing.T) {
	laptop := []string{"192.168.1.22", nas6}
	d := start(t, atHome, "--clock", "synchronised")
	answers := tapOn(t, "nas", func(_ uint8, ip []byte) bool { // but for the kernel's own, that nothing listens there
		var p wire.Packet
		return p.Decode(ip) == nil && p.Src.String() == router && p.Proto != wire.ICMP && p.Flags&wire.RST == 0
	})
	program, env := client(t, homeLink)
	knock := lab.On("nas", program, "knock", "home", "nas")
	knock.Env = env
	if out, err := knock.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	lab.Wait(t, "the owner is told", func() bool { return d.count("inside", laptop[0])+d.count("inside", laptop[1]) == 1 })
	d.settle()
	for _, e := range d.told() {
		if e.Kind == "inside" && (e.Client != "phone" || e.Door != "nas" || !strings.Contains(e.Detail, "(lan)")) {
			t.Errorf("event %+v", e)
		}
		if (e.Kind == "opened" || e.Kind == "refused") && slices.Contains(laptop, e.Address) {
			t.Errorf("event %+v", e)
		}
	}
	if got := d.grants("nas"); len(got) > 0 {
		t.Errorf("open for %q", got)
	}
	if got := answers(); len(got) > 0 {
		t.Errorf("%d packets came back", len(got))
	}
}

func TestEventsSurviveARestart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "events")
	d := start(t, home, "--events", file)
	d.knock("phone", router, toNAS...)
	lab.Wait(t, "the knock opens", func() bool { return d.count("opened", phone) == 1 })
	d.restart("--events", file)
	list := d.told()
	if d.count("opened", phone) != 1 || list[len(list)-1].Kind == "opened" {
		t.Errorf("after a restart: %+v", list)
	}
	if former := must(d.status()).Former; former == 0 || list[len(list)-1].Number <= former {
		t.Errorf("%d events of before, all %+v", former, list)
	}
	if n := strings.Count(d.log.String(), "opened"); n != 0 {
		t.Errorf("the log says it again:\n%s", d.log)
	}
}
