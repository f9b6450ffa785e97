// SPDX-License-Identifier: Apache-2.0

package knock

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/latchkey/latchkey/pkgs/wire"
)

// digests are the hashes that Debian's client knows.
var digests = [...]string{"md5", "sha1", "sha256", "sha384", "sha512", "sha3_256", "sha3_512"}

// FuzzFwknopClient reads what Debian's fwknop client makes of random options, and compares it with them.
func FuzzFwknopClient(f *testing.F) {
	fwknop, err := exec.LookPath("fwknop")
	if err != nil {
		f.Skip("SKIP: fwknop is not installed")
	}
	f.Add([]byte("0123456789abcdef0123456789abcdef"), []byte("fedcba9876543210"), uint8(2), uint8(2), uint16(22), uint16(0), uint32(0xcb007107), uint32(0), uint16(0), uint8(0))
	f.Add([]byte("k"), []byte("h"), uint8(6), uint8(0), uint16(65535), uint16(1194), uint32(0), uint32(600), uint16(0), uint8(1))
	f.Add([]byte{0, 1, 2}, bytes.Repeat([]byte{0xff, 0}, 64), uint8(4), uint8(6), uint16(40022), uint16(40023), uint32(0x01020304), uint32(65536), uint16(22), uint8(2))
	folder := f.TempDir()
	packet := filepath.Join(folder, "packet")
	f.Fuzz(func(t *testing.T, key, mac []byte, digest, macDigest uint8, tcp, udp uint16, allow, seconds uint32, natPort uint16, mode uint8) {
		key, mac = key[:min(len(key), 32)], mac[:min(len(mac), 128)]
		if len(key) == 0 || len(mac) == 0 || bytes.Equal(key, mac) || tcp == 0 && udp == 0 {
			return // the client refuses that
		}
		want := SPA{Timeout: time.Duration(seconds%(spaTimeoutMax+1)) * time.Second}
		var access []string
		for _, p := range []SPAPort{{wire.TCP, tcp}, {wire.UDP, udp}} {
			if p.Port != 0 {
				want.Ports = append(want.Ports, p)
				access = append(access, fmt.Sprintf("%s/%d", map[wire.Proto]string{wire.TCP: "tcp", wire.UDP: "udp"}[p.Proto], p.Port))
			}
		}
		text := base64.StdEncoding.EncodeToString
		args := []string{"--no-save-args", "--test", "-B", packet, "-D", "192.0.2.1", "--use-hmac", "-A", strings.Join(access, ","),
			"--key-base64-rijndael", text(key), "--key-base64-hmac", text(mac),
			"-m", digests[int(digest)%len(digests)], "--hmac-digest-type", digests[int(macDigest)%len(digests)]}
		if host := netip.AddrFrom4([4]byte{byte(allow >> 24), byte(allow >> 16), byte(allow >> 8), byte(allow)}); allow != 0 {
			want.Allow = host
			args = append(args, "-a", host.String())
		} else {
			args = append(args, "-s")
		}
		if want.Timeout > 0 {
			args = append(args, "-f", fmt.Sprint(seconds%(spaTimeoutMax+1)))
		}
		if mode%2 == 1 && natPort > 0 {
			want.Target = SPATarget{Host: "192.168.1.50", Port: natPort}
			args = append(args, "-N", fmt.Sprintf("192.168.1.50:%d", natPort))
		}
		_ = os.Remove(packet)
		cmd := exec.Command(fwknop, args...)
		cmd.Env = []string{"HOME=" + folder, "USER=somebody"}
		out, err := cmd.CombinedOutput()
		payload, readErr := os.ReadFile(packet)
		if err != nil || readErr != nil {
			t.Fatalf("fwknop %q: %v, %v\n%s", args, err, readErr, out)
		}
		y := play(Config{SPAPort: spaPort, SPA: []SPAClient{{Name: "main", Keys: SPAKeys{Key: key, HMAC: mac}}}})
		y.send(y.udp(phone, spaPort, bytes.TrimSpace(payload)))
		same := cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
		finding := Finding{Reason: OK, Request: Request{Kind: KindFwknop, Name: "main", From: phone, SPA: want}}
		if diff := cmp.Diff([]Finding{finding}, y.found, same, cmpopts.EquateErrors(), cmpopts.IgnoreFields(SPA{}, "Stamp", "Random")); diff != "" {
			t.Errorf("fwknop %q (-want +got):\n%s", args, diff)
		}
	})
}
