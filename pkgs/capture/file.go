// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/latchkey/latchkey/pkgs/wire"
)

// errCut means that a file ends in the middle of a record.
var errCut = errors.New("file is cut short")

// ReadFile hands over the packets of r in the order of the file. It decides by the first bytes
// whether r is a capture (see readPcap) or a log (see readLog, which cal is for). After an error
// the summary counts what came before it.
func ReadFile(r io.Reader, cal Calendar, fn func(Stamp, *wire.Packet)) (Summary, error) {
	b := bufio.NewReader(r)
	start, err := b.Peek(len(foreign[0].start))
	if err != nil && err != io.EOF {
		return Summary{}, err
	}
	if len(start) >= 4 && isPcap([4]byte(start)) {
		return readPcap(b, fn)
	}
	for _, f := range foreign {
		if bytes.HasPrefix(start, []byte(f.start)) {
			return Summary{}, fmt.Errorf("it is %s", f.is)
		}
	}
	return readLog(b, cal, fn)
}

// foreign is what people have at hand that is neither, the longest start first.
var foreign = [...]struct{ start, is string }{
	{"LPKSHHRH", "a journal of systemd: give what `journalctl --file=... -k -o short-iso` writes"},
	{"snoop\x00\x00\x00", "a capture of snoop, which is not supported: editcap turns it into a pcap"},
	{"\xfd7zXZ\x00", "compressed by xz: give what `xz -dc` writes"},
	{"\x28\xb5\x2f\xfd", "compressed by zstd: give what `zstd -dc` writes"},
	{"\xa1\xb2\xcd\x34", "a pcap of the modified kind, which is not supported: editcap turns it into a pcap"},
	{"\x34\xcd\xb2\xa1", "a pcap of the modified kind, which is not supported: editcap turns it into a pcap"},
	{"BZh", "compressed by bzip2: give what `bzip2 -dc` writes"},
	{"\xff\xfe", "text in UTF-16: give what `iconv -f UTF-16 -t UTF-8` writes"},
	{"\xfe\xff", "text in UTF-16: give what `iconv -f UTF-16 -t UTF-8` writes"},
	{"\x1f\x8b", "compressed by gzip: give what `gzip -dc` writes"},
}

func isPcap(magic [4]byte) bool {
	n := binary.BigEndian.Uint32(magic[:])
	_, classic := variantOf(n)
	return classic || n == blockSection
}
