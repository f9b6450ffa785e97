// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/latchkey/latchkey/pkgs/wire"
)

var (
	anyPacket4 = wire.AppendTCP(nil, netip.MustParseAddrPort("203.0.113.7:1"), netip.MustParseAddrPort("203.0.113.1:7000"), 42, wire.SYN, nil)
	anyPacket6 = wire.AppendTCP(nil, netip.MustParseAddrPort("[2001:db8::7]:1"), netip.MustParseAddrPort("[2001:db8::1]:7000"), 42, wire.SYN, nil)
	stamp      = time.Unix(1_795_323_975, 826_616_000)
)

// appendOrder is what both byte orders have.
type appendOrder interface {
	binary.ByteOrder
	binary.AppendByteOrder
}

// pcapFile makes a classic capture.
func pcapFile(order appendOrder, nanoseconds bool, link linkType, frames ...[]byte) []byte {
	magic, unit := uint32(0xa1b2c3d4), time.Microsecond
	if nanoseconds {
		magic, unit = 0xa1b23c4d, time.Nanosecond
	}
	b := order.AppendUint32(nil, magic)
	b = order.AppendUint16(b, 2)
	b = order.AppendUint16(b, 4)
	for _, n := range []uint32{0, 0, 1 << 18, uint32(link)} {
		b = order.AppendUint32(b, n)
	}
	for _, frame := range frames {
		b = order.AppendUint32(b, uint32(stamp.Unix()))
		b = order.AppendUint32(b, uint32(stamp.Nanosecond()/int(unit)))
		b = order.AppendUint32(b, uint32(len(frame)))
		b = order.AppendUint32(b, uint32(len(frame)))
		b = append(b, frame...)
	}
	return b
}

// pcapngFile makes a section with an interface for each of the link types, and a packet from each.
func pcapngFile(order appendOrder, resolution byte, frames map[linkType][]byte) []byte {
	block := func(b []byte, kind uint32, body []byte) []byte {
		body = append(body, make([]byte, -len(body)&3)...)
		b = order.AppendUint32(b, kind)
		b = order.AppendUint32(b, uint32(len(body)+12))
		b = append(b, body...)
		return order.AppendUint32(b, uint32(len(body)+12))
	}
	section := order.AppendUint32(nil, 0x1a2b3c4d)
	section = append(section, 0, 1, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255)
	b := block(nil, blockSection, section)
	b = block(b, 0xbad, []byte("a block of a kind to come"))
	id := uint32(0)
	for link, frame := range frames {
		body := order.AppendUint16(nil, uint16(link))
		body = append(body, 0, 0, 0, 0, 0, 0)
		body = order.AppendUint16(body, 2) // if_name
		body = order.AppendUint16(body, 3)
		body = append(body, "wan\x00"...)
		body = order.AppendUint16(body, 9) // if_tsresol
		body = order.AppendUint16(body, 1)
		body = append(body, resolution, 0, 0, 0)
		b = block(b, blockInterface, append(body, 0, 0, 0, 0))

		ticks := uint64(stamp.UnixNano()) / uint64(time.Second/time.Duration(ticks(resolution)))
		body = order.AppendUint32(nil, id)
		body = order.AppendUint32(body, uint32(ticks>>32))
		body = order.AppendUint32(body, uint32(ticks))
		body = order.AppendUint32(body, uint32(len(frame)))
		body = order.AppendUint32(body, uint32(len(frame)))
		b = block(b, blockPacket, append(body, frame...))
		id++
	}
	return block(b, blockSimple, append(order.AppendUint32(nil, 4), "none"...))
}

func pad(n int, b ...[]byte) []byte { return slices.Concat(make([]byte, n), slices.Concat(b...)) }

// frames has each link type with its IPv4 and IPv6, and what else it can wrap.
func frames() map[linkType][][]byte {
	pppoe := []byte{0x11, 0, 0, 1, 0, 0}
	return map[linkType][][]byte{
		linkEthernet: {
			pad(12, []byte{0x08, 0x00}, anyPacket4),
			pad(12, []byte{0x86, 0xdd}, anyPacket6),
			pad(12, []byte{0x81, 0x00, 0, 7, 0x08, 0x00}, anyPacket4),
			pad(12, []byte{0x88, 0xa8, 0, 7, 0x81, 0x00, 0, 8, 0x86, 0xdd}, anyPacket6),
			pad(12, []byte{0x88, 0x64}, pppoe, []byte{0x00, 0x21}, anyPacket4),
			pad(12, []byte{0x81, 0x00, 0, 7, 0x88, 0x64}, pppoe, []byte{0x00, 0x57}, anyPacket6),
		},
		linkRaw:       {anyPacket4, anyPacket6},
		linkRawBSD:    {anyPacket4, anyPacket6},
		linkRawOpen:   {anyPacket4, anyPacket6},
		linkIPv4:      {anyPacket4},
		linkIPv6:      {anyPacket6},
		linkCooked:    {pad(14, []byte{0x08, 0x00}, anyPacket4), pad(14, []byte{0x86, 0xdd}, anyPacket6)},
		linkCookedTwo: {pad(0, []byte{0x08, 0x00}, make([]byte, 18), anyPacket4), pad(0, []byte{0x86, 0xdd}, make([]byte, 18), anyPacket6)},
		linkPPP:       {pad(0, []byte{0x00, 0x21}, anyPacket4), pad(0, []byte{0x57}, anyPacket6), pad(0, []byte{0xff, 0x03, 0x00, 0x57}, anyPacket6)},
		linkPPPHDLC:   {pad(0, []byte{0xff, 0x03, 0x00, 0x21}, anyPacket4)},
		linkPPPEther:  {pad(0, pppoe, []byte{0x00, 0x21}, anyPacket4)},
	}
}

func TestReadPcap_knows_variants_and_link_types(t *testing.T) {
	check := func(t *testing.T, file []byte, want int) {
		t.Helper()
		n := 0
		summary, err := ReadPcap(bytes.NewReader(file), func(now time.Time, p *wire.Packet) {
			n++
			if !now.Equal(stamp) {
				t.Errorf("time %v, want %v", now, stamp)
			}
			if !p.IsSYN() || p.DstPort != 7000 || p.Seq != 42 {
				t.Errorf("packet %+v, want a SYN to port 7000", p)
			}
		})
		if err != nil || n != want || summary.Packets != want {
			t.Errorf("%d packets, summary %+v, error %v, want %d packets", n, summary, err, want)
		}
	}
	for link, frames := range frames() {
		for _, order := range []appendOrder{binary.BigEndian, binary.LittleEndian} {
			for _, nanoseconds := range []bool{false, true} {
				check(t, pcapFile(order, nanoseconds, link, frames...), len(frames))
			}
		}
	}
	first := make(map[linkType][]byte)
	for link, frames := range frames() {
		first[link] = frames[0]
	}
	for _, order := range []appendOrder{binary.BigEndian, binary.LittleEndian} {
		for _, resolution := range []byte{6, 9} {
			file := pcapngFile(order, resolution, first)
			check(t, file, len(first))
			check(t, append(slices.Clone(file), file...), 2*len(first)) // two sections
		}
	}
}

func TestReadPcap_skips(t *testing.T) {
	outgoing := pad(16, anyPacket4)
	outgoing[1], outgoing[14] = packetOutgoing, 0x08
	outgoing2 := pad(20, anyPacket4)
	outgoing2[0], outgoing2[10] = 0x08, packetOutgoing
	for name, file := range map[string][]byte{
		"what was sent, cooked":    pcapFile(binary.BigEndian, false, linkCooked, outgoing),
		"what was sent, cooked v2": pcapFile(binary.BigEndian, false, linkCookedTwo, outgoing2),
		"arp":                      pcapFile(binary.BigEndian, false, linkEthernet, pad(12, []byte{0x08, 0x06}, anyPacket4)),
		"five vlan tags":           pcapFile(binary.BigEndian, false, linkEthernet, pad(12, bytes.Repeat([]byte{0x81, 0, 0, 1}, 5), []byte{8, 0}, anyPacket4)),
		"ppp of another protocol":  pcapFile(binary.BigEndian, false, linkPPP, pad(0, []byte{0xc0, 0x21}, anyPacket4)),
		"a short frame":            pcapFile(binary.BigEndian, false, linkEthernet, make([]byte, 13)),
		"an empty frame":           pcapFile(binary.BigEndian, false, linkPPP, nil),
	} {
		summary, err := ReadPcap(bytes.NewReader(file), func(_ time.Time, p *wire.Packet) { t.Errorf("%s: packet %+v", name, p) })
		if err != nil || summary != (Summary{Skipped: 1}) {
			t.Errorf("%s: summary %+v, error %v, want one packet skipped", name, summary, err)
		}
	}
}

func TestReadPcap_refuses(t *testing.T) {
	whole := pcapFile(binary.LittleEndian, false, linkRaw, anyPacket4, anyPacket4)
	ng := pcapngFile(binary.LittleEndian, 6, map[linkType][]byte{linkRaw: anyPacket4})
	long := slices.Clone(whole)
	binary.LittleEndian.PutUint32(long[24+8:], 1<<30)
	for name, tt := range map[string]struct {
		file    []byte
		want    string
		packets int
	}{
		"an empty file":       {nil, "cut short", 0},
		"another file":        {[]byte("GIF89a"), "474946", 0},
		"a cut header":        {whole[:23], "pcap header: file is cut short", 0},
		"a cut record":        {whole[:len(whole)-1], "pcap record: file is cut short", 1},
		"a cut stamp":         {whole[:30], "pcap record: file is cut short", 0},
		"a huge record":       {long, "length 1073741824, at most 1048576", 0},
		"bluetooth":           {pcapFile(binary.BigEndian, false, 201), "link type 201 is not supported", 0},
		"a cut block":         {ng[:len(ng)-1], "pcapng: file is cut short", 1},
		"a cut section":       {ng[:8], "pcapng: file is cut short", 0},
		"no byte order":       {append(slices.Clone(ng[:8]), "what"...), "byte order 77686174", 0},
		"a block of length 8": {append(slices.Clone(ng), 1, 0, 0, 0, 8, 0, 0, 0), "block of length 8", 1},
	} {
		t.Run(name, func(t *testing.T) {
			summary, err := ReadPcap(bytes.NewReader(tt.file), func(time.Time, *wire.Packet) {})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
			if summary.Packets != tt.packets {
				t.Errorf("%d packets, want %d", summary.Packets, tt.packets)
			}
		})
	}
}

func TestReadPcap_passes_an_error_of_the_reader_on(t *testing.T) {
	broken := errors.New("broken disk")
	whole := pcapFile(binary.BigEndian, false, linkRaw, anyPacket4)
	r := &failing{bytes.NewReader(whole[:50]), broken}
	if _, err := ReadPcap(r, func(time.Time, *wire.Packet) {}); !errors.Is(err, broken) {
		t.Errorf("error %v, want %v", err, broken)
	}
}

type failing struct {
	*bytes.Reader
	err error
}

func (f *failing) Read(b []byte) (int, error) {
	n, err := f.Reader.Read(b)
	if err != nil {
		err = f.err
	}
	return n, err
}

func FuzzReadPcap(f *testing.F) {
	for _, name := range []string{"knock-ethernet.pcap", "knock-cooked.pcap", "knock-cooked2.pcap"} {
		b, err := os.ReadFile(filepath.Join("../../testdata/captures", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	for link, frames := range frames() {
		f.Add(pcapFile(binary.BigEndian, true, link, frames...))
		f.Add(pcapngFile(binary.LittleEndian, 9, map[linkType][]byte{link: frames[0]}))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		n := 0
		summary, _ := ReadPcap(bytes.NewReader(b), func(_ time.Time, p *wire.Packet) {
			n++
			if !p.Src.IsValid() || !p.Dst.IsValid() {
				t.Errorf("packet %+v", p)
			}
		})
		if n != summary.Packets {
			t.Errorf("%d packets, summary says %d", n, summary.Packets)
		}
	})
}
