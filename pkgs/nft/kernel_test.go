// SPDX-License-Identifier: Apache-2.0

package nft_test

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/door"
	"github.com/latchkey/latchkey/pkgs/door/doortest"
	"github.com/latchkey/latchkey/pkgs/lab"
	"github.com/latchkey/latchkey/pkgs/nft"
)

func TestMain(m *testing.M) { os.Exit(lab.Main(m)) }

func TestFirewall(t *testing.T) {
	doortest.Conformance(t, func(t *testing.T, wide bool) doortest.Env { return startOf(t, wide) })
}

var (
	four     = netip.MustParseAddr("192.0.2.1")
	nas, web = door.Door{Name: "nas"}, door.Door{Name: "web"}
)

// grant returns a grant of door nas for a while from now on.
func grant(a netip.Addr, left time.Duration) door.Grant {
	return door.Grant{Door: "nas", Network: alone(a), Until: time.Now().Add(left)}
}

// TestOpen_of_a_grant_that_is_over leaves nothing, least of all an element without end.
func TestOpen_of_a_grant_that_is_over(t *testing.T) {
	fw := start(t)
	now := time.Now()
	for _, until := range []time.Time{now, now.Add(-time.Hour), now.Add(999 * time.Microsecond)} {
		if err := fw.Open(now, nas, door.Grant{Door: "nas", Network: alone(four), Until: until}); err != nil {
			t.Fatal(err)
		}
		if left := list(t, "latchkey1_nas_4"); len(left) != 0 {
			t.Errorf("a grant that ends %s from now: elements %v, want none", until.Sub(now), left)
		}
	}
}

func TestOpen_of_a_family_without_a_set_says_which(t *testing.T) {
	fw := start(t)
	fw.DropFamily(t, "nas", true)
	err := fw.Open(time.Now(), nas, grant(netip.MustParseAddr("2001:db8::1"), time.Minute))
	if want := "no set latchkey1_nas_6: " + door.ErrFamily.Error(); err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

func TestOpen_in_another_table(t *testing.T) {
	needKernel(t)
	script(t, "flush ruleset\n"+sets("nas")+strings.ReplaceAll(sets("nas"), "fw4", "other"))
	fw, err := nft.Open(nft.Config{Table: "other"})
	if err != nil {
		t.Fatal(err)
	}
	defer fw.Shutdown()
	if err := fw.Open(time.Now(), nas, grant(four, time.Minute)); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("nft", "list", "table", "inet", "other").CombinedOutput()
	if err != nil || !strings.Contains(string(out), four.String()) {
		t.Errorf("%v: it is not in the other table:\n%s", err, out)
	}
	if left := list(t, "latchkey1_nas_4"); len(left) != 0 {
		t.Errorf("elements %v of fw4, want none", left)
	}
}

func TestShutdown_leaves_nothing_open(t *testing.T) {
	needKernel(t)
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // it would close what was forgotten
	descriptors := func() int {
		list, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	open := func() {
		fw, err := nft.Open(nft.Config{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fw.Sync(time.Now(), []door.Door{{Name: strings.Repeat("x", 300)}}, nil); err == nil {
			t.Error("a name that is too long is taken")
		}
		if err := fw.Shutdown(); err != nil {
			t.Fatal(err)
		}
	}
	open() // what Go itself opens once
	before := descriptors()
	for range 5 {
		open()
	}
	deadline := time.Now().Add(10 * time.Second)
	for descriptors() > before && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
	}
	if after := descriptors(); after > before {
		t.Errorf("%d files are open, want %d as before", after, before)
	}
}

func TestShutdown_twice_is_no_error(t *testing.T) {
	fw := start(t) // which shuts it down once more
	for range 2 {
		if err := fw.Shutdown(); err != nil {
			t.Error(err)
		}
	}
}

func TestSync_changes_nothing_where_nothing_differs(t *testing.T) {
	fw := start(t)
	g := grant(four, time.Minute)
	sync := func() {
		if _, err := fw.Sync(time.Now(), []door.Door{nas, web}, []door.Grant{g}); err != nil {
			t.Fatal(err)
		}
	}
	sync()
	other, err := nft.Open(nft.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Shutdown()
	sync()
	expectQuiet(t, kernel{Firewall: other}, "the same once more")
	g.Until = g.Until.Add(time.Minute)
	sync()
	awaitChange(t, kernel{Firewall: other}, "a later end")
}

// TestSync_goes_on_where_one_door_fails has a name that is too long for the kernel.
func TestSync_goes_on_where_one_door_fails(t *testing.T) {
	fw := start(t)
	_, err := fw.Sync(time.Now(), []door.Door{{Name: strings.Repeat("x", 300)}, nas}, []door.Grant{grant(four, time.Minute)})
	if err == nil || !strings.HasPrefix(err.Error(), `nftables: sets of door "xxx`) || !strings.Contains(err.Error(), `x" in table inet fw4: `) {
		t.Errorf("error %v, want one that names the door and the table", err)
	}
	if left := list(t, "latchkey1_nas_4"); len(left) != 1 {
		t.Errorf("elements %v of the other door, want one", left)
	}
	lab.Withstood(t, "firewall", "door whose sets the kernel refuses to change", "an error names it; the grants of the other doors are right")
}

// TestOpen_needs_no_more_than_one_capability does as a daemon does that is not root.
func TestOpen_needs_no_more_than_one_capability(t *testing.T) {
	start(t)
	within(t, 1<<unix.CAP_NET_ADMIN, func() {
		fw, err := nft.Open(nft.Config{})
		if err != nil {
			t.Error(err)
			return
		}
		if err := fw.Open(time.Now(), nas, grant(four, time.Minute)); err != nil {
			t.Error(err)
		}
		if err := fw.Shutdown(); err != nil {
			t.Error(err)
		}
	})
	if left := list(t, "latchkey1_nas_4"); len(left) != 1 {
		t.Errorf("elements %v, want one", left)
	}
}

func TestOpen_without_the_capability_says_so(t *testing.T) {
	start(t)
	within(t, 0, func() {
		_, err := nft.Open(nft.Config{})
		if !errors.Is(err, unix.EPERM) || !strings.Contains(err.Error(), "CAP_NET_ADMIN") {
			t.Errorf("error %v, want EPERM and a word on CAP_NET_ADMIN", err)
		}
	})
}

// within runs f on a thread that has these capabilities only. The thread ends with it.
func within(t *testing.T, capabilities uint32, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		data := [2]unix.CapUserData{{Effective: capabilities, Permitted: capabilities}}
		if err := unix.Capset(&header, &data[0]); err != nil {
			t.Error(err)
			return
		}
		f()
	}()
	<-done
}

// TestOpen_never_gives_more_time_than_granted asks the kernel for its own account, in milliseconds.
func TestOpen_never_gives_more_time_than_granted(t *testing.T) {
	fw := start(t)
	for _, want := range []time.Duration{1500 * time.Microsecond, 999 * time.Millisecond, 90 * time.Second, 8 * time.Hour} {
		end := time.Now().Add(want)
		if err := fw.Open(time.Now(), nas, door.Grant{Door: "nas", Network: alone(four), Until: end}); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command("nft", "list", "set", "inet", "fw4", "latchkey1_nas_4").CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		_, text, there := strings.Cut(string(out), "expires ")
		if !there {
			continue // it is over
		}
		text, _, _ = strings.Cut(text, " }")
		got, err := time.ParseDuration(text)
		if err != nil {
			t.Fatal(err)
		}
		if over := got - time.Until(end); over > time.Second {
			t.Errorf("a grant of %s lasts %s too long", want, over)
		}
	}
}

// awaitChange fails the test if no change is told in time.
func awaitChange(t *testing.T, fw kernel, what string) {
	t.Helper()
	select {
	case <-fw.Changed():
	case <-time.After(5 * time.Second):
		t.Fatalf("%s: no change was told within 5 s", what)
	}
}

// expectQuiet fails the test if a change is told.
func expectQuiet(t *testing.T, fw kernel, what string) {
	t.Helper()
	select {
	case <-fw.Changed():
		t.Fatalf("%s: a change was told", what)
	case <-time.After(300 * time.Millisecond):
	}
}

func TestChanged(t *testing.T) {
	fw := start(t)
	doors, grants := []door.Door{nas, web}, []door.Grant{grant(four, time.Minute)}
	sync := func(wantMissing int) {
		t.Helper()
		unserved, err := fw.Sync(time.Now(), doors, grants)
		if err != nil || len(unserved) != wantMissing {
			t.Fatalf("sync: unserved %v, error %v, want %d", unserved, err, wantMissing)
		}
	}
	sync(0)
	expectQuiet(t, fw, "changes of its own")

	for _, change := range []struct {
		what, script string
		missing      int
	}{
		{"table deleted", "delete table inet fw4\n", 2},
		{"table made again", sets("nas", "web"), 0},
		{"ruleset flushed", "flush ruleset\n", 2},
		{"ruleset loaded", sets("nas", "web") + rules(500), 0},
		{"restart in one go", "delete table inet fw4\n" + sets("nas", "web") + rules(500), 0},
		{"element deleted", "delete element inet fw4 latchkey1_nas_4 { 192.0.2.1 }\n", 0},
		{"set flushed", "flush set inet fw4 latchkey1_nas_4\n", 0},
	} {
		script(t, change.script)
		awaitChange(t, fw, change.what)
		sync(change.missing)
		want := 1
		if change.missing > 0 {
			want = 0
		}
		if want == 1 && len(list(t, "latchkey1_nas_4")) != 1 {
			t.Errorf("%s: the grant was not put back", change.what)
		}
		expectQuiet(t, fw, change.what+", after the sync")
	}
}

// firewall4 gives sets of networks the property auto-merge: who adds a neighbour with nft makes one range of both,
// with one time. A Sync takes it apart again.
func TestSync_takes_apart_what_nft_merged(t *testing.T) {
	fw := startOf(t, true)
	d := door.Door{Name: "nas", Width4: 24, Width6: 64}
	first, second := netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("192.0.3.0/24")
	grants := []door.Grant{
		{Door: "nas", Network: first, Until: time.Now().Add(time.Hour)},
		{Door: "nas", Network: second, Until: time.Now().Add(2 * time.Hour)},
	}
	if err := fw.Open(time.Now(), d, grants[0]); err != nil {
		t.Fatal(err)
	}
	for _, by := range []string{"192.0.3.0/24 timeout 1m", "192.0.0.0-192.0.1.7 timeout 1m", "192.0.2.128-192.0.5.255", "0.0.0.0/1 timeout 1m", "192.0.3.0/24 timeout 1m, 192.0.4.0/24 timeout 1m"} {
		if out, err := exec.Command("nft", "add element inet fw4 latchkey2_nas_4 { "+by+" }").CombinedOutput(); err != nil {
			t.Fatalf("nft: %v\n%s", err, out)
		}
		awaitChange(t, fw, by)
		for range 2 {
			if unserved, err := fw.Sync(time.Now(), []door.Door{d}, grants); err != nil || len(unserved) > 0 {
				t.Fatalf("after %s: unserved %v, error %v", by, unserved, err)
			}
			left := list(t, "latchkey2_nas_4")
			if len(left) != 2 || left[first] < 50*time.Minute || left[first] > time.Hour || left[second] < 110*time.Minute {
				t.Errorf("after %s: %v", by, left)
			}
		}
		expectQuiet(t, fw, "after the sync")
	}
	lab.Withstood(t, "firewall", "networks added by hand to a door's set, which nft merges with those of grants",
		"they are taken out and apart again at once")
}

// An owner's close is done even where nft has made one range of a grant and others, whose grants a Sync puts back.
func TestClose_of_what_nft_merged(t *testing.T) {
	d := door.Door{Name: "nas", Width4: 24, Width6: 64}
	type step struct{ n, beside, by string }
	for _, s := range []step{
		{"192.0.2.0/24", "192.0.3.0/24", "192.0.3.0/24 timeout 1m"},
		{"192.0.3.0/24", "192.0.2.0/24", "192.0.2.0/24 timeout 1m"},
		{"192.0.3.0/24", "192.0.2.0/24", "192.0.0.0/22 timeout 1m"},
		{"192.0.2.0/24", "192.0.3.0/24", "192.0.2.128-192.0.5.255"},
		{"192.0.2.0/24", "192.0.3.0/24", "192.0.1.0-192.0.2.7 timeout 1m"},
		{"192.0.2.0/24", "203.0.113.0/24", "192.0.1.0/24 timeout 1m, 192.0.3.0/24 timeout 1m"},
		{"255.255.255.0/24", "192.0.3.0/24", "128.0.0.0/1 timeout 1m"},
		{"2001:db8:0:1::/64", "2001:db8:0:2::/64", "2001:db8:0:2::/64 timeout 1m, 2001:db8::/64 timeout 1m"},
	} {
		fw := startOf(t, true)
		n, beside := netip.MustParsePrefix(s.n), netip.MustParsePrefix(s.beside)
		set := nft.SetName("nas", n.Addr().Is6(), true)
		both := []door.Grant{{Door: "nas", Network: n, Until: time.Now().Add(time.Hour)}, {Door: "nas", Network: beside, Until: time.Now().Add(time.Hour)}}
		if _, err := fw.Sync(time.Now(), []door.Door{d}, both); err != nil {
			t.Fatal(err)
		}
		script(t, "add element inet fw4 "+set+" { "+s.by+" }\n")
		awaitChange(t, fw, s.by)
		if err := fw.Close(d, n); err != nil {
			t.Errorf("close of %s merged with %s: %v", n, s.by, err)
		}
		out, _ := exec.Command("nft", "get", "element", "inet", "fw4", set, "{ "+n.Addr().Next().String()+" }").CombinedOutput()
		if strings.Contains(string(out), "elements") {
			t.Errorf("%s merged with %s is still let in:\n%s", n, s.by, out)
		}
		awaitChange(t, fw, "a close that took out others, too")
		if _, err := fw.Sync(time.Now(), []door.Door{d}, both[1:]); err != nil {
			t.Fatal(err)
		}
		if left := list(t, set); len(left) != 1 || left[beside] < 50*time.Minute {
			t.Errorf("%s merged with %s: left are %v", n, s.by, left)
		}
		expectQuiet(t, fw, "after the sync")
	}
}

// Of several that end at once, some may be merged and others not.
func TestClose_of_several_of_which_nft_merged_some(t *testing.T) {
	d := door.Door{Name: "nas", Width4: 24}
	fw := startOf(t, true)
	var grants []door.Grant
	var gone []netip.Prefix
	for i := range 40 {
		n := d.Network(netip.AddrFrom4([4]byte{10, 0, byte(4 * i), 0}))
		grants = append(grants, door.Grant{Door: "nas", Network: n, Until: time.Now().Add(time.Hour)})
		if i < 30 {
			gone = append(gone, n)
		}
	}
	if _, err := fw.Sync(time.Now(), []door.Door{d}, grants); err != nil {
		t.Fatal(err)
	}
	set := nft.SetName("nas", false, true)
	for _, by := range []string{"10.0.17.0/24", "10.0.30.0-10.0.32.7", "10.0.116.0/23 timeout 1m"} {
		script(t, "add element inet fw4 "+set+" { "+by+" }\n")
	}
	if err := fw.Close(d, gone...); err != nil {
		t.Fatal(err)
	}
	for n := range list(t, set) {
		for _, g := range gone {
			if n.Overlaps(g) {
				t.Errorf("%s is still let in by %s", g, n)
			}
		}
	}
	if _, err := fw.Sync(time.Now(), []door.Door{d}, grants[30:]); err != nil {
		t.Fatal(err)
	}
	if left := list(t, set); len(left) != 10 {
		t.Errorf("after the sync are left %v", left)
	}
}

// rules is a script of many rules, for a notification that is larger than a socket's buffer.
func rules(n int) string {
	var b strings.Builder
	b.WriteString("add chain inet fw4 input\n")
	for i := range n {
		fmt.Fprintf(&b, "add rule inet fw4 input tcp dport %d limit rate 10/second accept comment \"rule %d\"\n", i+1, i)
	}
	return b.String()
}

// TestChanged_coalesces shows that a burst of changes is few events.
func TestChanged_coalesces(t *testing.T) {
	fw := start(t)
	for i := range 20 {
		script(t, fmt.Sprintf("add table inet t%d\n", i))
	}
	awaitChange(t, fw, "20 changes")
	var more int
	for {
		select {
		case <-fw.Changed():
			more++
			continue
		case <-time.After(300 * time.Millisecond):
		}
		break
	}
	// One waits in the channel, one was settling; the third is for a machine that is slow to read.
	if more > 2 {
		t.Errorf("20 changes were told %d times, want at most 3", more+1)
	}
}

func BenchmarkOpen(b *testing.B) {
	fw := start(b)
	for i := 0; b.Loop(); i++ {
		a := netip.AddrFrom4([4]byte{198, 18, byte(i >> 8), byte(i)})
		if err := fw.Open(time.Now(), nas, grant(a, time.Minute)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSync_of_1000_that_are_right(b *testing.B) {
	fw := start(b)
	var grants []door.Grant
	for i := range 1000 {
		grants = append(grants, grant(netip.AddrFrom4([4]byte{198, 18, byte(i >> 8), byte(i)}), time.Hour))
	}
	for b.Loop() {
		if _, err := fw.Sync(time.Now(), []door.Door{nas, web}, grants); err != nil {
			b.Fatal(err)
		}
	}
}
