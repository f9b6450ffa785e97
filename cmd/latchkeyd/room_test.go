// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/lab"
)

// TestManyClientsWithLittleRoomForTheFilter starts before its WAN is there, with 200 clients and as much room
// for filters as a 32-bit kernel before 6.8 has.
func TestManyClientsWithLittleRoomForTheFilter(t *testing.T) {
	many := sealed
	for i := range 200 {
		key := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{1, byte(i)}, 16))
		many += fmt.Sprintf("\nconfig client 'device%d'\n\toption key '%s'\n\tlist door 'web'\n", i, key)
	}
	d := start(t, many, "--clock", "synchronised")
	d.stop()
	set, err := lab.On("router", "sysctl", "-n", "net.core.optmem_max").Output()
	if err == nil {
		lab.Run(t, "router", "sysctl", "-qw", "net.core.optmem_max=10240")
		t.Cleanup(func() { lab.Run(t, "router", "sysctl", "-qw", "net.core.optmem_max="+strings.TrimSpace(string(set))) })
	}
	lab.Run(t, "router", "ip", "link", "del", "wan")
	t.Cleanup(func() { // where the test ended before
		if exec.Command("ip", "-n", "router", "link", "show", "wan").Run() != nil {
			lab.Script(t, "wan")
		}
	})
	d.begin("--clock", "synchronised")
	d.waitFor("missing")
	lab.Script(t, "wan")
	d.waitFor("up")
	coarse := must(d.status()).Devices[0].Coarse
	if coarse == "" && err != nil {
		t.Skip("SKIP: this kernel has room for the hints of 200 clients, and no limit of each network namespace (Linux 6.8)")
	}
	if !strings.HasPrefix(coarse, "without the hints of messages, because net.core.optmem_max is ") {
		t.Errorf("status says %q of the filter", coarse)
	}
	sendSTUN(t, "phone", freshMessage(t))
	lab.Wait(t, "the knock opens", func() bool { return d.count("opened", phone) == 1 })
	status := exec.Command(os.Args[0], "status", "--socket", d.socket)
	status.Env = append(os.Environ(), asDaemon+"=1")
	if out, err := status.CombinedOutput(); err != nil || !strings.Contains(string(out), "listens on wan (up), but the kernel filters "+coarse) {
		t.Errorf("latchkeyd status: %v\n%s", err, out)
	}

	d.write(sealed)
	d.signal(unix.SIGHUP)
	lab.Wait(t, "the filter is whole again with fewer clients", func() bool { return must(d.status()).Devices[0].Coarse == "" })
	if n := strings.Count(d.log.String(), "but the kernel filters"); n != 1 {
		t.Errorf("the log tells it %d times, want once", n)
	}
	lab.Withstood(t, "load", "kernel without room for the filter of many clients, on a router whose WAN comes up later",
		"hears every knock by a coarser filter, and says so; the filter is whole again when it fits")
}
