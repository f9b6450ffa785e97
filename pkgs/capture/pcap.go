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

// pcapVariant is what the first four bytes of a classic capture tell.
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

// ReadPcap hands over the packets of a pcap or pcapng file, with the times in it. Link types:
// Ethernet (VLANs and PPPoE too), raw IP, Linux cooked v1 and v2, PPP. Packets that the capturing
// machine sent are skipped where the file tells (Linux cooked), as a Live does. What fn gets is
// reused after it returns.
func ReadPcap(r io.Reader, fn func(now time.Time, p *wire.Packet)) (Summary, error) {
	c := capturer{r: bufio.NewReader(r), fn: fn}
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
	r       *bufio.Reader
	fn      func(now time.Time, p *wire.Packet)
	buffer  []byte
	packet  wire.Packet
	summary Summary
}

// readPcap reads a classic file: a header of 24 bytes, then records.
func (c *capturer) readPcap(v pcapVariant) error {
	header, err := c.take(24)
	if err != nil {
		return fmt.Errorf("pcap header: %w", cutShort(err))
	}
	link := linkType(v.order.Uint32(header[20:]) & 0xffff) // above: length of the frame check sequence
	if !link.known() {
		return fmt.Errorf("pcap: link type %d is not supported", link)
	}
	for {
		record, err := c.take(16)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("pcap record: %w", err)
		}
		now := time.Unix(int64(v.order.Uint32(record)), int64(v.order.Uint32(record[4:]))*int64(v.unit))
		frame, err := c.take(v.order.Uint32(record[8:]))
		if err != nil {
			return fmt.Errorf("pcap record: %w", cutShort(err))
		}
		c.frame(now, link, frame)
	}
}

// frame hands over one packet.
func (c *capturer) frame(now time.Time, link linkType, frame []byte) {
	ip, ok := link.strip(frame)
	if !ok || c.packet.Decode(ip) != nil {
		c.summary.Skipped++
		return
	}
	c.summary.Packets++
	c.fn(now, &c.packet)
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
