// SPDX-License-Identifier: Apache-2.0

package recipe

import (
	"context"
	"io"
	"os"
	"slices"

	"github.com/latchkey/latchkey/cross/pack"
	"github.com/latchkey/latchkey/cross/release"
	"github.com/latchkey/latchkey/cross/target"
)

// Work is a release being built for some targets.
type Work struct {
	Release release.Release
	Targets []target.Target
	Builder *target.Builder
}

// Begin begins to build the release that the sources in folder root are, for
// the given architectures, or for all without any. End is to be called after it.
func Begin(root string, archs []string, progress io.Writer) (*Work, error) {
	rel, err := release.Read(root, os.Getenv)
	if err != nil {
		return nil, err
	}
	targets, err := target.Select(archs)
	if err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp("", "latchkey-build-")
	if err != nil {
		return nil, err
	}
	return &Work{rel, targets, &target.Builder{Root: root, Version: rel.Version, Folder: folder, Progress: progress}}, nil
}

// End removes the programs that were built.
func (w *Work) End() error { return os.RemoveAll(w.Builder.Folder) }

// Packages builds the router's program for the targets and returns all
// packages: one for each target, then those that fit every target.
func (w *Work) Packages(ctx context.Context) ([]*pack.Package, error) {
	var packages []*pack.Package
	root := w.Builder.Root
	for _, t := range w.Targets {
		binary, err := w.Builder.Build(ctx, t)
		if err != nil {
			return nil, err
		}
		p, err := Router(root, w.Release, t.Arch, binary)
		if err != nil {
			return nil, err
		}
		packages = append(packages, p)
	}
	extras, err := Extras(root, w.Release)
	if err != nil {
		return nil, err
	}
	pages, err := LuCI(root, w.Release)
	return slices.Concat(packages, extras, pages), err
}
