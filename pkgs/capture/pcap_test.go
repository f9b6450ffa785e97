// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
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

// makeBlock makes a block of pcapng.
func makeBlock(order appendOrder, kind uint32, body ...[]byte) []byte {
	whole := slices.Concat(body...)
	whole = append(whole, make([]byte, -len(whole)&3)...)
	b := order.AppendUint32(nil, kind)
	b = order.AppendUint32(b, uint32(len(whole)+12))
	b = append(b, whole...)
	return order.AppendUint32(b, uint32(len(whole)+12))
}

// option makes an option of a block.
func option(order appendOrder, code uint16, value []byte) []byte {
	b := order.AppendUint16(nil, code)
	b = order.AppendUint16(b, uint16(len(value)))
	return append(append(b, value...), make([]byte, -len(value)&3)...)
}

func section(order appendOrder) []byte {
	body := order.AppendUint32(nil, 0x1a2b3c4d)
	return makeBlock(order, blockSection, append(body, 0, 1, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255))
}

func interfaceBlock(order appendOrder, link linkType, snap uint32, options ...[]byte) []byte {
	body := order.AppendUint16(nil, uint16(link))
	body = order.AppendUint32(append(body, 0, 0), snap)
	return makeBlock(order, blockInterface, body, slices.Concat(options...), make([]byte, 4))
}

// packetBlock makes an enhanced packet block.
func packetBlock(order appendOrder, id uint32, ticks uint64, frame []byte, options ...[]byte) []byte {
	body := order.AppendUint32(nil, id)
	return makeBlock(order, blockPacket, append(body, packetBody(order, ticks, frame)...), slices.Concat(options...))
}

// oldPacketBlock makes a packet block, which has an interface of 2 bytes and counts 7 losses.
func oldPacketBlock(order appendOrder, id uint16, ticks uint64, frame []byte) []byte {
	body := order.AppendUint16(nil, id)
	return makeBlock(order, blockOldPacket, append(order.AppendUint16(body, 7), packetBody(order, ticks, frame)...))
}

// packetBody ends in padding, so that options may follow.
func packetBody(order appendOrder, ticks uint64, frame []byte) []byte {
	b := order.AppendUint32(nil, uint32(ticks>>32))
	b = order.AppendUint32(b, uint32(ticks))
	b = order.AppendUint32(b, uint32(len(frame)))
	b = order.AppendUint32(b, uint32(len(frame)))
	return append(append(b, frame...), make([]byte, -len(frame)&3)...)
}

func simpleBlock(order appendOrder, length int, frame []byte) []byte {
	return makeBlock(order, blockSimple, order.AppendUint32(nil, uint32(length)), frame)
}

// pcapngFile makes a section with an interface for each of the link types, and a packet from each.
func pcapngFile(order appendOrder, resolution byte, frames map[linkType][]byte) []byte {
	b := slices.Concat(section(order), makeBlock(order, 0xbad, []byte("a block of a kind to come")))
	id := uint32(0)
	for link, frame := range frames {
		b = append(b, interfaceBlock(order, link, 0, option(order, 2, []byte("wan")), option(order, 9, []byte{resolution}))...)
		b = append(b, packetBlock(order, id, uint64(stamp.UnixNano())/uint64(time.Second/time.Duration(ticks(resolution))), frame)...)
		id++
	}
	return b
}

func pad(n int, b ...[]byte) []byte { return slices.Concat(make([]byte, n), slices.Concat(b...)) }

// nflog makes a message of NFLOG with attributes of the given kinds before the packet.
func nflog(order appendOrder, packet []byte, kinds ...uint16) []byte {
	b := []byte{2, 0, 0, 5}
	for _, kind := range kinds {
		b = order.AppendUint16(b, 4+5) // odd, to be padded
		b = append(order.AppendUint16(b, kind), "value\x00\x00\x00"...)
	}
	b = order.AppendUint16(b, uint16(4+len(packet)))
	return append(order.AppendUint16(b, 9), packet...)
}

// frames has each link type with its IPv4 and IPv6, and what else it can wrap. NFLOG depends on the
// byte order of the file.
func frames(order appendOrder) map[linkType][][]byte {
	pppoe := []byte{0x11, 0, 0, 1, 0, 0}
	return map[linkType][][]byte{
		linkEthernet: {
			pad(12, []byte{0x08, 0x00}, anyPacket4),
			pad(12, []byte{0x86, 0xdd}, anyPacket6),
			pad(12, []byte{0x81, 0x00, 0, 7, 0x08, 0x00}, anyPacket4),
			pad(12, []byte{0x88, 0xa8, 0, 7, 0x81, 0x00, 0, 8, 0x86, 0xdd}, anyPacket6),
			pad(12, []byte{0x88, 0x64}, pppoe, []byte{0x00, 0x21}, anyPacket4),
			pad(12, []byte{0x81, 0x00, 0, 7, 0x88, 0x64}, pppoe, []byte{0x00, 0x57}, anyPacket6),
			pad(12, []byte{0x91, 0x00, 0, 7, 0x81, 0x00, 0, 8, 0x08, 0x00}, anyPacket4),
			pad(12, []byte{0x92, 0x00, 0, 7, 0x93, 0x00, 0, 8, 0x81, 0x00, 0, 9, 0x81, 0x00, 0, 9, 0x08, 0x00}, anyPacket4),
		},
		linkNull: {
			pad(0, []byte{2, 0, 0, 0}, anyPacket4), pad(0, []byte{0, 0, 0, 2}, anyPacket4), pad(0, []byte{10, 0, 0, 0}, anyPacket6),
			pad(0, []byte{24, 0, 0, 0}, anyPacket6), pad(0, []byte{28, 0, 0, 0}, anyPacket6), pad(0, []byte{0, 0, 0, 30}, anyPacket6),
		},
		linkLoop:      {pad(0, []byte{0, 0, 0, 2}, anyPacket4), pad(0, []byte{0, 0, 0, 24}, anyPacket6)},
		linkPPPD:      {pad(0, []byte{0, 0x03, 0x00, 0x21}, anyPacket4), pad(0, []byte{0, 0x03, 0x57}, anyPacket6)},
		linkPPPWays:   {pad(0, []byte{0, 0xff, 0x03, 0x00, 0x21}, anyPacket4), pad(0, []byte{0, 0x57}, anyPacket6)},
		linkNFLog:     {nflog(order, anyPacket4), nflog(order, anyPacket6, 1, 3, 4, 8), nflog(order, anyPacket4, 4, 5)},
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
		summary, err := readPcap(bytes.NewReader(file), func(at Stamp, p *wire.Packet) {
			n++
			if !at.Time.Equal(stamp) || at.Worth != Dated {
				t.Errorf("time %v (%d), want %v", at.Time, at.Worth, stamp)
			}
			if !p.IsSYN() || p.DstPort != 7000 || p.Seq != 42 {
				t.Errorf("packet %+v, want a SYN to port 7000", p)
			}
		})
		if err != nil || n != want || summary.Packets != want {
			t.Errorf("%d packets, summary %+v, error %v, want %d packets", n, summary, err, want)
		}
	}
	orders := []appendOrder{binary.BigEndian, binary.LittleEndian}
	for _, order := range orders {
		for link, frames := range frames(order) {
			for _, nanoseconds := range []bool{false, true} {
				check(t, pcapFile(order, nanoseconds, link, frames...), len(frames))
			}
		}
	}
	for _, order := range orders {
		first := make(map[linkType][]byte)
		for link, frames := range frames(order) {
			first[link] = frames[0]
		}
		for _, resolution := range []byte{6, 9} {
			file := pcapngFile(order, resolution, first)
			check(t, file, len(first))
			check(t, append(slices.Clone(file), file...), 2*len(first)) // two sections
		}
	}
}

func TestReadPcap_takes_no_time_0(t *testing.T) {
	file := pcapFile(binary.BigEndian, false, linkRaw, anyPacket4)
	clear(file[24:32])
	summary, err := readPcap(bytes.NewReader(file), func(at Stamp, _ *wire.Packet) {
		if at.Worth != Unknown {
			t.Errorf("time %v (%d), want none", at.Time, at.Worth)
		}
	})
	if err != nil || summary.Packets != 1 || summary.Untimed != 1 {
		t.Errorf("summary %+v, error %v, want one packet without a time", summary, err)
	}
}

func TestReadPcap_tells_why_it_leaves_out(t *testing.T) {
	outgoing := pad(16, anyPacket4)
	outgoing[1], outgoing[14] = packetOutgoing, 0x08
	outgoing2 := pad(20, anyPacket4)
	outgoing2[0], outgoing2[10] = 0x08, packetOutgoing
	others, others2 := bytes.Clone(outgoing), bytes.Clone(outgoing2)
	others[1], others2[10] = packetOtherHost, packetOtherHost
	big, little := binary.BigEndian, binary.LittleEndian
	ether := pad(12, []byte{0x08, 0x00}, anyPacket4)
	fragment := bytes.Clone(anyPacket4)
	fragment[6] = 0x20
	gre := bytes.Clone(anyPacket4)
	gre[9] = 47
	longer := bytes.Clone(anyPacket4)
	longer[0] = 0x4f // a header of 60 bytes in a packet of 40
	sent := option(big, 2, []byte{0, 0, 0, 2})
	received := option(big, 2, []byte{0, 0, 0, 1})
	overheard := option(big, 2, []byte{0, 0, 0, 1 | 4<<2})
	ng := func(blocks ...[]byte) []byte {
		return slices.Concat(section(big), interfaceBlock(big, linkRaw, 0), slices.Concat(blocks...))
	}
	for name, tt := range map[string]struct {
		file []byte
		want string
	}{
		"what was sent, cooked":    {pcapFile(big, false, linkCooked, outgoing), "1 sent by this machine, or only passed out of it"},
		"what was sent, cooked v2": {pcapFile(big, false, linkCookedTwo, outgoing2), "1 sent by this machine, or only passed out of it"},
		"what was sent, ppp":       {pcapFile(big, false, linkPPPWays, pad(0, []byte{1, 0x00, 0x21}, anyPacket4)), "1 sent by this machine, or only passed out of it"},
		"what was sent, pppd":      {pcapFile(big, false, linkPPPD, pad(0, []byte{1, 0x03, 0x00, 0x21}, anyPacket4)), "1 sent by this machine, or only passed out of it"},
		"pppd without control":     {pcapFile(big, false, linkPPPD, pad(0, []byte{0, 0xff, 0x03, 0x00, 0x21}, anyPacket4)), "1 not IP"},
		"what was sent, nflog":     {pcapFile(big, false, linkNFLog, nflog(big, anyPacket4, 5)), "1 sent by this machine, or only passed out of it"},
		"what was sent, pcapng":    {ng(packetBlock(big, 0, 1, anyPacket4, sent), packetBlock(big, 0, 1, gre, received)), "1 sent by this machine, or only passed out of it, 1 neither TCP, UDP nor ICMP"},
		"for others, cooked":       {pcapFile(big, false, linkCooked, others, others), "2 for another machine"},
		"for others, cooked v2":    {pcapFile(big, false, linkCookedTwo, others2), "1 for another machine"},
		"for others, pcapng":       {ng(packetBlock(big, 0, 1, anyPacket4, overheard), packetBlock(big, 0, 1, anyPacket4, sent)), "1 sent by this machine, or only passed out of it, 1 for another machine"},
		"arp":                      {pcapFile(big, false, linkEthernet, pad(12, []byte{0x08, 0x06}, anyPacket4)), "1 not IP"},
		"ppp of another protocol":  {pcapFile(big, false, linkPPP, pad(0, []byte{0xc0, 0x21}, anyPacket4)), "1 not IP"},
		"loopback of a third kind": {pcapFile(big, false, linkNull, pad(0, []byte{7, 0, 0, 0}, anyPacket4)), "1 not IP"},
		"five vlan tags":           {pcapFile(big, false, linkEthernet, pad(12, bytes.Repeat([]byte{0x81, 0, 0, 1}, 5), []byte{8, 0}, anyPacket4)), "1 damaged or incomplete"},
		"a short frame":            {pcapFile(big, false, linkEthernet, make([]byte, 13)), "1 cut short within their headers"},
		"an empty frame":           {pcapFile(big, false, linkPPP, nil), "1 cut short within their headers"},
		"snap lengths of 34 bytes": {pcapFile(little, false, linkEthernet, ether[:34], ether[:34], ether[:34]), "3 cut short within their headers"},
		"fragments, and gre":       {pcapFile(little, false, linkRaw, fragment, gre, fragment), "2 fragments, 1 neither TCP, UDP nor ICMP"},
		"damage":                   {pcapFile(little, false, linkRaw, longer, []byte{0x55}), "2 damaged or incomplete"},
		"nflog without a packet":   {pcapFile(big, false, linkNFLog, nflog(big, nil)[:4], nflog(big, anyPacket4)[:7]), "2 cut short within their headers"},
		"nflog of another version": {pcapFile(big, false, linkNFLog, []byte{2, 1, 0, 0, 0, 4, 0, 9}), "1 damaged or incomplete"},
		"nflog in a loop":          {pcapFile(big, false, linkNFLog, []byte{2, 0, 0, 0, 0, 0, 0, 1}), "1 damaged or incomplete"},
		"bluetooth":                {pcapFile(big, false, 201, anyPacket4, anyPacket4), "2 of link type 201, which is not supported"},
		"bluetooth, pcapng":        {slices.Concat(section(big), interfaceBlock(big, 201, 0), packetBlock(big, 0, 1, anyPacket4)), "1 of link type 201, which is not supported"},
	} {
		t.Run(name, func(t *testing.T) {
			summary, err := readPcap(bytes.NewReader(tt.file), func(_ Stamp, p *wire.Packet) { t.Errorf("packet %+v", p) })
			if err != nil || summary.Packets != 0 || summary.Reasons() != tt.want {
				t.Errorf("summary %+v, error %v, not read: %s, want %s", summary, err, summary.Reasons(), tt.want)
			}
		})
	}
}

func TestReadPcap_knows_blocks_and_their_times(t *testing.T) {
	micro, nano := uint64(stamp.UnixMicro()), uint64(stamp.UnixNano())
	whole := stamp.Truncate(time.Second)
	for _, order := range []appendOrder{binary.BigEndian, binary.LittleEndian} {
		signed := func(n int64) []byte { return order.AppendUint64(nil, uint64(n)) }
		for name, tt := range map[string]struct {
			blocks [][]byte
			want   Stamp
		}{
			"packet":                {[][]byte{interfaceBlock(order, linkRaw, 0), packetBlock(order, 0, micro, anyPacket4)}, Stamp{Time: stamp}},
			"old packet":            {[][]byte{interfaceBlock(order, linkRaw, 0), oldPacketBlock(order, 0, micro, anyPacket4)}, Stamp{Time: stamp}},
			"old packet, nano":      {[][]byte{interfaceBlock(order, linkNull, 0), interfaceBlock(order, linkRaw, 0, option(order, 9, []byte{9})), oldPacketBlock(order, 1, nano, anyPacket6)}, Stamp{Time: stamp}},
			"simple packet":         {[][]byte{interfaceBlock(order, linkRaw, 0), simpleBlock(order, len(anyPacket4), anyPacket4)}, Stamp{Time: time.Unix(0, 0), Worth: Unknown}},
			"simple packet, cut":    {[][]byte{interfaceBlock(order, linkRaw, uint32(len(anyPacket4))), simpleBlock(order, 1500, anyPacket4)}, Stamp{Time: time.Unix(0, 0), Worth: Unknown}},
			"offset":                {[][]byte{interfaceBlock(order, linkRaw, 0, option(order, 14, signed(1_795_000_000))), packetBlock(order, 0, micro-1_795_000_000_000_000, anyPacket4)}, Stamp{Time: stamp}},
			"negative offset":       {[][]byte{interfaceBlock(order, linkRaw, 0, option(order, 14, signed(-3600))), packetBlock(order, 0, micro+3600_000_000, anyPacket4)}, Stamp{Time: stamp}},
			"offset and seconds":    {[][]byte{interfaceBlock(order, linkRaw, 0, option(order, 9, []byte{0}), option(order, 14, signed(-1))), packetBlock(order, 0, uint64(whole.Unix()+1), anyPacket4)}, Stamp{Time: whole}},
			"binary fractions":      {[][]byte{interfaceBlock(order, linkRaw, 0, option(order, 9, []byte{0x80 | 20})), packetBlock(order, 0, uint64(whole.Unix())<<20+1<<19, anyPacket4)}, Stamp{Time: whole.Add(time.Second / 2)}},
			"an offset to before 0": {[][]byte{interfaceBlock(order, linkRaw, 0, option(order, 14, signed(-1<<62))), packetBlock(order, 0, micro, anyPacket4)}, Stamp{Time: time.Unix(0, 0), Worth: Unknown}},
			"no time":               {[][]byte{interfaceBlock(order, linkRaw, 0), packetBlock(order, 0, 0, anyPacket4)}, Stamp{Time: time.Unix(0, 0), Worth: Unknown}},
		} {
			t.Run(fmt.Sprintf("%s/%v", name, order), func(t *testing.T) {
				var got []Stamp
				file := append(section(order), slices.Concat(tt.blocks...)...)
				summary, err := readPcap(bytes.NewReader(file), func(at Stamp, _ *wire.Packet) { got = append(got, at) })
				if err != nil || len(got) != 1 || summary.Packets != 1 || summary.Total() != 1 {
					t.Fatalf("%d packets, summary %+v, error %v, want one", len(got), summary, err)
				}
				if !got[0].Time.Equal(tt.want.Time) || got[0].Worth != tt.want.Worth {
					t.Errorf("time %v (%d), want %v (%d)", got[0].Time, got[0].Worth, tt.want.Time, tt.want.Worth)
				}
			})
		}
	}
}

func TestReadPcap_refuses(t *testing.T) {
	whole := pcapFile(binary.LittleEndian, false, linkRaw, anyPacket4, anyPacket4)
	ng := append(pcapngFile(binary.LittleEndian, 6, map[linkType][]byte{linkRaw: anyPacket4}), makeBlock(binary.LittleEndian, 0xbad)...)
	long := slices.Clone(whole)
	binary.LittleEndian.PutUint32(long[24+8:], 1<<30)
	for name, tt := range map[string]struct {
		file    []byte
		want    string
		packets int
	}{
		"an empty file":        {nil, "cut short", 0},
		"another file":         {[]byte("GIF89a"), "474946", 0},
		"a cut header":         {whole[:23], "pcap header: file is cut short", 0},
		"a cut record":         {whole[:len(whole)-1], "pcap record: file is cut short", 1},
		"a cut stamp":          {whole[:30], "pcap record: file is cut short", 0},
		"a huge record":        {long, "length 1073741824, at most 1048576", 0},
		"a cut block":          {ng[:len(ng)-1], "pcapng: file is cut short", 1},
		"a cut section":        {ng[:8], "pcapng: file is cut short", 0},
		"no byte order":        {append(slices.Clone(ng[:8]), "what"...), "byte order 77686174", 0},
		"no interface":         {slices.Concat(section(binary.BigEndian), packetBlock(binary.BigEndian, 0, 1, anyPacket4)), "interface 0 of 0", 0},
		"no interface, simple": {slices.Concat(section(binary.BigEndian), simpleBlock(binary.BigEndian, 40, anyPacket4)), "interface 0 of 0", 0},
		"a simple packet that is longer than its block": {
			slices.Concat(section(binary.BigEndian), interfaceBlock(binary.BigEndian, linkRaw, 0), simpleBlock(binary.BigEndian, 400, anyPacket4)),
			"cut short", 0,
		},
		"a block of length 8": {append(slices.Clone(ng), 1, 0, 0, 0, 8, 0, 0, 0), "block of length 8", 1},
	} {
		t.Run(name, func(t *testing.T) {
			summary, err := readPcap(bytes.NewReader(tt.file), func(Stamp, *wire.Packet) {})
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
	if _, err := readPcap(r, func(Stamp, *wire.Packet) {}); !errors.Is(err, broken) {
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
	little := binary.LittleEndian
	f.Add(slices.Concat(section(little), interfaceBlock(little, linkRaw, 60, option(little, 14, make([]byte, 8))),
		oldPacketBlock(little, 0, 1, anyPacket4), simpleBlock(little, 40, anyPacket4), packetBlock(little, 0, 1, anyPacket4, option(little, 2, []byte{1, 0, 0, 0}))))
	for link, frames := range frames(binary.BigEndian) {
		f.Add(pcapFile(binary.BigEndian, true, link, frames...))
		f.Add(pcapngFile(binary.LittleEndian, 9, map[linkType][]byte{link: frames[0]}))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		n := 0
		summary, _ := readPcap(bytes.NewReader(b), func(at Stamp, p *wire.Packet) {
			n++
			if at.Time.Year() < 1970 || at.Time.Year() > 2286 {
				t.Errorf("time %v", at.Time)
			}
			if !p.Src.IsValid() || !p.Dst.IsValid() {
				t.Errorf("packet %+v", p)
			}
		})
		if n != summary.Packets {
			t.Errorf("%d packets, summary says %d", n, summary.Packets)
		}
	})
}
