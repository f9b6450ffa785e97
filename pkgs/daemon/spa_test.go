// SPDX-License-Identifier: Apache-2.0

package daemon_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/latchkey/latchkey/pkgs/seal"
	"github.com/latchkey/latchkey/pkgs/wire"
)

// The keys and packets of testdata/fwknop; basic.spa asks for tcp/22 for 203.0.113.7.
const spaHome = `
config latchkey 'main'
	option enabled '1'
	list device 'wan'
	option spa_port '62201'

config door 'nas'
	option port '22'
	option dest 'lan'
	option dest_ip '192.168.1.22'
	option open_for '10m'
	option max_open '1h'

config door 'web'
	option port '443'

config client 'old'
	option kind 'fwknop'
	option key 'KEY'
	option hmac_key 'HMAC'
	list door 'DOOR'
`

var spaTime = time.Unix(1795314019, 0).Add(5 * time.Second)

func spaRig(t *testing.T, door string, now time.Time) *rig {
	t.Helper()
	return spaRigWith(t, spaHome, door, now)
}

// spaRigWith is spaRig for a configuration in which the keys are still to be filled in.
func spaRigWith(t *testing.T, text, door string, now time.Time) *rig {
	t.Helper()
	keys := spaKeys(t)
	text = strings.NewReplacer("'KEY'", "'"+keys["KEY_BASE64"]+"'", "'HMAC'", "'"+keys["HMAC_KEY_BASE64"]+"'", "'DOOR'", "'"+door+"'").Replace(text)
	return newRigWith(t, text, newMemory(), now, true)
}

// spaKeys returns the keys of testdata/fwknop, in base64, by name.
func spaKeys(t *testing.T) map[string]string {
	t.Helper()
	b, err := os.ReadFile("../../testdata/fwknop/keys.txt")
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string]string{}
	for line := range strings.Lines(string(b)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		keys[name] = value
	}
	return keys
}

func (r *rig) spa(from netip.Addr, file string) {
	r.t.Helper()
	b, err := os.ReadFile("../../testdata/fwknop/" + file)
	if err != nil {
		r.t.Fatal(err)
	}
	r.spaPacket(from, bytes.TrimSpace(b))
}

func (r *rig) spaPacket(from netip.Addr, payload []byte) {
	r.port++
	to := router
	if from.Is6() {
		to = router6
	}
	r.packet(wire.AppendUDP(nil, netip.AddrPortFrom(from, r.port), netip.AddrPortFrom(to, 62201), payload))
}

// spaSaying sends a packet of the fwknop client that was made at a time and says something, such as
// "1:" and what it wants in base64: what fwknop does, with OpenSSL's way from a key to a cipher's.
func (r *rig) spaSaying(from netip.Addr, at time.Time, message string) {
	r.t.Helper()
	encode := base64.RawStdEncoding.EncodeToString
	decode := func(name string) []byte {
		b, err := base64.StdEncoding.DecodeString(spaKeys(r.t)[name])
		if err != nil {
			r.t.Fatal(err)
		}
		return b
	}
	plain := fmt.Sprintf("%016d:YW5u:%d:3.0.0:%s", r.port, at.Unix(), message)
	sum := sha256.Sum256([]byte(plain))
	text := []byte(plain + ":" + encode(sum[:]))
	n := aes.BlockSize - len(text)%aes.BlockSize
	text = append(text, bytes.Repeat([]byte{byte(n)}, n)...)

	const salt = "8 octets"
	var derived, last []byte
	for len(derived) < 32+aes.BlockSize {
		digest := md5.Sum(slices.Concat(last, decode("KEY_BASE64"), []byte(salt)))
		last = digest[:]
		derived = append(derived, last...)
	}
	block, err := aes.NewCipher(derived[:32])
	if err != nil {
		r.t.Fatal(err)
	}
	cipher.NewCBCEncrypter(block, derived[32:]).CryptBlocks(text, text)
	sealed := encode(append([]byte("Salted__"+salt), text...))
	mac := hmac.New(sha256.New, decode("HMAC_KEY_BASE64"))
	mac.Write([]byte(sealed))
	r.spaPacket(from, []byte(strings.TrimPrefix(sealed, encode([]byte("Salted__"))[:10])+encode(mac.Sum(nil))))
}

func TestSPA(t *testing.T) {
	t.Run("opens_the_door_with_its_port_for_the_address_that_it_names", func(t *testing.T) {
		r := spaRig(t, "nas", spaTime)
		r.spa(neighbour, "basic.spa")
		if got := r.open("nas"); got != "203.0.113.7 10m0s" {
			t.Errorf("open for %q, last event %q", got, r.last())
		}
	})
	t.Run("opens_for_the_sender_when_it_names_none", func(t *testing.T) {
		r := spaRig(t, "nas", spaTime)
		r.spa(neighbour, "src.spa")
		if got := r.open("nas"); got != "203.0.113.66 10m0s" {
			t.Errorf("open for %q, last event %q", got, r.last())
		}
	})
	t.Run("lasts_as_long_as_it_wishes", func(t *testing.T) {
		r := spaRig(t, "nas", spaTime)
		r.spa(neighbour, "f2_open.pkt")
		if r.last() != "refused stale old" { // it was made 15 minutes later
			t.Fatalf("last event %q", r.last())
		}
		r = spaRig(t, "nas", time.Unix(1795314926, 0))
		r.spa(neighbour, "f2_open.pkt")
		if got := r.open("nas"); got != "203.0.113.66 1m0s" {
			t.Errorf("open for %q", got)
		}
	})
	for name, tt := range map[string]struct {
		door, file, want string
		from             netip.Addr
	}{
		"a_port_that_is_no_door_of_the_client": {"web", "basic.spa", "refused not-allowed old", neighbour},
		"one_port_of_two_that_is_no_door":      {"nas", "multi.spa", "refused not-allowed old", neighbour},
		"a_command":                            {"nas", "cmd.spa", "refused not-allowed old", neighbour},
		"a_packet_over_IPv6":                   {"nas", "basic.spa", "refused not-allowed old", phone6},
	} {
		t.Run("refuses_"+name, func(t *testing.T) {
			r := spaRig(t, tt.door, spaTime)
			r.spa(tt.from, tt.file)
			if r.last() != tt.want || r.open("nas") != "" || r.open("web") != "" {
				t.Errorf("last event %q, want %q", r.last(), tt.want)
			}
		})
	}
	ssh := base64.RawStdEncoding.EncodeToString([]byte("0.0.0.0,tcp/22"))
	t.Run("refuses_what_is_older_by_more_than_five_seconds_than_what_opened", func(t *testing.T) {
		r := spaRig(t, "nas", spaTime)
		for _, tt := range []struct {
			behind time.Duration
			want   string
		}{{0, "opened nas old"}, {5 * time.Second, "opened nas old"}, {6 * time.Second, "refused replayed old"}} {
			r.spaSaying(netip.AddrFrom4([4]byte{203, 0, 113, byte(tt.behind / time.Second)}), spaTime.Add(-tt.behind), "1:"+ssh)
			if r.last() != tt.want {
				t.Errorf("%s older: last event %q, want %q", tt.behind, r.last(), tt.want)
			}
		}
	})
	t.Run("opens_for_a_client_that_names_the_router_as_the_door_s_host", func(t *testing.T) {
		r := spaRigWith(t, strings.Replace(spaHome, "\toption dest 'lan'\n\toption dest_ip '192.168.1.22'\n", "", 1), "nas", spaTime)
		r.spaSaying(phone, spaTime, "5:"+ssh+":"+base64.RawStdEncoding.EncodeToString([]byte("127.0.0.1,22")))
		if r.last() != "opened nas old" {
			t.Errorf("last event %+v", r.newest())
		}
	})
	for name, tt := range map[string]struct{ ports, to, want string }{
		"opens_a_door_with_the_port_in_a_range":                 {"option port '443 20-30'", "", "opened nas old"},
		"refuses_a_port_that_the_door_has_for_another_protocol": {"option port '443 20-30/udp'", "", "refused not-allowed old"},
		"refuses_a_port_beside_a_range":                         {"option port '23-30'", "", "refused not-allowed old"},
		"opens_for_the_port_inside_that_its_own_leads_to":       {"option port '20-30'\n\toption dest_port '120-130'", "192.168.1.22,122", "opened nas old"},
		"refuses_another_port_inside_of_the_same_range":         {"option port '20-30'\n\toption dest_port '120-130'", "192.168.1.22,120", "refused not-allowed old"},
	} {
		t.Run(name, func(t *testing.T) {
			r := spaRigWith(t, strings.Replace(spaHome, "option port '22'", tt.ports, 1), "nas", spaTime)
			message := "1:" + ssh
			if tt.to != "" {
				message = "2:" + ssh + ":" + base64.RawStdEncoding.EncodeToString([]byte(tt.to))
			}
			r.spaSaying(phone, spaTime, message)
			if r.last() != tt.want {
				t.Errorf("last event %+v, want %s", r.newest(), tt.want)
			}
		})
	}
	t.Run("opens_for_two_packets_of_one_second", func(t *testing.T) {
		r := spaRig(t, "nas", spaTime)
		r.spa(neighbour, "basic.spa")
		r.spa(neighbour, "src.spa")
		if got := r.fw.Elements(r.now, "nas"); len(got) != 2 {
			t.Errorf("open for %v, last event %q", got, r.last())
		}
	})
	for name, tt := range map[string]struct{ from, to, file, detail string }{
		"the_port_of_another_protocol": {"option port '22'", "option port '22'\n\toption proto 'udp'", "basic.spa",
			`client "old" has no door with tcp port 22`},
		"a_target_that_is_not_the_door_s_host": {"", "", "nat.spa",
			`client "old" asks to be forwarded to port 22 of 192.168.1.50, but door "nas" leads to port 22 of 192.168.1.22`},
		"a_target_that_is_not_the_door_s_port": {"192.168.1.22'", "192.168.1.50'\n\toption dest_port '23'", "nat.spa",
			`client "old" asks to be forwarded to port 22 of 192.168.1.50, but door "nas" leads to port 23 of 192.168.1.50`},
		"a_target_behind_a_door_of_the_router": {"\toption dest 'lan'\n\toption dest_ip '192.168.1.22'\n", "", "nat.spa",
			`client "old" asks to be forwarded to port 22 of 192.168.1.50, but door "nas" leads to port 22 of the router`},
		"the_router_at_a_door_to_another_host": {"option port '22'", "option port '2222'\n\toption dest_port '22'", "f2_local.pkt",
			`client "old" asks to be forwarded to port 22 of the router, but door "nas" leads to port 22 of 192.168.1.22`},
		"another_port_of_the_router": {"option port '22'\n\toption dest 'lan'\n\toption dest_ip '192.168.1.22'\n", "option port '2222'\n", "f2_local.pkt",
			`client "old" asks to be forwarded to port 22 of the router, but door "nas" leads to port 2222 of the router`},
	} {
		t.Run("refuses_"+name, func(t *testing.T) {
			at := spaTime
			if strings.HasPrefix(tt.file, "f2_") {
				at = time.Unix(1795314926, 0)
			}
			r := spaRigWith(t, strings.Replace(spaHome, tt.from, tt.to, 1), "nas", at)
			r.spa(neighbour, tt.file)
			if e := r.newest(); r.last() != "refused not-allowed old" || e.Detail != tt.detail || r.open("nas") != "" {
				t.Errorf("last event %+v, want %s", e, tt.detail)
			}
		})
	}
	t.Run("opens_the_target_that_is_the_door_s_own", func(t *testing.T) {
		r := spaRigWith(t, strings.Replace(spaHome, "192.168.1.22", "192.168.1.50", 1), "nas", spaTime)
		r.spa(neighbour, "nat.spa")
		if got := r.open("nas"); got != "203.0.113.7 10m0s" {
			t.Errorf("open for %q, last event %+v", got, r.newest())
		}
	})
	t.Run("tells_its_client_that_only_the_HMAC_key_is_right", func(t *testing.T) {
		r := spaRigWith(t, strings.Replace(spaHome, "'KEY'", "'c29tZSBvdGhlciBrZXkh'", 1), "nas", spaTime)
		r.spa(neighbour, "basic.spa")
		if e := r.newest(); r.last() != "refused bad-message old" || !strings.Contains(e.Detail, "the encryption key is another one") {
			t.Errorf("last event %+v", e)
		}
	})
	// What is on the disk keeps its meaning: the second in the upper 32 bits, the random digits below.
	for name, tt := range map[string]struct {
		floor uint64
		want  string
	}{
		"refuses_a_packet_of_a_second_that_the_disk_calls_used_up":      {1795314020<<32 - 1, "refused replayed old"},
		"opens_to_a_packet_of_the_second_after_what_is_used_up_on_disk": {1795314019<<32 - 1, "opened nas old"},
	} {
		t.Run(name, func(t *testing.T) {
			r := spaRig(t, "nas", spaTime)
			r.spa(phone, "src.spa")
			if len(r.memory.pasts) != 1 {
				t.Fatalf("remembered of %d clients", len(r.memory.pasts))
			}
			for client := range r.memory.pasts {
				r.memory.pasts[client] = seal.Past{Floor: tt.floor}
			}
			r = newRigWith(t, r.text, r.memory, spaTime, true)
			r.spa(neighbour, "basic.spa")
			if r.last() != tt.want {
				t.Errorf("last event %q, want %q", r.last(), tt.want)
			}
		})
	}
	for file, stamp := range map[string]uint64{ // the second, and the lower half of the packet's digits
		"basic.spa":   1795314019<<32 | 1990130374513027&0xffffffff,
		"f2_open.pkt": 1795314926<<32 | 1534458821800238&0xffffffff,
	} {
		t.Run("remembers_the_second_and_the_digits_of_"+file, func(t *testing.T) {
			r := spaRig(t, "nas", time.Unix(int64(stamp>>32), 0))
			r.spa(neighbour, file)
			for _, past := range r.memory.pasts {
				if want := []seal.Span{{First: stamp, Last: stamp, Accepted: true}}; past.Floor != stamp || !slices.Equal(past.Spans, want) {
					t.Errorf("remembered %+v, want the stamp %d", past, stamp)
				}
			}
			if r.last() != "opened nas old" {
				t.Errorf("last event %q", r.last())
			}
		})
	}
	t.Run("refuses_a_client_that_expired_before_a_power_failure", func(t *testing.T) {
		until := time.Unix(1795314019, 0).Add(time.Hour).UTC()
		text := strings.Replace(spaHome, "option kind", "option expires '"+until.Format(time.RFC3339)+"'\n\toption kind", 1)
		r := spaRigWith(t, text, "nas", spaTime)
		r.spa(phone, "src.spa")
		if r.last() != "opened nas old" {
			t.Fatalf("last event %q", r.last())
		}
		for client := range r.memory.pasts { // it said itself that the time is over
			r.memory.pasts[client] = seal.Past{Floor: uint64(until.Unix()+1) << 32}
		}
		r = newRigWith(t, r.text, r.memory, time.Unix(60, 0), false)
		r.spa(phone, "basic.spa")
		if r.last() != "refused expired old" {
			t.Errorf("last event %q", r.last())
		}
	})
	t.Run("refuses_a_copy_also_after_a_restart", func(t *testing.T) {
		r := spaRig(t, "nas", spaTime)
		r.spa(phone, "src.spa")
		r.spa(neighbour, "src.spa")
		if r.last() != "refused replayed old" {
			t.Errorf("at once: last event %q", r.last())
		}
		r = newRigWith(t, r.text, r.memory, spaTime, true)
		r.spa(neighbour, "src.spa")
		if r.last() != "refused replayed old" || r.open("nas") != "" {
			t.Errorf("after a restart: last event %q", r.last())
		}
	})
}
