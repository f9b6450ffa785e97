// SPDX-License-Identifier: Apache-2.0

package nft_test

import (
	"encoding/json"
	"fmt"
	"math"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/latchkey/latchkey/pkgs/door"
	"github.com/latchkey/latchkey/pkgs/lab"
	"github.com/latchkey/latchkey/pkgs/nft"
)

// needKernel skips a test that cannot have a network namespace or nft.
func needKernel(t testing.TB) {
	t.Helper()
	lab.Enter(t)
	lab.Need(t, "nft")
}

// script runs nft on a script.
func script(t testing.TB, text string) {
	t.Helper()
	c := exec.Command("nft", "-f", "-")
	c.Stdin = strings.NewReader(text)
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("nft: %v\n%s\n%s", err, text, out)
	}
}

// sets is the script that makes the sets of doors that open to single addresses, as fw4 renders them.
func sets(doors ...string) string { return setsOf(false, doors) }

// setsOf is sets, or the same for doors that open to networks.
func setsOf(wide bool, doors []string) string {
	var b strings.Builder
	b.WriteString("add table inet fw4\n")
	for _, d := range doors {
		fmt.Fprintf(&b, "add set inet fw4 %s { type ipv4_addr; %s }\n", nft.SetName(d, false, wide), kindOf(wide))
		fmt.Fprintf(&b, "add set inet fw4 %s { type ipv6_addr; %s }\n", nft.SetName(d, true, wide), kindOf(wide))
	}
	return b.String()
}

func kindOf(wide bool) string {
	if wide {
		return "auto-merge; flags interval,timeout;"
	}
	return "flags timeout;"
}

// kernel is doortest.Env on nftables, looked at with Debian's nft.
type kernel struct {
	*nft.Firewall
	wide *bool
}

// start returns a firewall on a fresh ruleset with the sets of the doors nas and web.
func start(t testing.TB) kernel { return startOf(t, false) }

// startOf is start for doors that open to single addresses or to networks.
func startOf(t testing.TB, wide bool) kernel {
	t.Helper()
	needKernel(t)
	script(t, "flush ruleset\n"+setsOf(wide, []string{"nas", "web"}))
	fw, err := nft.Open(nft.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := fw.Shutdown(); err != nil {
			t.Errorf("shutdown: %v", err)
		}
	})
	return kernel{fw, &wide}
}

func (kernel) Now() time.Time       { return time.Now() }
func (kernel) Pass(d time.Duration) { time.Sleep(d) } // what is tested is the kernel's clock
func (k kernel) Widen(wide bool)    { *k.wide = wide }

func (k kernel) MakeSets(t *testing.T, doors ...string) { script(t, setsOf(*k.wide, doors)) }

func (k kernel) DropSets(t *testing.T, doors ...string) {
	for _, d := range doors {
		k.DropFamily(t, d, false)
		k.DropFamily(t, d, true)
	}
}

func (k kernel) DropFamily(t *testing.T, name string, six bool) {
	script(t, "delete set inet fw4 "+nft.SetName(name, six, *k.wide)+"\n")
}

func (k kernel) Spoil(t *testing.T, name string, six bool) {
	kind := "ipv4_addr"
	if six {
		kind = "ipv6_addr"
	}
	script(t, fmt.Sprintf("delete set inet fw4 %[1]s\nadd set inet fw4 %[1]s { type %[2]s; %s }\n", nft.SetName(name, six, *k.wide), kind, kindOf(!*k.wide)))
}

func (k kernel) Plant(t *testing.T, name string, n netip.Prefix, left time.Duration) {
	set := nft.SetName(name, n.Addr().Is6(), *k.wide)
	if left == 0 {
		script(t, fmt.Sprintf("add element inet fw4 %s { %s }\n", set, door.Name(n)))
		return
	}
	script(t, fmt.Sprintf("add element inet fw4 %s { %s timeout %ds }\n", set, door.Name(n), int(left.Seconds())))
}

func (k kernel) Left(t *testing.T, name string) map[netip.Prefix]time.Duration {
	left := map[netip.Prefix]time.Duration{}
	for _, six := range []bool{false, true} {
		set := nft.SetName(name, six, *k.wide)
		if exec.Command("nft", "list", "set", "inet", "fw4", set).Run() != nil {
			continue // there is none
		}
		for n, d := range list(t, set) {
			left[n] = d
		}
	}
	return left
}

// value is an address or a network as nft writes it.
type value struct{ netip.Prefix }

func (v *value) UnmarshalJSON(text []byte) (err error) {
	var n struct {
		Prefix struct {
			Addr netip.Addr
			Len  int
		}
	}
	var a netip.Addr
	if json.Unmarshal(text, &a) == nil {
		v.Prefix = alone(a)
		return nil
	}
	err = json.Unmarshal(text, &n)
	v.Prefix = netip.PrefixFrom(n.Prefix.Addr, n.Prefix.Len)
	if err == nil && !v.IsValid() {
		err = fmt.Errorf("%s is no network", text)
	}
	return err
}

// list returns what is left of each element of a set, by nft's word. It knows whole seconds only.
func list(t testing.TB, set string) map[netip.Prefix]time.Duration {
	t.Helper()
	var answer struct {
		Nftables []struct {
			Set struct {
				Elem []json.RawMessage
			}
		}
	}
	text, err := exec.Command("nft", "-j", "list", "set", "inet", "fw4", set).CombinedOutput()
	if err != nil {
		t.Fatalf("nft list set %s: %v\n%s", set, err, text)
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	left := map[netip.Prefix]time.Duration{}
	for _, object := range answer.Nftables {
		for _, raw := range object.Set.Elem {
			var e struct {
				Elem struct {
					Val     value
					Expires int
				}
			}
			if json.Unmarshal(raw, &e.Elem.Val) == nil { // without an end
				left[e.Elem.Val.Prefix] = math.MaxInt64
				continue
			}
			if err := json.Unmarshal(raw, &e); err != nil {
				t.Fatalf("%v in %s", err, raw)
			}
			left[e.Elem.Val.Prefix] = time.Duration(e.Elem.Expires) * time.Second
		}
	}
	return left
}

// alone is the network of an address alone.
func alone(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, a.BitLen()) }
