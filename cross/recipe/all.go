// SPDX-License-Identifier: Apache-2.0

package recipe

import (
	"context"
	"slices"

	"github.com/latchkey/latchkey/cross/pack"
	"github.com/latchkey/latchkey/cross/release"
	"github.com/latchkey/latchkey/cross/target"
)

// All builds the router's program for the targets and returns all packages:
// one for each target, then those that fit every target.
func All(ctx context.Context, rel release.Release, b *target.Builder, targets []target.Target) ([]*pack.Package, error) {
	var packages []*pack.Package
	for _, t := range targets {
		binary, err := b.Build(ctx, t)
		if err != nil {
			return nil, err
		}
		p, err := Router(b.Root, rel, t.Arch, binary)
		if err != nil {
			return nil, err
		}
		packages = append(packages, p)
	}
	extras, err := Extras(b.Root, rel)
	if err != nil {
		return nil, err
	}
	pages, err := LuCI(b.Root, rel)
	return slices.Concat(packages, extras, pages), err
}
