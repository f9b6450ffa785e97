// SPDX-License-Identifier: Apache-2.0

package door_test

import (
	"cmp"
	"errors"
	"math"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/latchkey/latchkey/pkgs/door"
)

// TestBook_against_a_list plays openings, closings, earlier ends and ends at random, and holds what the book says of each to a plain
// list of them.
func TestBook_against_a_list(t *testing.T) {
	const perClient, total = 4, 20
	var full, alone int
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 0))
		b, _ := start(t, door.Limits{PerClient: perClient, Total: total})
		var list []door.Grant
		find := func(g door.Grant) int {
			return slices.IndexFunc(list, func(o door.Grant) bool {
				return o.Door == g.Door && o.Network == g.Network && o.Client == g.Client
			})
		}
		now := noon
		for range 400 {
			g := door.Grant{
				Door: []string{"nas", "web"}[r.IntN(2)], Network: netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(r.IntN(6))}), 32),
				Client: strconv.Itoa(r.IntN(6)), Share: []string{"", "others"}[r.IntN(2)],
			}
			i := find(g)
			switch r.IntN(9) {
			case 8: // it is a while until somebody calls Expire
				now = now.Add(time.Duration(r.IntN(20)) * time.Second)
			case 0:
				now = now.Add(time.Duration(r.IntN(20)) * time.Second)
				var over []door.Grant
				list = slices.DeleteFunc(list, func(o door.Grant) bool {
					if now.Before(o.Until) {
						return false
					}
					over = append(over, o)
					return true
				})
				if n := len(b.Expire(now)); n != len(over) {
					t.Fatalf("%d are over, want %d", n, len(over))
				}
			case 1:
				_, closed, still, err := b.CloseOwn(now, g.Door, g.Network.Addr(), g.Client)
				if want := i >= 0 && now.Before(list[i].Until); closed != want || err != nil {
					t.Fatalf("closed is %t, want %t, %v", closed, want, err)
				}
				if closed {
					list = slices.Delete(list, i, i+1)
				}
				lasts := slices.ContainsFunc(list, func(o door.Grant) bool {
					return o.Door == g.Door && o.Network == g.Network && now.Before(o.Until) && o.Client != g.Client
				})
				if lasts != (still != "") {
					t.Fatalf("it is still open for %q", still)
				}
			case 2:
				end := now.Add(time.Duration(r.IntN(60)) * time.Second)
				shorter := i >= 0 && end.Before(list[i].Until)
				if got := b.Shorten(g, end); got != shorter {
					t.Fatalf("shortened is %t, want %t", got, shorter)
				}
				if shorter {
					list[i].Until = end
				}
			default:
				length := time.Duration(1+r.IntN(120)) * time.Second
				own := 0
				for n, o := range list {
					if n != i && o.Client == g.Client && o.Share == g.Share && now.Before(o.Until) {
						own++
					}
				}
				room := own < perClient && (i >= 0 || len(list) < total)
				if own == perClient {
					alone++
				} else if !room {
					full++
				}
				got, _, err := b.Open(now, door.Ask{Door: g.Door, Address: g.Network.Addr(), Client: g.Client, Share: g.Share, For: length})
				if (err == nil) != room {
					t.Fatalf("with %d of its own and %d in all: %v", own, len(list), err)
				}
				if err == nil && i >= 0 {
					list[i] = got
				} else if err == nil {
					list = append(list, got)
				}
			}
			want := slices.Clone(list)
			want = slices.DeleteFunc(want, func(o door.Grant) bool { return !now.Before(o.Until) })
			slices.SortFunc(want, func(x, y door.Grant) int {
				return cmp.Or(cmp.Compare(x.Door, y.Door), x.Network.Addr().Compare(y.Network.Addr()), cmp.Compare(x.Client, y.Client))
			})
			if !slices.Equal(want, b.Grants(now)) {
				same(t, "grants", want, b.Grants(now))
			}
			next := time.Time{}
			for _, o := range list {
				if next.IsZero() || o.Until.Before(next) {
					next = o.Until
				}
				lasts := slices.ContainsFunc(want, func(x door.Grant) bool { return x.Door == o.Door && x.Network == o.Network })
				if lasts != b.IsOpen(now, o.Door, o.Network) {
					t.Fatalf("%s may use %s: %t", o.Network, o.Door, !lasts)
				}
			}
			in, most := b.Room()
			if !b.Next().Equal(next) || in != len(list) || most != total {
				t.Fatalf("the next end is %s, want %s; %d of %d, want %d", b.Next(), next, in, most, len(list))
			}
			if t.Failed() {
				return
			}
		}
	}
	if full == 0 || alone == 0 {
		t.Errorf("the book was full %d times, a client's share %d times", full, alone)
	}
}

// twoNetworks are a device's addresses of both families where it was, and where it is.
func twoNetworks() []netip.Addr {
	return []netip.Addr{four, six, netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("2001:db8:2::1")}
}

// TestOpen_with_many_doors opens all doors of one client for an address of each family, and again where he is next.
func TestOpen_with_many_doors(t *testing.T) {
	const many = 200
	fw := door.Firewall(nothing{})
	b := door.NewBook(fw, door.Limits{})
	doors := make([]door.Door, many)
	for i := range doors {
		doors[i] = door.Door{Name: "door" + strconv.Itoa(i), OpenFor: time.Minute, MaxOpen: time.Minute}
	}
	if _, err := b.SetDoors(noon, doors); err != nil {
		t.Fatal(err)
	}
	for _, a := range twoNetworks() {
		for _, d := range doors {
			mustOpen(t, b, noon, door.Ask{Door: d.Name, Address: a, Client: "anna", Doors: many})
		}
	}
	_, _, err := b.Open(noon, door.Ask{Door: "door0", Address: other, Client: "anna", Doors: many})
	same(t, "one more", `door "door0" to 192.0.2.2: anna has 800: too many grants`, says(err))
}

// TestBook_gives_memory_back sees that what is over takes none, whether something else lasts or not.
func TestBook_gives_memory_back(t *testing.T) {
	b := door.NewBook(nothing{}, door.Limits{PerClient: 1})
	if _, err := b.SetDoors(noon, []door.Door{nas}); err != nil {
		t.Fatal(err)
	}
	heap := func() int {
		runtime.GC()
		runtime.GC() // what had a finalizer
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int(m.HeapAlloc)
	}
	open := func(i int, long time.Duration) {
		a := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		mustOpen(t, b, noon, door.Ask{Door: "nas", Address: a, Client: strconv.Itoa(i), For: long})
	}
	const many, over = 10_000, time.Second
	begin := heap()
	open(0, time.Hour)
	for i := range 10 * many {
		open(1+i, over)
		b.Expire(at(over))
	}
	if grown := heap() - begin; grown > 500_000 {
		t.Errorf("one grant takes %d bytes, after %d others", grown, 10*many)
	}
	for i := range many {
		open(1+i, over)
	}
	full := heap() - begin
	b.Expire(at(over))
	if one := heap() - begin; one > full/5 {
		t.Errorf("one grant takes %d bytes, %d with %d", one, full, many)
	}
	b.Expire(at(time.Hour))
	if none := heap() - begin; none > full/10 {
		t.Errorf("no grant takes %d bytes, %d with %d", none, full, many)
	}
	t.Logf("%d bytes with %d grants", full, many)
	runtime.KeepAlive(b)
}

// nothing is a firewall without a memory, for books of thousands.
type nothing struct{}

func (nothing) Sync(time.Time, []door.Door, []door.Grant) ([]door.Unserved, error) { return nil, nil }
func (nothing) Open(time.Time, door.Door, door.Grant) error                        { return nil }
func (nothing) Close(door.Door, ...netip.Prefix) error                             { return nil }

// crowd is a book of 200 doors with so many grants of other clients, and one client who has as
// many as he may; there is room for one more.
func crowd(t testing.TB, others int) *door.Book {
	t.Helper()
	const doors = 200
	b := door.NewBook(nothing{}, door.Limits{Total: others + len(twoNetworks())*doors + 1})
	var list []door.Door
	for i := range doors {
		list = append(list, door.Door{Name: "door" + strconv.Itoa(i), OpenFor: time.Minute, MaxOpen: time.Hour})
	}
	if _, err := b.SetDoors(noon, list); err != nil {
		t.Fatal(err)
	}
	open := func(a door.Ask) {
		a.Doors = doors
		if _, _, err := b.Open(noon, a); err != nil {
			t.Fatal(err)
		}
	}
	for _, a := range twoNetworks() {
		for _, d := range list {
			open(door.Ask{Door: d.Name, Address: a, Client: "anna"})
		}
	}
	for i := range others {
		open(door.Ask{Door: list[i%doors].Name, Address: netip.AddrFrom4([4]byte{198, 18, byte(i / doors), 1}), Client: strconv.Itoa(i / doors)})
	}
	return b
}

// deeds are what a daemon asks of a book again and again.
var deeds = map[string]func(b *door.Book) (ok bool){
	"a grant and its end": func(b *door.Book) bool {
		_, _, err := b.Open(noon, door.Ask{Door: "door7", Address: other, Client: "owner"})
		_, closed, _, closeErr := b.CloseOwn(noon, "door7", other, "owner")
		return err == nil && closed && closeErr == nil
	},
	"another grant of a client at its limit": func(b *door.Book) bool {
		_, again, err := b.Open(noon, door.Ask{Door: "door7", Address: four, Client: "anna", Doors: 200})
		return again && err == nil
	},
	"a grant too many of a client": func(b *door.Book) bool {
		_, _, err := b.Open(noon, door.Ask{Door: "door7", Address: other, Client: "anna", Doors: 200})
		return errors.Is(err, door.ErrTooMany)
	},
	"a look at what ends next": func(b *door.Book) bool {
		return len(b.Expire(noon)) == 0 && !b.Next().IsZero() && b.IsOpen(noon, "door7", alone(four))
	},
}

// TestBook_of_10000_grants_takes_no_longer: a hundred times the grants would take a hundred times as long, if each were
// looked at. Of many tries the quickest counts: what else a machine does makes none of them quicker.
func TestBook_of_10000_grants_takes_no_longer(t *testing.T) {
	few, many := crowd(t, 100), crowd(t, 10_000)
	for name, do := range deeds {
		quickest := func(b *door.Book) time.Duration {
			least := time.Duration(math.MaxInt64)
			for range 200 {
				begin := time.Now()
				for range 20 {
					if !do(b) {
						t.Fatalf("%s did not go as it should", name)
					}
				}
				least = min(least, time.Since(begin)/20)
			}
			return least
		}
		beside, alone := quickest(many), quickest(few)
		t.Logf("%s: %v beside 10 000, %v beside 100", name, beside, alone)
		if beside > 6*alone {
			t.Errorf("%s takes %v beside 10 000 grants, and %v beside 100", name, beside, alone)
		}
	}
}

// BenchmarkBook is what the test of 10 000 grants compares.
func BenchmarkBook(b *testing.B) {
	for _, others := range []int{100, 10_000} {
		book := crowd(b, others)
		for name, do := range deeds {
			b.Run(name+"/beside "+strconv.Itoa(others), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if !do(book) {
						b.Fatal("it did not go as it should")
					}
				}
			})
		}
	}
}
