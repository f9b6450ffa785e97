// SPDX-License-Identifier: Apache-2.0

package main

import "testing"

func TestGroup(t *testing.T) {
	for symbol, want := range map[string]string{
		"main.main": "cmd/latchkeyd",
		"github.com/latchkey/latchkey/pkgs/seal.(*Ring).Open":           "pkgs/seal",
		"github.com/mdlayher/netlink.(*Conn).Close":                     "github.com/mdlayher/netlink",
		"github.com/mdlayher/netlink/nlenc.init":                        "github.com/mdlayher/netlink",
		"golang.org/x/sys/unix.Socket":                                  "golang.org/x/sys",
		"encoding/json.Marshal":                                         "std: encoding/json",
		"vendor/golang.org/x/net/dns/dnsmessage.(*Builder).Finish":      "std: net",
		"internal/poll.(*FD).Read":                                      "std: poll",
		"internal/runtime/atomic.Load":                                  "std: runtime",
		"runtime.mallocgc":                                              "std: runtime",
		"slices.SortFunc[go.shape.[]github.com/mdlayher/netlink.Set,x]": "std: slices",
		"gopkg%2ein/yaml.Parse":                                         "gopkg.in/yaml",
		"type:.eq.net.Addr":                                             "(types and strings)",
		"go:string.*":                                                   "(types and strings)",
	} {
		if got := group(symbol); got != want {
			t.Errorf("group(%q) = %q, want %q", symbol, got, want)
		}
	}
}
