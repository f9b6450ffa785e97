// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/door"
	"github.com/latchkey/latchkey/pkgs/lab"
)

// crowd is so many grants of a door for an hour, to networks of so many bits that touch one another.
func crowd(n, bits int) []door.Grant {
	list := make([]door.Grant, n)
	for i := range list {
		a := [4]byte{198, 18}
		at := i << (32 - bits)
		a[1], a[2], a[3] = a[1]+byte(at>>16), byte(at>>8), byte(at)
		list[i] = door.Grant{Door: theDoor.Name, Network: netip.PrefixFrom(netip.AddrFrom4(a), bits), Until: noon.Add(time.Hour)}
	}
	return list
}

// has returns what is left of each element of a set of door nas for IPv4, by its first address.
func (f *Firewall) has(t *testing.T, wide bool) map[netip.Addr]time.Duration {
	t.Helper()
	c, err := open(f.table)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var list []element
	for interrupted := true; interrupted; {
		list, err = c.elements(SetName(theDoor.Name, false, wide), wide)
		interrupted = errors.Is(err, unix.EINTR)
	}
	if err != nil {
		t.Fatal(err)
	}
	left := map[netip.Addr]time.Duration{}
	for _, e := range list {
		left[e.first] = e.left
	}
	return left
}

// changesIn returns by how many generations of nftables do goes on.
func changesIn(t *testing.T, do func()) uint32 {
	t.Helper()
	c, err := open(DefaultTable)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	before, err := c.askGeneration()
	if err != nil {
		t.Fatal(err)
	}
	do()
	after, err := c.askGeneration()
	if err != nil {
		t.Fatal(err)
	}
	return after - before
}

// TestSync_of_thousands_in_one_set_ends has a clock that makes every element wrong by two seconds as soon as it is
// written: whoever looked again at what he did himself would never be done.
func TestSync_of_thousands_in_one_set_ends(t *testing.T) {
	_, f := enter(t, nas)
	at := noon
	f.clock = func() time.Time {
		at = at.Add(2 * time.Second)
		return at
	}
	const n = 5000
	sync := func(grants []door.Grant) func() {
		return func() {
			if _, err := f.Sync(noon, []door.Door{theDoor}, grants); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, step := range []struct {
		what   string
		grants []door.Grant
		left   int
	}{{"all are new", crowd(n, 32), n}, {"all have another end", crowd(n, 32), n}, {"all go", nil, 0}} {
		for i := range step.grants {
			step.grants[i].Until = at.Add(time.Hour)
		}
		if changes := changesIn(t, sync(step.grants)); changes != n/chunk {
			t.Errorf("%s: %d transactions, want %d", step.what, changes, n/chunk)
		}
		if got := len(f.has(t, false)); got != step.left {
			t.Errorf("%s: %d elements, want %d", step.what, got, step.left)
		}
	}
	lab.Withstood(t, "firewall", "ten thousand grants of one door that are put back on a slow router",
		"each is written once, with what is left of it by then")
}

// TestSync_that_takes_long_prolongs_nothing has half an hour pass before each transaction.
func TestSync_that_takes_long_prolongs_nothing(t *testing.T) {
	for _, tt := range []struct {
		name string
		door door.Door
		bits int
	}{{"addresses", theDoor, 32}, {"networks_that_touch", door.Door{Name: theDoor.Name, Width4: 28}, 28}} {
		t.Run(tt.name, func(t *testing.T) {
			_, f := enter(t, strings.NewReplacer("latchkey1", "latchkey2", "flags timeout", "flags interval,timeout").Replace(nas)+nas)
			wide := tt.door.Wide(false)
			at := noon
			f.clock = func() time.Time { return at }
			grants := crowd(2*chunk+100, tt.bits)
			sync := func() {
				t.Helper()
				if _, err := f.Sync(noon, []door.Door{tt.door}, grants); err != nil {
					t.Fatal(err)
				}
			}
			const most = time.Hour
			sync() // all are there, with another end than they are to have now …
			for i := range grants {
				grants[i].Until = noon.Add(most / 2)
				if i >= chunk {
					grants[i].Until = noon.Add(2 * most)
				}
			}
			absent := netip.PrefixFrom(netip.MustParseAddr("192.0.2.0"), tt.bits)
			grants = append(grants, door.Grant{Door: theDoor.Name, Network: absent, Until: noon.Add(most / 2)})
			looks := 0
			f.clock = func() time.Time { // … of which some are over by their turn, and one that is not there is, too
				if looks++; looks > 2 {
					at = at.Add(most / 2)
				}
				return at
			}
			sync()
			chunks := looks - 2
			have := f.has(t, wide)
			for first, left := range have {
				if left == 0 || left > 2*most-most/2 {
					t.Errorf("%s has %v left, want at most %v", first, left, 2*most-most/2)
				}
			}
			if chunks != 3 || len(have) != chunk+100 {
				t.Errorf("%d transactions, %d elements, want 3, %d", chunks, len(have), chunk+100)
			}
		})
	}
}

// TestSync_while_the_kernel_moves_the_set reads it right after it has grown, which now and then is in the middle of that.
func TestSync_while_the_kernel_moves_the_set(t *testing.T) {
	script, f := enter(t, nas)
	grants := crowd(4*chunk, 32)
	rounds := 40
	if testing.Short() {
		rounds = 4
	}
	for range rounds {
		script("flush set inet fw4 latchkey1_nas_4\n")
		for i := range grants {
			grants[i].Until = time.Now().Add(time.Hour)
		}
		for range 2 {
			if _, err := f.Sync(time.Now(), []door.Door{theDoor}, grants); err != nil {
				t.Fatal(err)
			}
		}
		if got := len(f.has(t, false)); got != len(grants) {
			t.Fatalf("%d elements, want %d", got, len(grants))
		}
	}
	lab.Withstood(t, "firewall", "set of thousands that the kernel moves while it is read", "it is read again; no grant is lost")
}

func TestHasTwice(t *testing.T) {
	list := func(numbers ...byte) (l []element) {
		for _, n := range numbers {
			l = append(l, element{first: netip.AddrFrom4([4]byte{192, 0, 2, n})})
		}
		return l
	}
	for _, tt := range []struct {
		list []element
		want bool
	}{{nil, false}, {list(1), false}, {list(3, 1, 2), false}, {list(3, 1, 3), true}, {list(1, 2, 2), true}, {list(2, 2, 1), true}} {
		if got := hasTwice(tt.list); got != tt.want {
			t.Errorf("%v: %v, want %v", tt.list, got, tt.want)
		}
	}
}

// TestSync_beside_somebody_who_changes_the_set in the middle of it.
func TestSync_beside_somebody_who_changes_the_set(t *testing.T) {
	script, f := enter(t, nas)
	const flush = "flush set inet fw4 latchkey1_nas_4\n"
	grants := crowd(4*chunk, 32)
	for i := range grants {
		grants[i].Until = time.Now().Add(time.Hour)
	}
	looks, at := 0, []int{}
	f.clock = func() time.Time {
		looks++
		for _, n := range at {
			if looks == n {
				script(flush)
			}
		}
		return time.Now()
	}
	sync := func() error {
		_, err := f.Sync(time.Now(), []door.Door{theDoor}, grants)
		return err
	}
	at = []int{4, 5, 9} // before its second transaction, and in later tries
	if err := sync(); err != nil {
		t.Fatal(err)
	}
	if got := len(f.has(t, false)); got != len(grants) {
		t.Errorf("%d elements, want %d", got, len(grants))
	}
	script(flush)
	other, err := Open(Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Shutdown()
	f.clock = func() time.Time { // all the time
		if err := other.Open(time.Now(), theDoor, minute(1)); err != nil {
			t.Error(err)
		}
		return time.Now()
	}
	if err := sync(); !errors.Is(err, unix.ERESTART) {
		t.Errorf("error %v, want ERESTART: it must not go on for ever", err)
	}
}
