// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"time"

	"github.com/latchkey/latchkey/pkgs/wire"
)

// Summary is what a file had in it.
type Summary struct {
	Packets int // handed over
	// Skipped counts the rest: what is no TCP, UDP or ICMP packet, what was sent by the machine
	// that wrote the file, and log lines about other things.
	Skipped int
}

// errCut means that a file ends in the middle of a record.
var errCut = errors.New("file is cut short")

// ReadFile hands over the packets of r in the order of the file. It tells by the first bytes
// whether r is a capture (see ReadPcap) or a log (see ReadLog, which year and loc are for). After
// an error the summary counts what came before it.
func ReadFile(r io.Reader, year int, loc *time.Location, fn func(now time.Time, p *wire.Packet)) (Summary, error) {
	b := bufio.NewReader(r)
	magic, err := b.Peek(4)
	if err != nil && err != io.EOF {
		return Summary{}, err
	}
	if len(magic) == 4 && isPcap([4]byte(magic)) {
		return ReadPcap(b, fn)
	}
	return ReadLog(b, year, loc, fn)
}

func isPcap(magic [4]byte) bool {
	n := binary.BigEndian.Uint32(magic[:])
	_, classic := variantOf(n)
	return classic || n == blockSection
}
