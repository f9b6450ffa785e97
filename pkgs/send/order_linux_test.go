// SPDX-License-Identifier: Apache-2.0

package send_test

import (
	"context"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey/latchkey/pkgs/knock"
	"github.com/latchkey/latchkey/pkgs/seal"
	"github.com/latchkey/latchkey/pkgs/send"
)

// slowed names what a process under strace shall send.
const slowed = "LATCHKEY_SLOWED"

// On a slow machine a thread may stop anywhere, also just before it sends a SYN. strace holds the
// first connect of each thread back for longer than the pause between two SYNs.
func TestOrder_holds_on_a_slow_machine(t *testing.T) {
	if what := os.Getenv(slowed); what != "" {
		sendSlowly(t, what)
		return
	}
	if _, err := exec.LookPath("strace"); err != nil {
		t.Skip("SKIP: strace is not installed")
	}
	l := home()
	l.Ordered = ordered
	list := steps(t, "7000/tcp", "9000/tcp", "8000/tcp", "7000/tcp")
	slots := home()
	slots.Ports = 20480
	for _, test := range []struct {
		what    string
		cfg     knock.Config
		packets int
		want    []string
	}{
		{"ordered", routerOf(l), 27, []string{ok}},
		{"sequence", knock.Config{Sequences: []knock.Sequence{{Name: "nas", Steps: list, Within: 10 * time.Second}}}, 8,
			[]string{"sequence nas ok", "sequence nas ok"}},
		{"slots", routerOf(slots), 24, []string{ok}},
	} {
		t.Run(test.what, func(t *testing.T) {
			p := listen(t)
			cmd := exec.Command("strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=connect", "-e", "inject=connect:delay_enter=60000:when=1",
				os.Args[0], "-test.run=^TestOrder_holds_on_a_slow_machine$")
			cmd.Env = append(os.Environ(), slowed+"="+test.what)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			packets := p.await(t, test.packets)
			if diff := cmp.Diff(test.want, recognise(test.cfg, packets)); diff != "" {
				t.Errorf("recognised in %d packets (-want +got)\n%s", len(packets), diff)
			}
			hint := packets[:min(3, len(packets))]
			if first := packets[0].DstPort; test.what == "slots" && slices.ContainsFunc(hint, func(s seen) bool { return s.DstPort > 20480+3*256 }) {
				t.Errorf("the hint does not go ahead: port %d is the first", first)
			}
		})
	}
}

// sendSlowly is what runs under strace.
func sendSlowly(t *testing.T, what string) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	var results []send.Result
	if what == "sequence" {
		results = send.Sequence(ctx, []netip.Addr{router4, router6}, steps(t, "7000/tcp", "9000/tcp", "8000/tcp", "7000/tcp"), gap, func(int) {})
	} else {
		l := home()
		if l.Ordered = ordered; what == "slots" {
			l.Ordered, l.Ports = nil, 20480
		}
		results = send.Message(ctx, l, []netip.Addr{router4}, []knock.Carrier{"ports"}, sealer(seal.Body{}))
	}
	for _, r := range results {
		if r.Err != nil {
			t.Error(r.Err)
		}
	}
}
