// SPDX-License-Identifier: Apache-2.0

package wire

import "testing"

// linux are the options of a SYN of Linux: MSS 1460, SACK permitted, timestamps, scale 7.
var linux = []byte{2, 4, 5, 0xb4, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, 7}

func TestParseOptions(t *testing.T) {
	for name, tt := range map[string]struct {
		b    []byte
		want Options
	}{
		"none":                        {nil, Options{}},
		"of_linux":                    {linux, Options{MSS: 1460, Scale: 8, Clock: true}},
		"behind_the_end":              {append([]byte{0}, linux...), Options{}},
		"cut_by_the_capture":          {linux[:12], Options{MSS: 1460}},
		"length_of_none":              {[]byte{2, 0, 3, 3, 7}, Options{}},
		"length_of_only_itself":       {[]byte{2, 1, 3, 3, 7}, Options{}},
		"only_a_kind":                 {[]byte{3, 3, 7, 8}, Options{Scale: 8}},
		"of_a_length_that_it_has_not": {[]byte{2, 3, 5, 3, 3, 7}, Options{Scale: 8}},
		"too_large_a_scale":           {[]byte{3, 3, 255}, Options{Scale: 15}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := ParseOptions(tt.b); got != tt.want {
				t.Errorf("ParseOptions = %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestDecodeFindsTCPOptions(t *testing.T) {
	b := AppendTCP(nil, phone4, router4, 7, SYN, linux)
	b[ipv4Header+12] = byte(tcpHeader+len(linux)) / 4 << 4 // they are options, and no payload
	var p Packet
	if err := p.Decode(b); err != nil || string(p.Options) != string(linux) || p.Size != 0 || len(p.Payload) != 0 {
		t.Errorf("%v, options %x, %d bytes of payload", err, p.Options, p.Size)
	}
	if err := p.Decode(b[:len(b)-9]); err != nil || string(p.Options) != string(linux[:len(linux)-9]) {
		t.Errorf("cut by the capture: %v, options %x", err, p.Options)
	}
}

func FuzzParseOptions(f *testing.F) {
	f.Add(linux)
	f.Fuzz(func(_ *testing.T, b []byte) { ParseOptions(b) })
}
