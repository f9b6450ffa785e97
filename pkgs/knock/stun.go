// SPDX-License-Identifier: Apache-2.0

package knock

import (
	"bytes"
	"encoding/base64"
	"slices"
	"time"

	"github.com/latchkey/latchkey/pkgs/seal"
	"github.com/latchkey/latchkey/pkgs/wire"
)

// stun is the carrier of messages in the USERNAME of STUN Binding requests (RFC 8489), which a web
// page can make a browser send: the message in base64 without padding, up to the first ':' if
// there is one.
type stun struct {
	opener *opener
	ports  []uint16
}

var _ Detector = (*stun)(nil)

// tokenEncoding refuses what decodes to the same bytes as another text: unused bits must be zero.
var tokenEncoding = base64.RawStdEncoding.Strict()

// Observe implements Detector.
func (d *stun) Observe(now time.Time, p *wire.Packet, emit func(Finding)) {
	if p.Proto != wire.UDP || !slices.Contains(d.ports, p.DstPort) {
		return
	}
	var request wire.STUN
	if request.Decode(p.Payload) != nil {
		return
	}
	token, _, _ := bytes.Cut(request.Username, []byte(":"))
	var buf [seal.LongSize]byte
	msg, ok := decodeToken(buf[:], token)
	if !ok {
		return
	}
	if f, first := d.opener.open(now, CarrierSTUN, p.Src, msg); first {
		d.opener.report(now, f, emit)
	}
}

// decodeToken decodes a message into buf, which has room for the longest. The length is checked
// before and after, because the decoder skips line breaks.
func decodeToken(buf, token []byte) (msg []byte, ok bool) {
	short := tokenEncoding.EncodedLen(seal.ShortSize)
	long := tokenEncoding.EncodedLen(seal.LongSize)
	if len(token) != short && len(token) != long {
		return nil, false
	}
	n, err := tokenEncoding.Decode(buf, token)
	return buf[:n], err == nil && n == tokenEncoding.DecodedLen(len(token))
}

// AddFilter implements Detector.
func (d *stun) AddFilter(f *wire.Filter) {
	for _, port := range d.ports {
		f.STUN.Ports = append(f.STUN.Ports, wire.PortRange{First: port, Last: port})
	}
	if hints := d.opener.ring.Hints(); hints != nil {
		f.STUN.Hints = make([][4]byte, len(hints))
		for i, h := range hints {
			tokenEncoding.Encode(f.STUN.Hints[i][:], h[:])
		}
	}
}
