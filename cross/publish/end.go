// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/latchkey/latchkey/cross/dense"
	"github.com/latchkey/latchkey/cross/keys"
	"github.com/latchkey/latchkey/cross/release"
	"github.com/latchkey/latchkey/cross/signify"
	"github.com/latchkey/latchkey/cross/target"
)

// sumsFile lists all other files of a release.
const sumsFile = "SHA256SUMS"

// end adds to a release's folder the sources, OpenWrt's Makefile for them, the
// notes, the bills of materials, the public keys, and last the signed sums.
func end(ctx context.Context, root string, rel release.Release, folder string, k keys.Keys) error {
	source := "latchkey-" + rel.Version + ".tar.gz"
	archive, err := sources(root, rel)
	if err != nil {
		return err
	}
	recipe, err := os.ReadFile(filepath.Join(root, "openwrt", "latchkey", "Makefile"))
	if err != nil {
		return err
	}
	if recipe, err = filledIn(recipe, sha256.Sum256(archive)); err != nil {
		return err
	}
	changelog, err := os.ReadFile(filepath.Join(root, "CHANGELOG.md"))
	if err != nil {
		return err
	}
	weights, err := sizes(folder)
	if err != nil {
		return err
	}
	public, err := k.APK.MarshalPublic()
	if err != nil {
		return err
	}
	for _, f := range []struct {
		name string
		data []byte
	}{
		{source, archive},
		{"openwrt/Makefile", recipe},
		{"NOTES.md", append(notes(changelog), weights...)},
		{"latchkey.pub", k.OPKG.MarshalPublic()},
		{"latchkey.pem", public},
	} {
		if err := write(filepath.Join(folder, filepath.FromSlash(f.name)), f.data); err != nil {
			return err
		}
	}
	if err := materials(ctx, root, rel, folder); err != nil {
		return err
	}
	return sign(folder, k.OPKG)
}

func write(name string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	return os.WriteFile(name, data, 0o644)
}

// sources returns the commit's files as OpenWrt's build downloads them.
func sources(root string, rel release.Release) ([]byte, error) {
	tar, err := exec.Command("git", "-C", root, "archive", "--format=tar", "--prefix=latchkey-"+rel.Version+"/", "HEAD").Output()
	if err != nil {
		return nil, fmt.Errorf("git archive: %w", err)
	}
	return dense.Gzip(tar), nil
}

// filledIn returns the feed's Makefile with the hash of the sources and with
// where they are. It cannot be so within the sources.
func filledIn(makefile []byte, hash [sha256.Size]byte) ([]byte, error) {
	for _, line := range []struct{ variable, value string }{
		{"PKG_HASH", fmt.Sprintf("%x", hash)},
		{"PKG_SOURCE_URL", "https://github.com/latchkey/latchkey/releases/download/v$(PKG_VERSION)"},
	} {
		assignment := regexp.MustCompile(`(?m)^` + line.variable + `:=.*$`)
		if n := len(assignment.FindAll(makefile, -1)); n != 1 {
			return nil, fmt.Errorf("openwrt/latchkey/Makefile: %d lines set %s, not 1", n, line.variable)
		}
		makefile = assignment.ReplaceAllLiteral(makefile, []byte(line.variable+":="+line.value))
	}
	return makefile, nil
}

// gomod writes bills of materials: see https://cyclonedx.org.
const gomod = "github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0"

// materials writes which modules each program is made of: of each architecture
// the one in its packages, and each client. What is in the packages is built
// again: it has the same bytes.
func materials(ctx context.Context, root string, rel release.Release, folder string) error {
	work, err := os.MkdirTemp("", "latchkey-publish-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	install := exec.CommandContext(ctx, "go", "install", "-trimpath", gomod) // its own hash is in what it writes
	install.Env = append(os.Environ(), "GOBIN="+work, "GOFLAGS=", "CGO_ENABLED=0")
	if out, err := install.CombinedOutput(); err != nil {
		return fmt.Errorf("install %s: %w\n%s", gomod, err, out)
	}
	programs, err := clients(folder, rel)
	if err != nil {
		return err
	}
	b := &target.Builder{Root: root, Version: rel.Version, Folder: work, Progress: os.Stdout}
	for _, t := range target.All() {
		if programs["latchkeyd_"+t.Arch], err = b.Build(ctx, t); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(filepath.Join(folder, "sbom"), 0o755); err != nil {
		return err
	}
	for name, program := range programs {
		list := exec.CommandContext(ctx, filepath.Join(work, "cyclonedx-gomod"), "bin", "-json", "-std", "-noserial", "-notimestamp",
			"-short-purls", "-version", "v"+rel.Version, "-output", filepath.Join(folder, "sbom", name+".cdx.json"), program)
		if out, err := list.CombinedOutput(); err != nil {
			return fmt.Errorf("cyclonedx-gomod for %s: %w\n%s", name, err, out)
		}
	}
	return nil
}

// clients returns the programs that command client has built, by their names
// without an ending.
func clients(folder string, rel release.Release) (map[string]string, error) {
	files, err := filepath.Glob(filepath.Join(folder, "clients", "latchkey-"+rel.Version+"-*"))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s has no clients (hint: make clients)", folder)
	}
	programs := map[string]string{}
	for _, file := range files {
		programs[strings.TrimSuffix(filepath.Base(file), ".exe")] = file
	}
	return programs, nil
}

// sign writes the sums of all files in the folder, and their signature.
func sign(folder string, key *signify.Key) error {
	var sums bytes.Buffer
	err := fs.WalkDir(os.DirFS(folder), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasPrefix(name, sumsFile) {
			return err
		}
		data, err := os.ReadFile(filepath.Join(folder, filepath.FromSlash(name)))
		fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256(data), name)
		return err
	})
	if err != nil {
		return err
	}
	return errors.Join(
		write(filepath.Join(folder, sumsFile), sums.Bytes()),
		write(filepath.Join(folder, sumsFile+".sig"), key.Sign(sums.Bytes())),
	)
}
