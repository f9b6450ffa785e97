// SPDX-License-Identifier: Apache-2.0

package wake

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"

	"github.com/latchkey/latchkey/pkgs/wire"
)

func TestMagic(t *testing.T) {
	card := wire.MAC{0x00, 0x11, 0x32, 0xaa, 0xbb, 0xcc}
	want, _ := hex.DecodeString("ffffffffffff" + strings.Repeat("001132aabbcc", 16))
	if got := magic(card); !bytes.Equal(got, want) {
		t.Errorf("magic(%s) = %x, want %x", card, got, want)
	}
}

func TestBroadcast(t *testing.T) {
	for prefix, want := range map[string]string{
		"192.168.1.1/24":   "192.168.1.255",
		"192.168.1.1/16":   "192.168.255.255",
		"10.1.2.3/8":       "10.255.255.255",
		"192.168.1.130/25": "192.168.1.255",
		"192.168.1.1/25":   "192.168.1.127",
		"192.168.1.1/30":   "192.168.1.3",
		"172.16.5.1/20":    "172.16.15.255",
	} {
		if got := broadcast(netip.MustParsePrefix(prefix)); got.String() != want {
			t.Errorf("broadcast(%s) = %s, want %s", prefix, got, want)
		}
	}
}

func TestSendRefuses(t *testing.T) {
	card := wire.MAC{0x00, 0x11, 0x32, 0xaa, 0xbb, 0xcc}
	t.Run("a_host_in_no_network_of_ours", func(t *testing.T) {
		err := Send(card, netip.MustParseAddr("198.51.100.1"))
		if err == nil || !strings.Contains(err.Error(), "no address in the network of 198.51.100.1") {
			t.Errorf("Send = %v", err)
		}
	})
}
