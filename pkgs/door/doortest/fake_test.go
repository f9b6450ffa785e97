// SPDX-License-Identifier: Apache-2.0

package doortest_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/latchkey/latchkey/pkgs/door/doortest"
)

// inMemory is the fake with a clock that only Pass moves.
type inMemory struct {
	*doortest.Fake
	now  time.Time
	wide bool
}

func (m *inMemory) Now() time.Time       { return m.now }
func (m *inMemory) Pass(d time.Duration) { m.now = m.now.Add(d) }
func (m *inMemory) Widen(wide bool)      { m.wide = wide }
func (m *inMemory) MakeSets(_ *testing.T, doors ...string) {
	if m.wide {
		m.Fake.MakeWideSets(doors...)
		return
	}
	m.Fake.MakeSets(doors...)
}
func (m *inMemory) DropSets(_ *testing.T, doors ...string)      { m.Fake.DropSets(doors...) }
func (m *inMemory) DropFamily(_ *testing.T, d string, six bool) { m.Fake.DropFamily(d, six) }
func (m *inMemory) Spoil(_ *testing.T, d string, six bool)      { m.Fake.Spoil(d, six) }
func (m *inMemory) Left(_ *testing.T, d string) map[netip.Prefix]time.Duration {
	return m.ElementsOf(m.now, d, m.wide)
}
func (m *inMemory) Plant(_ *testing.T, d string, n netip.Prefix, left time.Duration) {
	if left == 0 {
		left = 100 * 365 * 24 * time.Hour
	}
	m.Fake.Plant(d, n, m.now.Add(left))
}

func TestFake(t *testing.T) {
	doortest.Conformance(t, func(t *testing.T, wide bool) doortest.Env {
		m := &inMemory{doortest.NewFake(), time.Unix(1_700_000_000, 0), wide}
		m.MakeSets(t, "nas", "web")
		return m
	})
}
