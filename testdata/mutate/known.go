// SPDX-License-Identifier: Apache-2.0

package main

// known are mutants that no test can notice, because they change nothing, by what they are, and why.
var known = map[string]string{
	"pkgs/seal/stamps.go: <= for < in age < 0 | if -twinWindow < age && age < 0 {":                                                             "an age of 0 is set to 0",
	"pkgs/seal/stamps.go: one more than 0 | if -twinWindow < age && age < 0 {":                                                                 "it is set to 0, or is 0 or 1 ns",
	"pkgs/seal/stamps.go: one more than 0 | age = 0 // two devices' packets are not handled in the order of their arrival":                     "a nanosecond",
	"pkgs/seal/spans.go: one more than 1 | return -1":                                                                                          "only its sign counts",
	"pkgs/seal/spans.go: one more than 1 | return 1":                                                                                           "only its sign counts",
	"pkgs/seal/spans.go: <= for < in old.Last < first | if old.Last < first && first-old.Last > 1 {":                                           "equal numbers are not more than 1 apart",
	"pkgs/seal/spans.go: swap s and l[to] | s = join(s, l[to])":                                                                                "the range that holds both is the same",
	"pkgs/seal/spans.go: swap l[near] and l[near+1] | l = slices.Replace(l, near, near+2, join(l[near], l[near+1]))":                           "the range that holds both is the same",
	"pkgs/seal/spans.go: one more than 0 | n := 0":                                                                                             "one range is not joined, and those behind it end above it",
	"pkgs/daemon/admit.go: one more than 0 | long = max(min(long, l.client.Expires.Sub(d.atLeast(now, l.client).Round(0))), time.Millisecond)": "rounding to a nanosecond changes nothing",
	"pkgs/daemon/admit.go: one more than 0 | until := g.Until.Round(0)":                                                                        "rounding to a nanosecond changes nothing",
	"pkgs/daemon/replay.go: one more than 0 | left := c.Expires.Sub(d.atLeast(now, c).Round(0))":                                               "rounding to a nanosecond changes nothing",
	"pkgs/daemon/replay.go: one more than 0 | at:       func(t time.Time) uint64 { return uint64(max(t.Unix(), 0)) << secondBits },":           "the first second of 1970",
	"pkgs/daemon/replay.go: one more than 0 | at:       func(t time.Time) uint64 { return uint64(max(t.UnixMilli(), 0)) },":                    "the first millisecond of 1970",
	"pkgs/daemon/replay.go: one more than 0 | time:     func(stamp uint64) time.Time { return time.Unix(int64(stamp>>secondBits), 0) },":       "a nanosecond",
	"pkgs/daemon/replay.go: one more than 1 | return seal.Window{First: max(s.at(now.Add(-skew)), 1), Last: s.at(now.Add(skew))}":              "the first stamp of 1970",
	"pkgs/daemon/policy.go: swap texts and s.Once | texts = append(texts, s.Once...)":                                                          "the same texts in another order",
	"pkgs/daemon/sessions.go: swap flowOf(old, g.Address) and flowOf(d.policy.doors[g.Door], g.Address) | if old := cut(g.Door); old != nil && !sameService(flowOf(old, g.Address), flowOf(d.policy.doors[g.Door], g.Address)) {": "who is the same as whom does not matter",
	"pkgs/daemon/sessions.go: one more than 0 | func (noSessions) End(netip.Addr, func(door.Session) bool) (int, error) { return 0, nil }":                                                                                        "the daemon counts them itself",
	"pkgs/door/book.go: swap is and was | case known && alike(is, was):":                                                                          "who is like whom does not matter",
	"pkgs/door/book.go: <= for < in list[i].Door < list[j].Door | sort.Slice(list, func(i, j int) bool { return list[i].Door < list[j].Door })":   "each door is there once",
	"pkgs/door/book.go: <= for < in a.Door < b.Door | return a.Door < b.Door":                                                                     "they differ here",
	"pkgs/door/book.go: <= for < in a.Holder() < b.Holder() | return a.Holder() < b.Holder()":                                                     "no two are alike in all",
	"pkgs/seal/ring.go: one more than 256 | bytes  [hintSize][256]bool // bytes of hints that are expected now, by their place":                   "no byte is 256",
	"pkgs/nft/nft.go: one more than 500 | const chunk = 500":                                                                                      "there is room for more",
	"pkgs/nft/nft.go: one more than 20 | const tries = 20":                                                                                        "one more try",
	"pkgs/nft/fit.go: one more than 0x100 | setExpr   = 0x100":                                                                                    "0x1 is an anonymous set, which has no name",
	"pkgs/nft/fit.go: one more than 0x80 | setConcat = 0x80":                                                                                      "0x1 is an anonymous set, which has no name",
	"pkgs/seal/ring.go: one more than 16 | func hintNumber(h [hintSize]byte) uint32 { return uint32(h[0])<<16 | uint32(h[1])<<8 | uint32(h[2]) }": "the order is the same",
	"pkgs/seal/ring.go: one more than 0 | return 0, Body{}, ErrBadMessage":                                                                        "with an error the number says nothing",
	"pkgs/seal/ring.go: one more than 0 | return 0, Body{}, ErrUnknownKey // a message that none opens may be anything":                           "with an error the number says nothing",
	"pkgs/seal/ring.go: one more than 0 | return 0, Body{}, err":                                                                                  "with an error the number says nothing",
}
