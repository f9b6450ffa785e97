// SPDX-License-Identifier: Apache-2.0

// Command site writes the knock page as an app into a folder that can be put on any https address.
//
//	go run ./cross/site [-out FOLDER]
//
// Run it in the folder of go.mod, after `npm --prefix luci-app/site ci --ignore-scripts`; `make site` does both.
package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/latchkey/latchkey/cross/command"
	"github.com/latchkey/latchkey/cross/release"
	"github.com/latchkey/latchkey/luci-app/site"
)

func main() {
	out := flag.String("out", "", "the folder that is written into (default: dist/VERSION/site)")
	flag.Parse()
	command.Main("site", func(ctx context.Context) error { return run(ctx, ".", *out, os.Stdout) })
}

func run(ctx context.Context, root, out string, w io.Writer) error {
	rel, err := release.Read(root, os.Getenv)
	if err != nil {
		return err
	}
	out = cmp.Or(out, filepath.Join(root, "dist", rel.Version, "site"))
	files, err := site.Make(ctx, root)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	for _, f := range files {
		if err := os.WriteFile(filepath.Join(out, f.Name), f.Content, 0o644); err != nil {
			return err
		}
		if f.Name == site.Page {
			fmt.Fprintf(w, "%s: %d files; the app calls this version, the SHA-256 of %s:\n%x\n", out, len(files), f.Name, sha256.Sum256(f.Content))
		}
	}
	return nil
}
