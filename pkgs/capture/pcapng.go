// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"time"
)

// Block types of pcapng (draft-ietf-opsawg-pcapng, section 4). The first reads the same in both
// byte orders.
const (
	blockSection   = 0x0a0d0d0a
	blockInterface = 1
	blockOldPacket = 2 // of files from before 2012
	blockSimple    = 3 // a packet of the first interface, without a time
	blockPacket    = 6
)

// maxInterfaces bounds how many interfaces of a section are remembered.
const maxInterfaces = 1024

// pcapngInterface is one interface that packets of a section came from.
type pcapngInterface struct {
	link  linkType
	unit  uint64 // ticks of its time stamps in a second
	ahead int64  // seconds to be added to them
	snap  uint32 // most bytes of a packet that are kept, 0 = all
}

// readPcapng reads sections, each with its byte order and its interfaces.
func (c *capturer) readPcapng() error {
	var order binary.ByteOrder
	var interfaces []pcapngInterface
	for {
		kind, body, err := c.block(&order)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("pcapng: %w", err)
		}
		switch kind {
		case blockSection:
			interfaces = interfaces[:0]
		case blockInterface:
			if len(interfaces) == maxInterfaces {
				return fmt.Errorf("pcapng: more than %d interfaces", maxInterfaces)
			}
			i, err := interfaceOf(order, body)
			if err != nil {
				return fmt.Errorf("pcapng interface %d: %w", len(interfaces), err)
			}
			interfaces = append(interfaces, i)
		case blockPacket, blockOldPacket:
			err = c.enhancedPacket(order, interfaces, body, kind == blockOldPacket)
		case blockSimple:
			err = c.simplePacket(order, interfaces, body)
		}
		if err != nil {
			return fmt.Errorf("pcapng packet: %w", err)
		}
	}
}

// block reads one block: type, length, body, length. A section block sets the byte order, by its
// magic number, which comes after the length.
func (c *capturer) block(order *binary.ByteOrder) (kind uint32, body []byte, err error) {
	head, err := c.take(8)
	if err != nil {
		return 0, nil, err
	}
	first, second := [4]byte(head), [4]byte(head[4:])
	if binary.BigEndian.Uint32(first[:]) == blockSection {
		magic, err := c.r.Peek(4)
		if err != nil {
			return 0, nil, cutShort(err)
		}
		switch binary.BigEndian.Uint32(magic) {
		case 0x1a2b3c4d:
			*order = binary.BigEndian
		case 0x4d3c2b1a:
			*order = binary.LittleEndian
		default:
			return 0, nil, fmt.Errorf("section with byte order %x", magic)
		}
	}
	kind, length := (*order).Uint32(first[:]), (*order).Uint32(second[:])
	const around = 12 // type and both lengths
	if length < around || length%4 != 0 {
		return 0, nil, fmt.Errorf("block of length %d", length)
	}
	body, err = c.take(length - 8)
	if err != nil {
		return 0, nil, cutShort(err)
	}
	return kind, body[:len(body)-4], nil
}

// interfaceOf reads an interface block: link type (2), reserved (2), snap length (4), options.
func interfaceOf(order binary.ByteOrder, body []byte) (pcapngInterface, error) {
	if len(body) < 8 {
		return pcapngInterface{}, errCut
	}
	i := pcapngInterface{link: linkType(order.Uint16(body)), unit: 1e6, snap: order.Uint32(body[4:])}
	err := eachOption(order, body[8:], func(code uint16, value []byte) error {
		const resolution, offset = 9, 14 // if_tsresol, if_tsoffset
		switch {
		case code == resolution && len(value) == 1:
			if i.unit = ticks(value[0]); i.unit == 0 {
				return fmt.Errorf("time stamps of resolution %#x", value[0])
			}
		case code == offset && len(value) == 8:
			i.ahead = int64(order.Uint64(value))
		}
		return nil
	})
	return i, err
}

// eachOption calls each for the options at the end of a block: code (2), length (2, without
// padding), value, padded to 4 bytes.
func eachOption(order binary.ByteOrder, b []byte, each func(code uint16, value []byte) error) error {
	for len(b) >= 4 {
		code, size := order.Uint16(b), int(order.Uint16(b[2:]))
		padded := (size + 3) &^ 3
		if padded > len(b)-4 {
			return errCut
		}
		if err := each(code, b[4:4+size]); err != nil {
			return err
		}
		b = b[4+padded:]
	}
	return nil
}

// ticks returns how many units of if_tsresol make a second; 0 is too many for 64 bits.
func ticks(resolution byte) uint64 {
	exponent := int(resolution & 0x7f)
	if resolution&0x80 != 0 {
		if exponent > 63 {
			return 0
		}
		return 1 << exponent
	}
	if exponent > 19 {
		return 0
	}
	unit := uint64(1)
	for range exponent {
		unit *= 10
	}
	return unit
}

// enhancedPacket reads interface (4), time (8), captured length (4), original length (4), data,
// options. The old form has an interface of 2 bytes and 2 that count losses.
func (c *capturer) enhancedPacket(order binary.ByteOrder, interfaces []pcapngInterface, body []byte, old bool) error {
	if len(body) < 20 {
		return errCut
	}
	id, length := order.Uint32(body), order.Uint32(body[12:])
	if old {
		id = uint32(order.Uint16(body))
	}
	if uint64(id) >= uint64(len(interfaces)) {
		return fmt.Errorf("interface %d of %d", id, len(interfaces))
	}
	if uint64(length) > uint64(len(body)-20) {
		return errCut
	}
	why := read
	err := eachOption(order, body[min(20+(int(length)+3)&^3, len(body)):], func(code uint16, value []byte) error {
		const ( // epb_flags
			flags                  = 2
			direction, outbound    = 3, 2
			reception, promiscuous = 7 << 2, 4 << 2
		)
		if code != flags || len(value) != 4 {
			return nil
		}
		switch word := order.Uint32(value); {
		case word&direction == outbound:
			why = Sent
		case word&reception == promiscuous:
			why = Others
		}
		return nil
	})
	if err != nil {
		return err
	}
	if why != read {
		c.unread(why)
		return nil
	}
	i := interfaces[id]
	at := i.time(uint64(order.Uint32(body[4:]))<<32 | uint64(order.Uint32(body[8:])))
	c.frame(at, i.link, order, body[20:20+length])
	return nil
}

// time turns ticks into a time.
func (i pcapngInterface) time(stamp uint64) Stamp {
	// stamp % unit is below unit, so that the quotient below fits.
	high, low := bits.Mul64(stamp%i.unit, uint64(time.Second))
	nanoseconds, _ := bits.Div64(high, low, i.unit)
	if stamp == 0 {
		return Stamp{Worth: Unknown} // as in stampOf, but with an offset that would hide it
	}
	// What is below 0 or too large is so as an unsigned number too, and is no time.
	return stampOf(stamp/i.unit+uint64(i.ahead), int64(nanoseconds))
}

// simplePacket reads original length (4) and data.
func (c *capturer) simplePacket(order binary.ByteOrder, interfaces []pcapngInterface, body []byte) error {
	if len(interfaces) == 0 {
		return errors.New("interface 0 of 0")
	}
	if len(body) < 4 {
		return errCut
	}
	length, i := order.Uint32(body), interfaces[0]
	if i.snap > 0 {
		length = min(length, i.snap)
	}
	if uint64(length) > uint64(len(body)-4) {
		return errCut
	}
	c.frame(Stamp{Worth: Unknown}, i.link, order, body[4:4+length])
	return nil
}
