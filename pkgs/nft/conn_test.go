// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/door"
	"github.com/latchkey/latchkey/pkgs/lab"
	"github.com/latchkey/latchkey/pkgs/netlink"
)

// enter begins a namespace of its own with an empty table and what text adds, and returns who runs
// further text, and a Firewall.
func enter(t *testing.T, text string) (script func(text string), f *Firewall) {
	t.Helper()
	lab.Enter(t)
	lab.Need(t, "nft")
	script = func(text string) {
		t.Helper()
		c := exec.Command("nft", "-f", "-")
		c.Stdin = strings.NewReader(text)
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("nft: %v\n%s", err, out)
		}
	}
	script("flush ruleset\nadd table inet fw4\n" + text)
	f, err := Open(Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Shutdown() })
	return script, f
}

// TestCommit_is_refused_when_the_set_was_replaced_after_the_look is the race itself, with a hook
// that no user of the package has.
func TestCommit_is_refused_when_the_set_was_replaced_after_the_look(t *testing.T) {
	const right = "add set inet fw4 latchkey1_nas_4 { type ipv4_addr; flags timeout; }\n"
	script, f := enter(t, right)
	looks := 0
	open := func(c *conn) error {
		sets, err := c.look(theDoor)
		if err != nil {
			return err
		}
		if looks++; sets.reason != nil {
			return sets.reason
		}
		script("delete set inet fw4 latchkey1_nas_4\nadd set inet fw4 latchkey1_nas_4 { type ipv4_addr; flags interval, timeout; }\n")
		return c.commit([]change{{set: SetName("nas", false, false), fresh: []element{{first: netip.MustParseAddr("192.0.2.1"), left: time.Minute}}}})
	}
	if err := f.try(open, false); !errors.Is(err, unix.ERESTART) {
		t.Errorf("error %v, want ERESTART", err)
	}
	script("delete set inet fw4 latchkey1_nas_4\n" + right)
	looks = 0
	if err := f.retry("nas", open); !errors.Is(err, door.ErrWrongSet) || looks != 2 {
		t.Errorf("error %v after %d looks, want ErrWrongSet at the second", err, looks)
	}
	if out, err := exec.Command("nft", "list", "set", "inet", "fw4", "latchkey1_nas_4").CombinedOutput(); err != nil || strings.Contains(string(out), "elements") {
		t.Errorf("error %v, the set is\n%s", err, out)
	}

	script("delete set inet fw4 latchkey1_nas_4\n" + right)
	looks = 0
	err := f.retry("nas", func(c *conn) error {
		looks++
		script(fmt.Sprintf("add table inet another%d\n", looks))
		return c.commit([]change{{set: SetName("nas", false, false), fresh: []element{{first: netip.MustParseAddr("192.0.2.1"), left: time.Minute}}}})
	})
	if !errors.Is(err, unix.ERESTART) || looks != tries {
		t.Errorf("with somebody who never rests: error %v after %d tries, want ERESTART after %d", err, looks, tries)
	}
	lab.Withstood(t, "firewall", "set replaced by one of another kind while a knock is in flight",
		"the kernel refuses the change; never is an address in the wrong set")
}

// TestOpen_looks_again_at_what_somebody_changed: what was found before is not to be relied on, whatever
// became of it.
func TestOpen_looks_again_at_what_somebody_changed(t *testing.T) {
	const right = "add set inet fw4 latchkey1_nas_4 { type ipv4_addr; flags timeout; }\n"
	const remove = "delete set inet fw4 latchkey1_nas_4\n"
	script, f := enter(t, right)
	for n, step := range []struct {
		change string
		want   error
	}{
		{"", nil},
		{"add table inet another\n", nil},
		{remove + "add set inet fw4 latchkey1_nas_4 { type ipv4_addr; flags interval, timeout; }\n", door.ErrWrongSet},
		{remove + right, nil},
		{remove, door.ErrPending},
		{right, nil},
		{"flush ruleset\nadd table inet fw4\nadd set inet fw4 latchkey1_nas_6 { type ipv6_addr; flags timeout; }\n", door.ErrFamily},
		{right, nil},
	} {
		if step.change != "" {
			script(step.change)
		}
		for _, again := range []bool{false, true} {
			if err := f.Open(time.Now(), theDoor, minute(n)); !errors.Is(err, step.want) {
				t.Errorf("after %q, again %v: error %v, want %v", step.change, again, err, step.want)
			}
		}
		if step.want == nil {
			if err := f.Close(theDoor, minute(n).Network); err != nil {
				t.Errorf("after %q: close: %v", step.change, err)
			}
		}
		if out, err := exec.Command("nft", "list", "ruleset").CombinedOutput(); err != nil || strings.Contains(string(out), "elements") {
			t.Errorf("after %q: error %v, the sets are\n%s", step.change, err, out)
		}
	}
}

// TestOpen_keeps_its_connection_when_somebody_else_was_quicker: to close one takes the kernel as long as to free
// what others deleted, in which whoever goes on is quicker again.
func TestOpen_keeps_its_connection_when_somebody_else_was_quicker(t *testing.T) {
	script, f := enter(t, nas)
	was := f.conn
	for n := range 3 {
		if err := f.Open(time.Now(), theDoor, minute(n)); err != nil {
			t.Fatal(err)
		}
		script("add table inet another\ndelete table inet another\n")
	}
	if f.conn != was {
		t.Error("it has another connection than at first")
	}
}

// TestConn_counts_generations_as_the_kernel_does, else each change would be tried twice.
func TestConn_counts_generations_as_the_kernel_does(t *testing.T) {
	_, f := enter(t, nas)
	for what, do := range map[string]func() error{
		"a grant":         func() error { return f.Open(time.Now(), theDoor, minute(1)) },
		"the same again":  func() error { return f.Open(time.Now(), theDoor, minute(1)) },
		"its end":         func() error { return f.Close(theDoor, minute(1).Network) },
		"one that is not": func() error { return f.Close(theDoor, minute(2).Network) },
		"a sync": func() error {
			_, err := f.Sync(time.Now(), []door.Door{theDoor}, []door.Grant{minute(3), minute(4)})
			return err
		},
	} {
		if err := do(); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		counted := f.conn.generation
		if is, err := f.conn.askGeneration(); err != nil || is != counted {
			t.Errorf("after %s: generation %d, error %v, counted %d", what, is, err, counted)
		}
	}
}

// TestMissing_is_believed_when_nothing_changes: while a set is replaced, the kernel may find neither
// the old nor the new one.
func TestMissing_is_believed_when_nothing_changes(t *testing.T) {
	script, f := enter(t, "")
	for what, test := range map[string]struct {
		change int // the look, from 1, before whose end somebody changes nftables; 0 = none
		found  int // the look that finds the set; 0 = none
		want   error
		looks  int
	}{
		"there is none":                  {want: door.ErrPending, looks: 2},
		"it was being replaced":          {found: 2, looks: 2},
		"it is replaced at the second":   {change: 2, found: 3, looks: 3},
		"it is taken away at the second": {change: 2, want: door.ErrPending, looks: 3},
	} {
		looks := 0
		err := f.retry("nas", func(*conn) error {
			looks++
			if looks == test.change {
				script("add table inet another\ndelete table inet another\n")
			}
			if looks == test.found {
				return nil
			}
			return door.ErrPending
		})
		if err != test.want || looks != test.looks {
			t.Errorf("%s: error %v after %d looks, want %v after %d", what, err, looks, test.want, test.looks)
		}
	}
}

// TestFit_refuses_flags_that_it_does_not_know: what a newer kernel has may mean anything.
func TestFit_refuses_flags_that_it_does_not_know(t *testing.T) {
	right := setInfo{keyType: 7, keyLen: 4, flags: unix.NFT_SET_TIMEOUT}
	if err := checkKind("fw4", "latchkey1_nas_4", false, false, right); err != nil {
		t.Error(err)
	}
	for bit := range 32 {
		s := right
		s.flags |= 1 << bit
		if err := checkKind("fw4", "latchkey1_nas_4", false, false, s); (err != nil) != (s.flags&^allowed != 0) {
			t.Errorf("flags %#x: error %v", s.flags, err)
		}
	}
}

// TestTransaction_on_an_old_kernel plays the messages on a set as it was before Linux 6.12: adding an
// element that is there changes nothing, and deleting one that is not there is an error.
func TestTransaction_on_an_old_kernel(t *testing.T) {
	for kind, wide := range map[string]bool{"addresses": false, "networks": true} {
		e := func(n string, left time.Duration) element {
			e := newElement(netip.MustParsePrefix(n), wide)
			e.left = left
			return e
		}
		gone, kept, fresh := e("192.0.2.0/32", 0), e("192.0.2.2/32", 5*time.Minute), e("192.0.2.4/32", time.Minute)
		messages := transaction(1, "fw4", []change{{"latchkey1_nas_4", []element{gone}, []element{kept, fresh}}})
		for _, test := range []struct {
			name string
			set  []element
		}{
			{"all_there", []element{e("192.0.2.0/32", time.Second), e("192.0.2.2/32", time.Second), e("192.0.2.4/32", time.Hour)}},
			{"some_expired_meanwhile", []element{e("192.0.2.2/32", time.Hour)}},
			{"none_there", nil},
		} {
			t.Run(kind+"/"+test.name, func(t *testing.T) {
				set := map[element]time.Duration{}
				play(t, set, elementsMessage(unix.NFT_MSG_NEWSETELEM, "fw4", "latchkey1_nas_4", test.set))
				for _, m := range messages {
					play(t, set, m)
				}
				var list []element
				for e, left := range set {
					e.left = left
					list = append(list, e)
				}
				if got := joined(list); !slices.Equal(got, []element{kept, fresh}) {
					t.Errorf("the set holds %v", got)
				}
			})
		}
	}
}

// play does to a set, whose elements have no times of their own, what an old kernel does with a message.
func play(t *testing.T, set map[element]time.Duration, m netlink.Message) {
	t.Helper()
	kind := int(m.Type) & 0xff
	if m.Type == unix.NFNL_MSG_BATCH_BEGIN || m.Type == unix.NFNL_MSG_BATCH_END {
		return
	}
	d := netlink.Decode(m)
	for d.Next() {
		if d.Type() != unix.NFTA_SET_ELEM_LIST_ELEMENTS {
			continue
		}
		for each := d.Inside(); each.Next(); {
			e, left := parseElement(each.Inside()), time.Duration(0)
			for in := each.Inside(); in.Next(); {
				if in.Type() == unix.NFTA_SET_ELEM_TIMEOUT {
					left = time.Duration(in.Uint64()) * time.Millisecond
				}
			}
			_, there := set[e]
			switch {
			case kind == unix.NFT_MSG_NEWSETELEM && !there:
				set[e] = left
			case kind == unix.NFT_MSG_DELSETELEM && there:
				delete(set, e)
			case kind == unix.NFT_MSG_DELSETELEM:
				t.Errorf("%+v is deleted, but not there: the whole transaction fails", e)
			}
		}
	}
	if err := d.Err(); err != nil {
		t.Fatal(err)
	}
}
