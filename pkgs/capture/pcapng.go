// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"math/bits"
	"time"
)

// Block types of pcapng (draft-ietf-opsawg-pcapng, section 4). The first reads the same in both
// byte orders.
const (
	blockSection   = 0x0a0d0d0a
	blockInterface = 1
	blockSimple    = 3 // a packet without a time: skipped
	blockPacket    = 6
)

// maxInterfaces bounds how many interfaces of a section are remembered.
const maxInterfaces = 1024

// pcapngInterface is one interface that packets of a section came from.
type pcapngInterface struct {
	link linkType
	unit uint64 // ticks of its time stamps in a second
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
		case blockPacket:
			if err := c.enhancedPacket(order, interfaces, body); err != nil {
				return fmt.Errorf("pcapng packet: %w", err)
			}
		case blockSimple:
			c.summary.Skipped++
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
	i := pcapngInterface{link: linkType(order.Uint16(body)), unit: 1e6}
	for options := body[8:]; len(options) >= 4; {
		code, size := order.Uint16(options), int(order.Uint16(options[2:]))
		padded := (size + 3) &^ 3
		if padded > len(options)-4 {
			return i, errCut
		}
		const resolution = 9 // if_tsresol
		if code == resolution && size == 1 {
			if i.unit = ticks(options[4]); i.unit == 0 {
				return i, fmt.Errorf("time stamps of resolution %#x", options[4])
			}
		}
		options = options[4+padded:]
	}
	return i, nil
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

// enhancedPacket reads interface (4), time (8), captured length (4), original length (4), data.
func (c *capturer) enhancedPacket(order binary.ByteOrder, interfaces []pcapngInterface, body []byte) error {
	if len(body) < 20 {
		return errCut
	}
	id, length := order.Uint32(body), order.Uint32(body[12:])
	if uint64(id) >= uint64(len(interfaces)) {
		return fmt.Errorf("interface %d of %d", id, len(interfaces))
	}
	if uint64(length) > uint64(len(body)-20) {
		return errCut
	}
	i := interfaces[id]
	stamp := uint64(order.Uint32(body[4:]))<<32 | uint64(order.Uint32(body[8:]))
	// stamp % unit is below unit, so that the quotient below fits.
	high, low := bits.Mul64(stamp%i.unit, uint64(time.Second))
	nanoseconds, _ := bits.Div64(high, low, i.unit)
	c.frame(time.Unix(int64(min(stamp/i.unit, math.MaxInt64)), int64(nanoseconds)), i.link, body[20:20+length])
	return nil
}
