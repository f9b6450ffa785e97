// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"net/netip"

	"github.com/latchkey/latchkey/pkgs/wire"
)

// seen is a packet of a file.
type seen struct {
	Time   time.Time
	Packet wire.Packet
}

func readAll(file []byte) (list []seen, summary Summary, err error) {
	summary, err = readPcap(bytes.NewReader(file), func(at Stamp, p *wire.Packet) {
		packet := *p
		packet.Payload = slices.Clone(p.Payload)
		list = append(list, seen{at.Time, packet})
	})
	return list, summary, err
}

// FuzzTcpdump has tcpdump read a capture and write it again, and compares the packets in it with what we read of
// the original.
func FuzzTcpdump(f *testing.F) {
	tcpdump, err := exec.LookPath("tcpdump")
	if err != nil {
		f.Skip("SKIP: tcpdump is not installed")
	}
	for _, name := range []string{"knock-ethernet.pcap", "knock-cooked.pcap", "knock-cooked2.pcap", "knock-nflog.pcap"} {
		b, err := os.ReadFile(filepath.Join("../../testdata/captures", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b[:min(len(b), 1000)])
	}
	little, big := binary.LittleEndian, binary.BigEndian
	f.Add(pcapFile(big, true, linkRaw, anyPacket4, anyPacket6))
	f.Add(slices.Concat(section(big), interfaceBlock(big, linkRaw, 60, option(big, 9, []byte{9}), option(big, 14, make([]byte, 8))),
		packetBlock(big, 0, uint64(stamp.UnixNano()), anyPacket4), makeBlock(big, 0xbad, []byte("x")), simpleBlock(big, 40, anyPacket4)))
	f.Add(slices.Concat(section(little), interfaceBlock(little, linkRaw, 60), oldPacketBlock(little, 0, 1, anyPacket4),
		section(big), interfaceBlock(big, linkRaw, 60, option(big, 9, []byte{0x94})), packetBlock(big, 0, 1<<50, anyPacket4, option(big, 1, []byte("note")))))
	same := cmp.Options{cmpopts.EquateComparable(netip.Addr{})}
	f.Fuzz(func(t *testing.T, file []byte) {
		want, summary, ours := readAll(file)
		cmd := exec.Command(tcpdump, "--nano", "-r", "-", "-w", "-", "-Z", "root")
		cmd.Stdin = bytes.NewReader(file)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil || summary.Unread[Sent]+summary.Unread[Others] > 0 { // a pcap file does not tell what pcapng says of them
			return
		}
		if ours != nil {
			t.Fatalf("%x: only tcpdump reads it, we say: %v", file, ours)
		}
		got, _, err := readAll(out)
		if err != nil {
			t.Fatalf("%x: what tcpdump writes is %x: %v", file, out, err)
		}
		if diff := cmp.Diff(want, got, same); diff != "" {
			t.Errorf("%x (-ours +by way of tcpdump):\n%s", file, diff)
		}
	})
}
