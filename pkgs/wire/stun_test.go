// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strings"
	"testing"
)

// rfc5769 is the sample request of RFC 5769, section 2.1: made by someone else, with SOFTWARE,
// PRIORITY and ICE-CONTROLLED before USERNAME. Its password is rfc5769Password.
const (
	rfc5769 = "000100582112a442b7e7a701bc34d686fa87dfae" +
		"802200105354554e207465737420636c69656e74" +
		"002400046e0001ff" + "80290008932ff9b151263b36" +
		"000600096576746a3a68367659202020" +
		"000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2" + "80280004e57a3bcf"
	rfc5769Password = "VOkJxbRl1RmTxUk/WvJxBt"
)

func TestSTUN_decodes_the_sample_of_RFC_5769(t *testing.T) {
	b, err := hex.DecodeString(rfc5769)
	if err != nil {
		t.Fatal(err)
	}
	var s STUN
	if err := s.Decode(b); err != nil {
		t.Fatalf("Decode: %v", err)
	}
	if got, want := string(s.Username), "evtj:h6vY"; got != want {
		t.Errorf("user name %q, want %q", got, want)
	}
}

// TestAppendBindingRequest_sums_like_RFC_5769 checks our two sums with the same code that the
// sample passes.
func TestAppendBindingRequest_sums_like_RFC_5769(t *testing.T) {
	sample, err := hex.DecodeString(rfc5769)
	if err != nil {
		t.Fatal(err)
	}
	checkSums(t, sample, rfc5769Password)
	checkSums(t, AppendBindingRequest(nil, [12]byte{1, 2, 3}, "token:local", "0123456789012345678901"), "0123456789012345678901")
}

// checkSums makes the last two attributes of a request again, from the rest.
func checkSums(t *testing.T, b []byte, password string) {
	t.Helper()
	const tail = attrHeader + 20 + attrHeader + 4
	if n := int(binary.BigEndian.Uint16(b[2:])); n != len(b)-stunHeader {
		t.Errorf("length field %d, want %d", n, len(b)-stunHeader)
	}
	if got := appendSums(slices.Clone(b[:len(b)-tail]), 0, password); !bytes.Equal(got, b) {
		t.Errorf("sums differ:\n got %x\nwant %x", got, b)
	}
}

func TestAppendBindingRequest_has_the_order_of_browsers(t *testing.T) {
	prefix := []byte("before")
	b := AppendBindingRequest(slices.Clone(prefix), [12]byte([]byte("abcdefghijkl")), "token:local", "password")
	if !bytes.HasPrefix(b, prefix) {
		t.Fatalf("%q does not begin with what was there", b)
	}
	b = b[len(prefix):]
	if got, want := hex.EncodeToString(b[:36]), "000100442112a4426162636465666768696a6b6c"+"0006000b"+hex.EncodeToString([]byte("token:local"))+"00"; got != want {
		t.Errorf("begins with %s, want %s", got, want)
	}
	var kinds []uint16
	for rest := b[stunHeader:]; len(rest) > 0; rest = rest[attrHeader+padded(int(binary.BigEndian.Uint16(rest[2:]))):] {
		kinds = append(kinds, binary.BigEndian.Uint16(rest))
	}
	if want := []uint16{attrUsername, attrPriority, attrICEControlling, attrMessageIntegrity, attrFingerprint}; !slices.Equal(kinds, want) {
		t.Errorf("attributes %#x, want %#x", kinds, want)
	}
}

func TestSTUN_refuses(t *testing.T) {
	good := AppendBindingRequest(nil, [12]byte{}, "token:local", "password")
	behind := request([]byte{0, 8, 0, 0, 0, 6, 0, 4, 'l', 'a', 't', 'e'})
	for name, tt := range map[string]struct {
		b    []byte
		want error
	}{
		"nothing":                       {nil, ErrNotSTUN},
		"a header cut short":            {good[:19], ErrNotSTUN},
		"a response":                    {change(good, 0, 1), ErrNotSTUN},
		"an indication":                 {change(good, 1, 0x11), ErrNotSTUN},
		"another cookie":                {change(good, 7, 0x43), ErrNotSTUN},
		"more than its length":          {append(slices.Clone(good), 0, 0, 0, 0), ErrMalformed},
		"less than its length":          {cut(good, 4), ErrShort},
		"a length that is not of fours": {change(cut(good, 2), 3, good[3]-2), ErrMalformed},
		"no attribute":                  {request(nil), ErrNoUsername},
		"no user name":                  {request([]byte{0, 0x24, 0, 4, 0, 0, 0, 0}), ErrNoUsername},
		"an attribute beyond the end":   {request([]byte{0, 6, 0, 5, 'a', 'b', 'c', 'd'}), ErrMalformed},
		"a user name behind integrity":  {behind, ErrNoUsername},
	} {
		t.Run(name, func(t *testing.T) {
			s := STUN{Username: []byte("old")}
			if err := s.Decode(tt.b); err != tt.want {
				t.Errorf("Decode: %v, want %v", err, tt.want)
			}
			if s.Username != nil {
				t.Errorf("user name %q after an error", s.Username)
			}
		})
	}
}

func TestSTUN_takes_the_first_of_two_user_names(t *testing.T) {
	var s STUN
	b := request([]byte{0, 6, 0, 4, 'o', 'n', 'e', '1', 0, 6, 0, 4, 't', 'w', 'o', '2'})
	if err := s.Decode(b); err != nil || string(s.Username) != "one1" {
		t.Errorf("user name %q, error %v, want one1", s.Username, err)
	}
}

// request returns a Binding request with these attributes.
func request(attrs []byte) []byte {
	b := []byte{0, 1, byte(len(attrs) >> 8), byte(len(attrs)), 0x21, 0x12, 0xa4, 0x42, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	return append(b, attrs...)
}

func FuzzSTUN(f *testing.F) {
	sample, err := hex.DecodeString(rfc5769)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sample)
	f.Add(AppendBindingRequest(nil, [12]byte{}, "token:local", "password"))
	f.Add(request([]byte{0, 0x25, 0, 0, 0, 6, 0, 4, 'l', 'a', 't', 'e'}))
	f.Fuzz(func(t *testing.T, b []byte) {
		var s STUN
		if err := s.Decode(b); err == nil && !bytes.Contains(b, s.Username) {
			t.Errorf("user name %q is not in the packet", s.Username)
		}
		// What the kernel filter would see is what Decode sees, where both see something.
		if hint, ok := usernameHint(b); ok && s.Username != nil && !bytes.HasPrefix(s.Username, hint[:]) {
			t.Errorf("hint %q of user name %q", hint, s.Username)
		}
	})
}

func FuzzAppendBindingRequest(f *testing.F) {
	f.Add("token:local", "password")
	f.Add("", "")
	f.Add(strings.Repeat("x", 508), strings.Repeat("y", 255))
	f.Fuzz(func(t *testing.T, username, password string) {
		if len(username) > 508 {
			return
		}
		b := AppendBindingRequest(nil, [12]byte{}, username, password)
		var s STUN
		if err := s.Decode(b); err != nil {
			t.Fatalf("Decode: %v", err)
		}
		if string(s.Username) != username {
			t.Errorf("user name %q, want %q", s.Username, username)
		}
	})
}
