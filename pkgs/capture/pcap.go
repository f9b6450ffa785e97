// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/latchkey/latchkey/pkgs/wire"
)

// maxRecord bounds what one record makes us allocate, in bytes. 262144 is the longest packet that
// libpcap writes; pcapng blocks have some more around it.
const maxRecord = 1 << 20

// pcapVariant is what the first four bytes of a classic capture say.
type pcapVariant struct {
	order binary.ByteOrder
	unit  time.Duration // of the part of a time stamp below a second
}

// variantOf knows the magic numbers, read as big endian (draft-ietf-opsawg-pcap, section 4).
func variantOf(magic uint32) (v pcapVariant, ok bool) {
	switch magic {
	case 0xa1b2c3d4:
		return pcapVariant{binary.BigEndian, time.Microsecond}, true
	case 0xd4c3b2a1:
		return pcapVariant{binary.LittleEndian, time.Microsecond}, true
	case 0xa1b23c4d:
		return pcapVariant{binary.BigEndian, time.Nanosecond}, true
	case 0x4d3cb2a1:
		return pcapVariant{binary.LittleEndian, time.Nanosecond}, true
	}
	return pcapVariant{}, false
}

// readPcap hands over the packets of a pcap or pcapng file, with the times in it. Link types:
// Ethernet (VLANs and PPPoE too), raw IP, Linux cooked v1 and v2, PPP with and without direction,
// the BSDs' loopback, NFLOG. Packets that the capturing machine sent are left out where the file
// says so, as a Live does. What fn gets is reused after it returns.
func readPcap(r io.Reader, fn func(Stamp, *wire.Packet)) (Summary, error) {
	c := capturer{r: bufio.NewReader(r), sink: newSink(fn)}
	magic, err := c.r.Peek(4)
	if err != nil {
		return c.summary, fmt.Errorf("capture: %w", cutShort(err))
	}
	if v, ok := variantOf(binary.BigEndian.Uint32(magic)); ok {
		err := c.readPcap(v)
		return c.summary, err
	}
	if binary.BigEndian.Uint32(magic) == blockSection {
		err := c.readPcapng()
		return c.summary, err
	}
	return c.summary, fmt.Errorf("capture: %x is not how a pcap or pcapng file begins", magic)
}

// capturer reads one capture file.
type capturer struct {
	sink
	r       *bufio.Reader
	buffer  []byte
	decoded wire.Packet
}

// readPcap reads a classic file: a header of 24 bytes, then records.
func (c *capturer) readPcap(v pcapVariant) error {
	header, err := c.take(24)
	if err != nil {
		return fmt.Errorf("pcap header: %w", cutShort(err))
	}
	link := linkType(v.order.Uint32(header[20:]) & 0xffff) // above: length of the frame check sequence
	for {
		record, err := c.take(16)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("pcap record: %w", err)
		}
		at := stampOf(uint64(v.order.Uint32(record)), int64(v.order.Uint32(record[4:]))*int64(v.unit))
		frame, err := c.take(v.order.Uint32(record[8:]))
		if err != nil {
			return fmt.Errorf("pcap record: %w", cutShort(err))
		}
		c.frame(at, link, v.order, frame)
	}
}

// stampOf is the time of a record, in seconds since 1970 and nanoseconds. Programs that have no
// time write 0, and no capture is from after 2242.
func stampOf(seconds uint64, nanoseconds int64) Stamp {
	const lastSecond = 1 << 33
	if seconds > lastSecond || seconds == 0 && nanoseconds == 0 {
		return Stamp{Worth: Unknown}
	}
	return Stamp{Time: time.Unix(int64(seconds), nanoseconds)}
}

// frame hands over one packet.
func (c *capturer) frame(at Stamp, link linkType, order binary.ByteOrder, frame []byte) {
	ip, why := link.strip(order, frame)
	if why == LinkType && c.summary.Unread[LinkType] == 0 {
		c.summary.Link = uint32(link)
	}
	if why == read {
		if err := c.decoded.Decode(ip); err != nil {
			why = unreadOf(err)
		}
	}
	if why != read {
		c.unread(why)
		return
	}
	c.packet(at, &c.decoded)
}

// take reads n bytes, which are valid until it is called again. The error is io.EOF if there are
// none at all.
func (c *capturer) take(n uint32) ([]byte, error) {
	if n > maxRecord {
		return nil, fmt.Errorf("length %d, at most %d are supported", n, maxRecord)
	}
	if int(n) > len(c.buffer) {
		c.buffer = make([]byte, max(int(n), 4096))
	}
	_, err := io.ReadFull(c.r, c.buffer[:n])
	if err == io.ErrUnexpectedEOF {
		err = errCut
	}
	return c.buffer[:n], err
}

// cutShort is for places where a file must not end.
func cutShort(err error) error {
	if errors.Is(err, io.EOF) {
		return errCut
	}
	return err
}
