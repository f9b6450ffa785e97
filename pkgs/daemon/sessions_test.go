// SPDX-License-Identifier: Apache-2.0

package daemon_test

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/door"
	"github.com/latchkey/latchkey/pkgs/seal"
)

// sessions is a daemon.Sessions in memory; conntrack's tests have the kernel's, and the router's in
// cmd/latchkeyd both together.
type sessions struct {
	list  []door.Session
	asked []netip.Prefix // whose sessions End was to end
	fail  error
	half  error  // what End fails with after it has begun
	while func() // happens while End works; nil = nothing
}

func (s *sessions) Check() error { return s.fail }

func (s *sessions) End(from netip.Prefix, which func(door.Session) bool) (n int, err error) {
	s.asked = append(s.asked, from)
	if s.while != nil {
		s.while()
	}
	if s.fail != nil {
		return 0, s.fail
	}
	if s.half != nil {
		for _, x := range s.list {
			which(x)
		}
		return 0, s.half
	}
	before := len(s.list)
	s.list = slices.DeleteFunc(s.list, func(x door.Session) bool {
		return (!from.IsValid() || from.Contains(x.From.Addr())) && which(x)
	})
	return before - len(s.list), nil
}

// toNAS is a session through the door nas, toWeb one through the door web.
func toNAS(from netip.Addr) door.Session {
	s := door.Session{Proto: 6, From: netip.AddrPortFrom(from, 50000),
		To: netip.MustParseAddrPort("203.0.113.1:2222"), Server: netip.MustParseAddrPort("192.168.1.22:22"), Local: true}
	if from.Is6() {
		s.To = netip.MustParseAddrPort("[2001:db8:2::22]:22")
		s.Server, s.Local = s.To, false
	}
	return s
}

func toWeb(from netip.Addr, port string) door.Session {
	to := netip.MustParseAddrPort("203.0.113.1:" + port)
	return door.Session{Proto: 6, From: netip.AddrPortFrom(from, 50001), To: to, Server: to, Local: true}
}

// left tells which sessions go on: "203.0.113.7:2222 ...".
func (r *rig) left() string {
	var list []string
	for _, s := range r.sessions.list {
		list = append(list, s.From.Addr().String()+" at "+s.To.String())
	}
	return strings.Join(list, ", ")
}

const cutNAS = "config door 'nas'\n\toption cut '1'\n"

func TestSessionsEndWithEveryWayAGrantEnds(t *testing.T) {
	for name, tt := range map[string]struct {
		end  func(r *rig)
		kind string
	}{
		"its_time": {func(r *rig) { r.now = r.now.Add(10*time.Minute + time.Second); r.Tick() }, "expired"},
		"a_knock": {func(r *rig) {
			r.now = r.now.Add(time.Second)
			r.message(phone, r.seal(seal.Body{Door: seal.Tag("nas"), Close: true}))
		}, "closed"},
		"the_owner":         {func(r *rig) { r.ask(r.t, control.Request{Method: "close", Door: "nas", Address: phone.String()}) }, "closed"},
		"the_owner_for_all": {func(r *rig) { r.ask(r.t, control.Request{Method: "close", Door: "nas"}) }, "closed"},
		"a_client_that_is_gone": {func(r *rig) {
			r.edit("client 'phone'", "client 'pixel'", "option client 'phone'", "option enabled '1'")
		}, "closed"},
		"a_door_that_is_gone": {func(r *rig) {
			r.edit("config door 'nas'\n", "config door 'loft'\n", "list door 'nas'\n", "list door 'loft'\n")
		}, "closed"},
		"a_door_that_is_off":          {func(r *rig) { r.edit("config door 'nas'\n", "config door 'nas'\n\toption enabled '0'\n") }, "closed"},
		"a_door_that_moved":           {func(r *rig) { r.edit("'2222'", "'2223'") }, "reload"},
		"a_door_to_another_host":      {func(r *rig) { r.edit("'192.168.1.22'", "'192.168.1.23'") }, "reload"},
		"a_door_to_another_service":   {func(r *rig) { r.edit("dest_port '22'", "dest_port '80'") }, "reload"},
		"a_door_for_another_protocol": {func(r *rig) { r.edit("option port '2222'", "option port '2222'\n\toption proto 'udp'") }, "reload"},
		"the_end_of_the_daemon": {func(r *rig) {
			ctx, stop := context.WithCancel(context.Background())
			stop()
			if err := r.Run(ctx, nil); err != nil {
				r.t.Error(err)
			}
		}, "closed"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, option := range []string{"config door 'nas'\n", cutNAS} {
				r := newRig(t, strings.Replace(home, "config door 'nas'\n", option, 1))
				r.message(phone, r.seal(seal.Body{Door: seal.Tag("nas")}))
				if r.open("nas") == "" {
					t.Fatalf("not open: %q", r.last())
				}
				r.sessions.list = []door.Session{toNAS(phone), toNAS(phone), toNAS(neighbour), toWeb(phone, "8443")}
				tt.end(r)
				want, count := "203.0.113.7 at 203.0.113.1:2222, 203.0.113.7 at 203.0.113.1:2222, ", 0
				if option == cutNAS {
					want, count = "", 2
				}
				want += neighbour.String() + " at 203.0.113.1:2222, 203.0.113.7 at 203.0.113.1:8443"
				if got := r.left(); got != want {
					t.Errorf("with %q: sessions %s, want %s", option, got, want)
				}
				reported := slices.ContainsFunc(r.reported(), func(e control.Event) bool {
					return e.Kind == tt.kind && e.Sessions == count && (count == 0 || e.Address == phone.String() && e.Door == "nas")
				})
				if !reported {
					t.Errorf("with %q: no event %s of %d sessions in %+v", option, tt.kind, count, r.reported())
				}
			}
		})
	}
}

// A door's sessions are those at all of its ports, and at no other.
func TestSessionsEndAtEveryPortOfADoor(t *testing.T) {
	text := strings.Replace(home, "config door 'nas'\n", cutNAS, 1)
	text = strings.Replace(text, "option port '2222'", "option port '2222 8000-8010 8005/udp'", 1)
	r := newRig(t, strings.Replace(text, "option dest_port '22'", "option dest_port '22 9000-9010 9005'", 1))
	r.message(phone, r.seal(seal.Body{Door: seal.Tag("nas")}))
	if r.open("nas") == "" {
		t.Fatalf("not open: %q", r.last())
	}
	at := func(proto uint8, port, inside string) door.Session {
		s := toNAS(phone)
		s.Proto, s.To, s.Server = proto, netip.MustParseAddrPort("203.0.113.1:"+port), netip.MustParseAddrPort("192.168.1.22:"+inside)
		return s
	}
	r.sessions.list = []door.Session{toNAS(phone), at(6, "8000", "9000"), at(6, "8010", "9010"), at(17, "8005", "9005"), at(6, "8011", "9011"), at(17, "8006", "9006")}
	r.ask(t, control.Request{Method: "close", Door: "nas"})
	if got, want := r.left(), "203.0.113.7 at 203.0.113.1:8011, 203.0.113.7 at 203.0.113.1:8006"; got != want {
		t.Errorf("sessions %s, want %s", got, want)
	}
}

func TestSessionsGoOnAtAReloadThatDoesNotConcernThem(t *testing.T) {
	r := newRig(t, strings.Replace(home, "config door 'nas'\n", cutNAS, 1))
	r.message(phone, r.seal(seal.Body{Door: seal.Tag("nas")}))
	r.sessions.list = []door.Session{toNAS(phone)}
	r.edit("'8443'", "'8444'")
	if r.left() == "" {
		t.Error("the session ended")
	}
	moved := func() (n int) {
		for _, e := range r.reported() {
			if e.Kind == "reload" && e.Door == "nas" {
				n += e.Sessions
			}
		}
		return n
	}
	r.edit("'2222'", "'2223'")
	if r.left() != "" || moved() != 1 {
		t.Errorf("when the door moved: sessions %q, events %+v", r.left(), r.reported())
	}
	before := len(r.reported())
	r.edit("'2223'", "'2224'") // of which there is none
	if len(r.reported()) != before+1 || r.newest().Detail != "configuration read again" {
		t.Errorf("that no session ended is reported: %+v", r.reported())
	}
}

// The kernel is asked for all sessions only if those of more than one address are to end.
func TestSessionsOfOneAddressAreAskedForByIt(t *testing.T) {
	for name, tt := range map[string]struct {
		from []netip.Addr
		want []netip.Prefix
	}{
		"one":  {[]netip.Addr{phone}, []netip.Prefix{netip.PrefixFrom(phone, 32)}},
		"more": {[]netip.Addr{phone, neighbour}, []netip.Prefix{{}}},
	} {
		r := newRig(t, strings.Replace(home, "config door 'nas'\n", cutNAS, 1))
		for _, a := range tt.from {
			r.ask(t, control.Request{Method: "open", Door: "nas", Address: a.String()})
		}
		r.ask(t, control.Request{Method: "close", Door: "nas"})
		if !slices.Equal(r.sessions.asked, tt.want) {
			t.Errorf("%s: asked for %v, want %v", name, r.sessions.asked, tt.want)
		}
	}
}

func TestSessionsThatFailToEndAreNotCounted(t *testing.T) {
	r := newRig(t, strings.Replace(home, "config door 'nas'\n", cutNAS, 1))
	open := func() { r.ask(t, control.Request{Method: "open", Door: "nas", Address: phone.String()}) }
	shut := func() { r.ask(t, control.Request{Method: "close", Door: "nas"}) }
	open()
	r.sessions.list = []door.Session{toNAS(phone)}
	r.sessions.half = errors.New("netlink broke")
	shut()
	if e := r.newest(); e.Kind != "closed" || e.Sessions != 0 {
		t.Errorf("event %+v, want no session", e)
	}
	trouble := func(text string) bool {
		return slices.ContainsFunc(r.reported(), func(e control.Event) bool { return e.Kind == "trouble" && e.Detail == "cut: "+text })
	}
	if s := r.Status(); s.Cut != "netlink broke" || !trouble(s.Cut) {
		t.Errorf("status says %q, events %+v", s.Cut, r.reported())
	}
	r.sessions.half = nil
	open()
	shut()
	if s := r.Status(); s.Cut != "" || !trouble("works again") {
		t.Errorf("status says %q, events %+v", s.Cut, r.reported())
	}
}

// edit changes the running configuration.
func (r *rig) edit(edits ...string) {
	r.text = strings.NewReplacer(edits...).Replace(r.text)
	r.Reload()
	if p := r.Status().Problem; p != "" {
		r.t.Fatal(p)
	}
}

func TestSessionsOfAnExtendedGrantGoOn(t *testing.T) {
	r := newRig(t, strings.Replace(home, "config door 'nas'\n", cutNAS, 1))
	r.ask(t, control.Request{Method: "open", Door: "nas", Address: phone.String()})
	r.sessions.list = []door.Session{toNAS(phone)}
	r.now = r.now.Add(9 * time.Minute)
	r.ask(t, control.Request{Method: "open", Door: "nas", Address: phone.String()})
	r.now = r.now.Add(9 * time.Minute)
	r.Tick()
	if r.left() == "" {
		t.Error("the session ended with the time that was extended")
	}
	r.now = r.now.Add(time.Minute)
	r.Tick()
	if r.left() != "" {
		t.Error("the session goes on after the grant")
	}
}

// TestSessionsGoOnAsLongAsAnybodyHasTheAddressIn has two holders of one door and address.
func TestSessionsGoOnAsLongAsAnybodyHasTheAddressIn(t *testing.T) {
	r := newRig(t, strings.Replace(home, "config door 'nas'\n", cutNAS, 1))
	r.message(phone, r.seal(seal.Body{Door: seal.Tag("nas")}))
	r.ask(t, control.Request{Method: "open", Door: "nas", Address: phone.String(), For: "20m"})
	r.sessions.list = []door.Session{toNAS(phone)}
	r.now = r.now.Add(11 * time.Minute)
	r.Tick()
	if e := r.newest(); e.Kind != "expired" || e.Client != "phone" || r.left() == "" || r.open("nas") == "" {
		t.Errorf("when the phone's grant ends: event %+v, sessions %q, open to %q", e, r.left(), r.open("nas"))
	}
	r.now = r.now.Add(10 * time.Minute)
	r.Tick()
	if e := r.newest(); e.Kind != "expired" || e.Sessions != 1 || r.left() != "" {
		t.Errorf("when the owner's ends, too: event %+v, sessions %q", e, r.left())
	}
}

// TestSessionsThatAnotherGrantLetsInGoOn has two doors that lead to one service.
func TestSessionsThatAnotherGrantLetsInGoOn(t *testing.T) {
	r := newRig(t, strings.Replace(home, "config door 'web'\n", "config door 'web2'\n\toption port '8443'\n\nconfig door 'web'\n\toption cut '1'\n", 1))
	r.fw.MakeSets("web2")
	for _, name := range []string{"web", "web2"} {
		r.ask(t, control.Request{Method: "open", Door: name, Address: phone.String()})
	}
	r.sessions.list = []door.Session{toWeb(phone, "8443")}
	r.ask(t, control.Request{Method: "close", Door: "web"})
	if r.left() == "" {
		t.Error("the session ended, though the other door is open")
	}
	r.ask(t, control.Request{Method: "open", Door: "web", Address: phone.String()})
	r.ask(t, control.Request{Method: "close", Door: "web2"})
	r.ask(t, control.Request{Method: "close", Door: "web"})
	if r.left() != "" {
		t.Error("the session goes on, though both doors are closed")
	}
}

func TestCloseWithCutEndsSessionsOnce(t *testing.T) {
	r := newRig(t, home)
	six := netip.MustParseAddr("2001:db8:1::7")
	for _, a := range []netip.Addr{phone, six} {
		r.ask(t, control.Request{Method: "open", Door: "nas", Address: a.String()})
	}
	over := toNAS(six)
	over.Over = true
	r.sessions.list = []door.Session{toNAS(phone), toNAS(six), over, toNAS(neighbour)}
	list := r.ask(t, control.Request{Method: "close", Door: "nas", Cut: true}).(control.Closed).Grants
	if len(list) != 2 || list[0].Sessions+list[1].Sessions != 2 {
		t.Errorf("the answer is %+v, want two grants with a session each", list)
	}
	if got, want := r.left(), neighbour.String()+" at 203.0.113.1:2222"; got != want {
		t.Errorf("sessions %s, want %s", got, want)
	}

	// What a grant left that is over already.
	list = r.ask(t, control.Request{Method: "close", Door: "nas", Address: neighbour.String(), Cut: true}).(control.Closed).Grants
	if len(list) != 1 || list[0].Address != neighbour.String() || list[0].Sessions != 1 || r.left() != "" {
		t.Errorf("the answer is %+v, sessions %s", list, r.left())
	}
	if e := r.newest(); e.Kind != "closed" || e.Sessions != 1 || e.Address != neighbour.String() {
		t.Errorf("the event is %+v", e)
	}
	if list = r.ask(t, control.Request{Method: "close", Door: "nas", Address: neighbour.String(), Cut: true}).(control.Closed).Grants; len(list) != 0 {
		t.Errorf("with nothing left the answer is %+v", list)
	}
}

func TestSessionsThatCannotBeEnded(t *testing.T) {
	missing := errors.New("install kmod-nf-conntrack-netlink")
	r := newRigThat(t, home, func(r *rig) { r.sessions.fail = missing })
	if s := r.Status(); s.Cut != missing.Error() {
		t.Errorf("status says %q", s.Cut)
	}
	troubles := func() (n int) {
		for _, e := range r.reported() {
			if e.Kind == "trouble" && e.Detail == "cut: "+missing.Error() {
				n++
			}
		}
		return n
	}
	if n := troubles(); n != 0 {
		t.Errorf("%d complaints, though no door wants it", n)
	}
	r.ask(t, control.Request{Method: "open", Door: "nas", Address: phone.String()})
	err := r.Answer(t.Context(), control.Request{Method: "close", Door: "nas", Cut: true}, func(any) error { return nil })
	if err == nil || !strings.Contains(err.Error(), "closed, but") || !strings.Contains(err.Error(), missing.Error()) || r.open("nas") != "" {
		t.Errorf("error %v, door open: %q", err, r.open("nas"))
	}
	r.edit("config door 'nas'\n", cutNAS)
	r.Reload()
	if n := troubles(); n != 1 {
		t.Errorf("%d complaints, want one", n)
	}
	r.sessions.fail = nil
	r.Reload()
	if s := r.Status(); s.Cut != "" || !s.Doors[0].Cut || s.Doors[1].Cut {
		t.Errorf("status says %q, doors %+v", s.Cut, s.Doors)
	}
	if r.newest(); !slices.ContainsFunc(r.reported(), func(e control.Event) bool { return e.Detail == "cut: works again" }) {
		t.Error("that it works again was not reported")
	}
}
