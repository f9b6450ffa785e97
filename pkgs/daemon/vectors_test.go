// SPDX-License-Identifier: Apache-2.0

package daemon_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey/latchkey/pkgs/config"
	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/door/doortest"
	"github.com/latchkey/latchkey/pkgs/seal"
	"github.com/latchkey/latchkey/pkgs/seal/sealtest"
)

// configOf writes a vector's router as a configuration.
func configOf(v sealtest.Vector) string {
	var b strings.Builder
	on := func(disabled bool) string {
		if disabled {
			return "0"
		}
		return "1"
	}
	fmt.Fprintf(&b, "config latchkey 'main'\n\toption enabled '1'\n\toption stun_port '%d'\n", stunPort)
	for i, d := range v.Doors {
		fmt.Fprintf(&b, "config door '%s'\n\toption port '%d'\n\toption open_for '%s'\n\toption max_open '%s'\n\toption enabled '%s'\n",
			d.Name, 1000+i, d.OpenFor, d.MaxOpen, on(d.Disabled))
	}
	for _, c := range v.Clients {
		fmt.Fprintf(&b, "config client '%s'\n\toption key '%s'\n\toption enabled '%s'\n", c.Name, c.Key.Text(), on(c.Disabled))
		for _, name := range c.Doors {
			fmt.Fprintf(&b, "\tlist door '%s'\n", name)
		}
		if !c.Expires.IsZero() {
			fmt.Fprintf(&b, "\toption expires '%s'\n", c.Expires.UTC().Format(time.RFC3339Nano))
		}
	}
	return b.String()
}

func TestVectors(t *testing.T) {
	vectors, err := sealtest.Load(os.DirFS("../../testdata/vectors"))
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range vectors {
		t.Run(v.Name, func(t *testing.T) {
			m := newMemory()
			for _, c := range v.Clients {
				as := config.Client{Key: c.Key}
				m.pasts[as.ID()] = c.Past
			}
			began := v.Now
			if len(v.Earlier) > 0 {
				began = v.Earlier[0].At
			}
			r := newRigWith(t, configOf(v), m, began, v.Synced)
			for _, d := range v.Doors {
				r.fw.MakeSets(d.Name)
			}
			for _, e := range v.Earlier {
				r.now, r.synced = e.At, e.Synced
				r.Tick()
				r.message(e.From, e.Message)
				if refused := r.newest().Kind == "refused"; refused != e.Refused {
					t.Errorf("an earlier message: %+v", r.newest())
				}
			}
			for _, g := range v.Closes {
				r.now = v.Now.Add(-time.Second)
				by := v.Clients[slices.IndexFunc(v.Clients, func(c sealtest.Client) bool { return c.Name == v.By })]
				r.message(g.Address, seal.Seal(by.Key, seal.Body{Stamp: uint64(r.now.UnixMilli()), Door: seal.Tag(g.Door)}))
			}
			r.now, r.synced = v.Now, v.Synced
			r.Tick()
			r.read = r.newest().Number
			r.fw.Calls()
			r.message(v.From, v.Message)
			compare(t, v, r.reported(), r.fw)
		})
	}
}

// compare compares what the daemon reported and did with what the vector expects.
func compare(t *testing.T, v sealtest.Vector, reported []control.Event, fw *doortest.Fake) {
	t.Helper()
	word := "ok"
	for _, e := range reported {
		if e.Reason != "" {
			word = e.Reason
			if ahead := int(v.Ahead / time.Second); e.Skew != ahead {
				t.Errorf("event says %d s ahead, want %d", e.Skew, ahead)
			}
		}
		if v.By != "" && e.Client != v.By {
			t.Errorf("event names client %q, want %q", e.Client, v.By)
		}
	}
	if word != v.Expect {
		t.Errorf("the word is %q, want %q", word, v.Expect)
	}
	var want, got []string
	for _, g := range v.Opens {
		want = append(want, fmt.Sprintf("open %s %s %s", g.Door, g.Address, g.For))
	}
	for _, g := range v.Closes {
		want = append(want, fmt.Sprintf("close %s %s", g.Door, g.Address))
	}
	for _, call := range fw.Calls() {
		if !strings.HasPrefix(call, "sync") {
			got = append(got, call)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("calls of the firewall (-want +got):\n%s", diff)
	}
}
