// SPDX-License-Identifier: Apache-2.0

package daemon_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/latchkey/latchkey/pkgs/seal"
)

var (
	atHome  = strings.Replace(home, "list device 'wan'\n", "list device 'wan'\n\tlist inside 'br-lan'\n", 1)
	laptop  = netip.MustParseAddr("192.168.1.33")
	another = netip.MustParseAddr("192.168.1.34")
)

// fromInside sends a packet that comes in at br-lan.
func (r *rig) fromInside(b []byte) { r.FromInside(r.now, "br-lan", [][]byte{b}) }

func TestKnockFromInsideIsReported(t *testing.T) {
	r := newRig(t, atHome)
	r.end() // Run has told the captures what to read
	if !slices.Equal(r.inside.devices, []string{"br-lan"}) {
		t.Errorf("inside is read from %q", r.inside.devices)
	}
	f := r.inside.filter
	if len(f.STUN.Ports) != 1 || f.STUN.Ports[0].First != stunPort || len(f.STUN.Hints) == 0 || len(f.SYN)+len(f.TCP)+len(f.UDP)+len(f.Echo) > 0 {
		t.Errorf("inside is read %+v: the LAN's own packets must wake nobody", f)
	}

	r = newRig(t, atHome)
	msg := r.sealAt(uint64(r.now.UnixMilli()))
	r.fromInside(r.stun(laptop, msg))
	list := r.reported()
	if len(list) != 1 {
		t.Fatalf("events %+v, want one", list)
	}
	e := list[0]
	if e.Kind != "inside" || e.Client != "phone" || e.Door != "nas" || e.Address != laptop.String() || e.Knock != "message stun" ||
		!strings.Contains(e.Detail, "br-lan") || !strings.Contains(e.Detail, "Wi-Fi") {
		t.Errorf("event %+v", e)
	}
	if r.open("nas") != "" {
		t.Error("it opened the door")
	}

	t.Run("and_is_used_up", func(t *testing.T) {
		r.message(phone, msg)
		if r.last() != "refused replayed phone" || r.open("nas") != "" {
			t.Errorf("last event %q, open for %q", r.last(), r.open("nas"))
		}
	})
	t.Run("once_in_ten_minutes", func(t *testing.T) {
		r := newRig(t, atHome)
		inside := func() (n int) {
			for _, e := range r.reported() {
				if e.Kind == "inside" {
					n++
				}
			}
			return n
		}
		for _, from := range []netip.Addr{laptop, another, laptop} {
			r.fromInside(r.stun(from, r.seal(seal.Body{})))
			r.now = r.now.Add(time.Minute)
		}
		if n := inside(); n != 1 {
			t.Errorf("reported %d times", n)
		}
		r.now = r.now.Add(7 * time.Minute)
		r.fromInside(r.stun(laptop, r.seal(seal.Body{})))
		if n := inside(); n != 2 {
			t.Errorf("reported %d times after ten minutes", n)
		}
	})
	t.Run("of_strangers_nothing_is_told", func(t *testing.T) {
		r := newRig(t, atHome)
		r.fromInside(r.stun(laptop, seal.Seal(key(99), seal.Body{Stamp: uint64(r.now.UnixMilli())})))
		r.fromInside([]byte{0x45})
		if list := r.reported(); len(list) != 0 {
			t.Errorf("events %+v", list)
		}
	})
	t.Run("a_device_that_knocks_come_in_at_is_not_inside", func(t *testing.T) {
		r := newRig(t, strings.Replace(atHome, "'br-lan'", "'wan'", 1))
		r.end()
		if len(r.inside.devices) != 0 {
			t.Errorf("inside is read from %q", r.inside.devices)
		}
	})
	t.Run("where_nobody_sends_messages_nothing_is_read", func(t *testing.T) {
		text, _, _ := strings.Cut(atHome, "config client")
		r := newRig(t, text)
		r.end()
		if len(r.inside.devices) != 0 {
			t.Errorf("inside is read from %q", r.inside.devices)
		}
	})
}
