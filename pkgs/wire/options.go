// SPDX-License-Identifier: Apache-2.0

package wire

import "encoding/binary"

// Options is what the options of a TCP header say of the system that sent it.
type Options struct {
	MSS   uint16 // largest segment (RFC 9293, section 3.7.1), 0 = not said
	Scale uint8  // window scale (RFC 7323, section 2) plus 1, 0 = not said
	Clock bool   // timestamps (RFC 7323, section 3)
}

// Option kinds (IANA "TCP Option Kind Numbers").
const (
	optEnd   = 0
	optNop   = 1
	optMSS   = 2
	optScale = 3
	optClock = 8
)

const maxScale = 14 // RFC 7323, section 2.3: a larger one is taken for this

// ParseOptions reads the options of a TCP header, as far as they are there and make sense.
func ParseOptions(b []byte) (o Options) {
	for len(b) > 0 && b[0] != optEnd {
		if b[0] == optNop {
			b = b[1:]
			continue
		}
		if len(b) < 2 || int(b[1]) < 2 || int(b[1]) > len(b) {
			return o
		}
		value := b[2:b[1]]
		switch {
		case b[0] == optMSS && len(value) == 2:
			o.MSS = binary.BigEndian.Uint16(value)
		case b[0] == optScale && len(value) == 1:
			o.Scale = min(value[0], maxScale) + 1
		case b[0] == optClock && len(value) == 8:
			o.Clock = true
		}
		b = b[b[1]:]
	}
	return o
}
