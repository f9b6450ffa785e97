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
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"

	"github.com/latchkey/latchkey/cross/adb"
	"github.com/latchkey/latchkey/cross/release"
	"github.com/latchkey/latchkey/cross/signify"
)

const usage = `usage: publish begin VERSION
       publish end VERSION --key FILE`

var errUsage = errors.New(usage)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := run(ctx, ".", os.Args[1:])
	switch {
	case errors.Is(err, errUsage):
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "publish: error:", err)
		os.Exit(1)
	}
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
		k, err := readKeys(args[3])
		if err != nil {
			return err
		}
		return end(ctx, root, rel, folder, k)
	default:
		return errUsage
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

// keys are those of command feed.
type keys struct {
	signify *signify.Key
	apk     *adb.Key
}

func readKeys(name string) (k keys, err error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return k, fmt.Errorf("%w (hint: make keys with: go run ./cross/feed keygen %s)", err, name)
	}
	if k.signify, err = signify.ParseSecret(text); err != nil {
		return k, fmt.Errorf("%s: %w", name, err)
	}
	if text, err = os.ReadFile(name + ".pem"); err != nil {
		return k, err
	}
	if k.apk, err = adb.ParseSecret(text); err != nil {
		return k, fmt.Errorf("%s.pem: %w", name, err)
	}
	return k, nil
}
