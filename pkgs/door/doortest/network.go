// SPDX-License-Identifier: Apache-2.0

package doortest

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/latchkey/latchkey/pkgs/door"
)

// What is between two networks that touch is not let in when one of them ends, nor kept out.
func testTouching(t *testing.T, e *rig) {
	for _, pair := range [][2]netip.Prefix{{e.four, e.other}, {e.other, e.four}, {e.six, e.beside}, {e.beside, e.six}} {
		stays, ends := pair[0], pair[1]
		until := deadlines{}
		opened := func(n netip.Prefix, left time.Duration) {
			t.Helper()
			until[n] = e.Now().Add(left)
			open(t, e, e.nas, n, left)
		}
		expectOnly := func(list ...netip.Prefix) {
			t.Helper()
			want := deadlines{}
			for _, n := range list {
				want[n] = until[n]
			}
			expect(t, e, "nas", want.left(e))
		}
		opened(stays, time.Hour)
		opened(ends, 2*time.Hour)
		expectOnly(stays, ends)
		if err := e.Close(e.nas, ends); err != nil {
			t.Fatal(err)
		}
		expectOnly(stays)
		opened(ends, 300*time.Millisecond)
		opened(stays, 3*time.Hour)
		e.Pass(300*time.Millisecond + 100*time.Millisecond)
		expectOnly(stays)
		opened(ends, time.Hour)
		expectOnly(stays, ends)
		for _, n := range pair {
			if err := e.Close(e.nas, n); err != nil {
				t.Fatal(err)
			}
		}
		expectOnly()
	}
}

// What Sync changes of a row of networks each of which touches the next one: all of them, or some in between.
func testManyTouching(t *testing.T, e *rig) {
	const many = 300 // of each family: together more than one transaction of package nft takes
	grants := func(which func(i int) bool, left time.Duration) (list []door.Grant) {
		for i := range many {
			for _, a := range []netip.Addr{
				netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 0}),
				netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 0, 0, byte(i >> 8), byte(i)}),
			} {
				if which(i) {
					list = append(list, grant(e, "nas", e.nas.Network(a), left))
				}
			}
		}
		return list
	}
	all := func(int) bool { return true }
	for _, step := range [][]door.Grant{
		grants(all, time.Hour),
		grants(all, 2*time.Hour),
		append(grants(func(i int) bool { return i%3 == 0 }, 2*time.Hour), grants(func(i int) bool { return i%3 == 1 }, 3*time.Hour)...),
		grants(all, 2*time.Hour),
		nil,
	} {
		if unserved, err := e.Sync(e.Now(), []door.Door{e.nas}, step); err != nil || len(unserved) > 0 {
			t.Fatalf("sync: unserved %v, error %v", unserved, err)
		}
		want := deadlines{}
		for _, g := range step {
			want[g.Network] = g.Until
		}
		expect(t, e, "nas", want.left(e))
	}
}

func testOverlap(t *testing.T, e *rig) {
	part := alone(e.four.Addr().Next())
	open(t, e, e.nas, e.four, time.Minute)
	if err := e.Open(e.Now(), e.nas, grant(e, "nas", part, time.Hour)); err == nil {
		t.Errorf("%s was opened within %s", part, e.four)
	}
	expect(t, e, "nas", lefts{e.four: time.Minute})
	if err := e.Close(e.nas, e.four); err != nil {
		t.Fatal(err)
	}
	open(t, e, e.nas, part, time.Minute)
	if err := e.Open(e.Now(), e.nas, grant(e, "nas", e.four, time.Hour)); err == nil {
		t.Errorf("%s was opened around %s", e.four, part)
	}
	expect(t, e, "nas", lefts{part: time.Minute})
	if err := e.Close(e.nas, e.four); err != nil {
		t.Errorf("close of %s, around %s: %v", e.four, part, err)
	}
	expect(t, e, "nas", nil)
	open(t, e, e.nas, part, time.Minute)
	// Sync has the whole book, and so the last word.
	if _, err := e.Sync(e.Now(), []door.Door{e.nas}, []door.Grant{grant(e, "nas", e.four, time.Hour)}); err != nil {
		t.Fatal(err)
	}
	expect(t, e, "nas", lefts{e.four: time.Hour})
}

func testNarrow(t *testing.T, e *rig) {
	list := []netip.Prefix{
		alone(e.stranger.Addr()), alone(e.stranger.Addr().Next()), alone(e.four.Addr().Prev()),
		alone(e.stranger6.Addr()), alone(e.stranger6.Addr().Next()), alone(e.six.Addr().Prev()),
	}
	want := lefts{e.four: time.Minute, e.six: time.Minute}
	for n := range want {
		open(t, e, e.nas, n, time.Minute)
	}
	for _, n := range list {
		open(t, e, e.nas, n, time.Hour)
		want[n] = time.Hour
	}
	expect(t, e, "nas", want)
	for _, n := range list {
		if err := e.Close(e.nas, n); err != nil {
			t.Fatal(err)
		}
		delete(want, n)
		expect(t, e, "nas", want)
	}
}

// A door whose width changes has sets of another kind. What is in the former ones lets nobody in any more, as
// soon as there was a Sync.
func testWiden(t *testing.T, env Env, wide bool) {
	e := newRig(env, !wide)
	open(t, e, e.nas, e.four, time.Minute)
	open(t, e, e.nas, e.six, time.Minute)
	n := newRig(env, wide)
	kept := alone(e.stranger.Addr())
	env.Widen(wide)
	unserved, err := n.Sync(n.Now(), []door.Door{n.nas}, nil)
	if err != nil || len(unserved) != 1 || !errors.Is(unserved[0].Reason, door.ErrPending) {
		t.Errorf("sync before there are sets of the new kind: unserved %v, error %v", unserved, err)
	}
	env.Widen(!wide)
	expect(t, e, "nas", nil)
	open(t, e, e.nas, e.four, time.Minute)
	open(t, e, e.nas, kept, time.Minute)
	env.Widen(wide)
	n.MakeSets(t, "nas")
	if unserved, err = n.Sync(n.Now(), []door.Door{n.nas}, []door.Grant{grant(n, "nas", kept, time.Minute)}); err != nil || len(unserved) != 0 {
		t.Errorf("sync: unserved %v, error %v", unserved, err)
	}
	expect(t, n, "nas", lefts{kept: time.Minute})
	env.Widen(!wide)
	expect(t, e, "nas", nil)
}

// A door may become wide for one family. Until that one's new set is there, it is pending, and the other one is not.
func testWidenSix(t *testing.T, env Env) {
	e := newRig(env, false)
	d := door.Door{Name: "nas", Width6: 64}
	six := d.Network(e.six.Addr())
	grants := []door.Grant{grant(e, "nas", e.four, time.Minute), grant(e, "nas", six, time.Minute)}
	if err := e.Open(e.Now(), d, grants[1]); !errors.Is(err, door.ErrWidth) || !errors.Is(err, door.ErrPending) {
		t.Errorf("open before there is a set of the new width: error %v, want ErrWidth", err)
	}
	if err := e.Close(d, six); err != nil {
		t.Errorf("close before there is a set of the new width: %v", err)
	}
	for range 2 {
		expectLack(t, e, []door.Door{d}, grants, 6, door.ErrWidth)
		expect(t, e, "nas", lefts{e.four: time.Minute})
	}
	env.Widen(true)
	e.MakeSets(t, "nas")
	open(t, e, d, six, time.Minute)
	expectLack(t, e, []door.Door{d}, grants, 0, nil)
	expect(t, e, "nas", lefts{six: time.Minute})
	env.Widen(false)
	expect(t, e, "nas", lefts{e.four: time.Minute})

	// The set of a grant in force goes away.
	e.DropFamily(t, "nas", true)
	env.Widen(true)
	e.DropFamily(t, "nas", true)
	expectLack(t, e, []door.Door{d}, grants, 6, door.ErrFamily)
	expect(t, e, "nas", nil)
	e.MakeSets(t, "nas")
	expectLack(t, e, []door.Door{d}, grants, 0, nil)
	expect(t, e, "nas", lefts{six: time.Minute})
	env.Widen(false)
	expect(t, e, "nas", lefts{e.four: time.Minute})
}
