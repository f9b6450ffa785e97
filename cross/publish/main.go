// SPDX-License-Identifier: Apache-2.0

// Command publish makes a release of what the make targets have built: it is
// the beginning and the end of "make release".
//
//	go run ./cross/publish begin VERSION           refuse changed sources, and empty dist/VERSION
//	go run ./cross/publish end VERSION --key FILE  add what is about all of it, and sign it
//
// Run it in the folder of go.mod. The key is that of command feed.
package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/latchkey/latchkey/cross/command"
	"github.com/latchkey/latchkey/cross/keys"
	"github.com/latchkey/latchkey/cross/release"
)

const usage command.Usage = `usage: publish begin VERSION
       publish end VERSION --key FILE`

func main() {
	command.Main("publish", func(ctx context.Context) error { return run(ctx, ".", os.Args[1:]) })
}

func run(ctx context.Context, root string, args []string) error {
	switch {
	case len(args) == 2 && args[0] == "begin":
		_, folder, err := check(root, args[1])
		if err != nil {
			return err
		}
		return os.RemoveAll(folder)
	case len(args) == 4 && args[0] == "end" && args[2] == "--key":
		rel, folder, err := check(root, args[1])
		if err != nil {
			return err
		}
		k, err := keys.Read(args[3])
		if err != nil {
			return err
		}
		return end(ctx, root, rel, folder, k)
	default:
		return usage
	}
}

// check returns the release that the sources are, and its folder, if they are
// those of a commit and of that version.
func check(root, version string) (rel release.Release, folder string, err error) {
	if rel, err = release.Read(root, os.Getenv); err != nil {
		return rel, "", err
	}
	if version != rel.Version {
		return rel, "", fmt.Errorf("version %q: the newest one in CHANGELOG.md is %s", version, rel.Version)
	}
	changed, err := exec.Command("git", "-C", root, "status", "--porcelain").Output()
	if err != nil {
		return rel, "", fmt.Errorf("git status: %w", err)
	}
	if len(changed) > 0 {
		return rel, "", fmt.Errorf("the sources are not those of a commit (hint: commit or stash):\n%s",
			strings.TrimRight(string(changed), "\n"))
	}
	return rel, filepath.Join(root, "dist", rel.Version), nil
}
