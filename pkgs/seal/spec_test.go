// SPDX-License-Identifier: Apache-2.0

package seal_test

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/latchkey/latchkey/pkgs/knock"
	"github.com/latchkey/latchkey/pkgs/link"
	"github.com/latchkey/latchkey/pkgs/seal"
	"github.com/latchkey/latchkey/pkgs/wire"
)

// The worked example of SPEC.md is what the code makes.
func TestSpec(t *testing.T) {
	spec, err := os.ReadFile("../../SPEC.md")
	if err != nil {
		t.Fatal(err)
	}
	_, block, found := strings.Cut(string(spec), "```example\n")
	block, _, closed := strings.Cut(block, "```")
	if !found || !closed {
		t.Fatal("SPEC.md has no example")
	}
	say := map[string]string{}
	for line := range strings.Lines(block) {
		name, value, _ := strings.Cut(line, " ")
		say[name] = strings.TrimSpace(value)
	}
	rawKey, err := hex.DecodeString(say["key"])
	if err != nil {
		t.Fatal(err)
	}
	stamp, err := strconv.ParseUint(say["stamp"], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	message := seal.Seal(seal.Key(rawKey), seal.Body{Stamp: stamp, Door: seal.Tag(say["door"])})
	ports := func(list []uint16) string { return strings.Trim(fmt.Sprint(list), "[]") }
	tag := seal.Tag(say["door"])
	for name, got := range map[string]string{
		"body":     fmt.Sprintf("%012x%x0000", stamp, tag[:]),
		"hint":     fmt.Sprintf("%x", message[:3]),
		"tag":      fmt.Sprintf("%x", message[3:14]),
		"box":      fmt.Sprintf("%x", message[14:]),
		"message":  fmt.Sprintf("%x", message),
		"username": base64.RawStdEncoding.EncodeToString(message),
		"slots":    ports(knock.Slots(message, 20480)),
		"ordered":  ports(knock.Digits(message, knock.Ordered{Groups: []wire.PortRange{{First: 500, Last: 600}, {First: 700, Last: 854}}})),
	} {
		if got != say[name] {
			t.Errorf("%s: SPEC.md says %q, the code makes %q", name, say[name], got)
		}
	}
	_, example, _ := strings.Cut(string(spec), "<page URL>")
	example, _, _ = strings.Cut(example, "\n")
	example = strings.Replace(example, "<key, base64url>", seal.Key(rawKey).Text(), 1)
	if l, err := link.Parse(example); err != nil || l.Text() != example {
		t.Errorf("the link of SPEC.md: %v", err)
	}
}
