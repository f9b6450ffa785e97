// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/latchkey/latchkey/pkgs/lab"
)

// One ssh configuration serves at home and abroad. The nas stands for a laptop beside it.
func TestSameSSHConfigurationAtHomeAndAbroad(t *testing.T) {
	d, latchkey, env := startDoors(t, strings.Replace(manyPorts, "list device 'wan'\n", "list device 'wan'\n\tlist inside 'lan'\n", 1))
	lab.SSHD(t)
	ssh := func(host string) (stdout, stderr string) {
		cmd := exec.Command("../../testdata/lab.sh", "ssh", host, "-4", "-o", "ProxyCommand="+latchkey+" connect home shell %h %p", "-p", "2222", router, "hostname")
		cmd.Env = env
		var told strings.Builder
		cmd.Stderr = &told
		out, err := cmd.Output()
		if err != nil {
			t.Errorf("%s$ ssh: %v\n%s", host, err, told.String())
		}
		return string(out), told.String()
	}
	const says = "latchkey: shell answered before the knock: you are at home, or it is open already"
	// A busy machine may see the answer too late to know that it was there before the knock.
	lab.Wait(t, "at home it leads there and says so", func() bool {
		out, told := ssh("nas")
		return out == "nas\n" && strings.Contains(told, says)
	})
	if got := d.grants("shell"); len(got) > 0 {
		t.Errorf("at home, it opened the door to %q", got)
	}
	if out, told := ssh("phone"); out != "nas\n" || strings.Contains(told, says) {
		t.Errorf("abroad it leads to %q and says %q", out, told)
	}
	if got := d.grants("shell"); len(got) == 0 {
		t.Error("abroad, it opened the door to nobody")
	}
}
