// SPDX-License-Identifier: Apache-2.0

// Command feed makes a folder of .ipk files into signed feeds for opkg.
//
//	go run ./cross/feed keygen FILE           make a key: FILE and FILE.pub
//	go run ./cross/feed DIR --key FILE        make DIR/<architecture>/ for each architecture in DIR
//
// Each feed holds the packages of its architecture and those for all, because
// opkg complains about every other package in a list.
package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/latchkey/latchkey/cross/dense"
	"github.com/latchkey/latchkey/cross/index"
	"github.com/latchkey/latchkey/cross/signify"
)

const usage = `usage: feed keygen FILE
       feed DIR --key FILE`

var errUsage = errors.New(usage)

func main() {
	err := run(os.Args[1:], os.Stdout)
	switch {
	case errors.Is(err, errUsage):
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "feed: error:", err)
		os.Exit(1)
	}
}

func run(args []string, w io.Writer) error {
	switch {
	case len(args) == 2 && args[0] == "keygen":
		return keygen(args[1], w)
	case len(args) == 3 && args[1] == "--key":
		return feeds(args[0], args[2], w)
	case len(args) == 3 && args[0] == "--key":
		return feeds(args[2], args[1], w)
	default:
		return errUsage
	}
}

// keygen writes a new key pair, and never over an old one: routers trust it.
func keygen(name string, w io.Writer) error {
	key, err := signify.Generate(rand.Reader)
	if err != nil {
		return err
	}
	if err := create(name, 0o600, key.MarshalSecret()); err != nil {
		return err
	}
	if err := create(name+".pub", 0o644, key.MarshalPublic()); err != nil {
		return err
	}
	fmt.Fprintf(w, "%s      secret key: keep it, and keep it to yourself\n", name)
	fmt.Fprintf(w, "%s.pub  public key: on a router, opkg-key add %s.pub\n", name, filepath.Base(name))
	return nil
}

func create(name string, mode os.FileMode, data []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	if _, err := f.Write(data); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// feeds makes one feed for each architecture that the packages in folder have.
func feeds(folder, keyFile string, w io.Writer) error {
	text, err := os.ReadFile(keyFile)
	if err != nil {
		return fmt.Errorf("%w (hint: make a key with: go run ./cross/feed keygen %s)", err, keyFile)
	}
	key, err := signify.ParseSecret(text)
	if err != nil {
		return fmt.Errorf("%s: %w", keyFile, err)
	}
	byArch, order, err := packages(folder)
	if err != nil {
		return err
	}
	for _, arch := range order {
		list := slices.Concat(byArch[arch], byArch["all"])
		if err := write(filepath.Join(folder, arch), list, key); err != nil {
			return err
		}
		fmt.Fprintf(w, "%s: %d packages, signed by %s\n", filepath.Join(folder, arch), len(list), key.Fingerprint)
	}
	fmt.Fprintf(w, "\non a router: opkg-key add the public key, then a line in /etc/opkg/customfeeds.conf:\n")
	fmt.Fprintf(w, "src/gz latchkey https://YOUR-HOST/%s/ARCHITECTURE\n", filepath.Base(folder))
	return nil
}

// packages reads the .ipk files of a folder, and returns the architectures of
// those that are not for all in the order of their files.
func packages(folder string) (byArch map[string][]index.IPK, order []string, err error) {
	names, err := filepath.Glob(filepath.Join(folder, "*.ipk"))
	if err != nil {
		return nil, nil, err
	}
	byArch = make(map[string][]index.IPK) // bounded by the files
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, nil, err
		}
		p := index.IPK{Name: filepath.Base(name), Data: data}
		arch, err := p.Architecture()
		if err != nil {
			return nil, nil, err
		}
		if arch != filepath.Base(arch) || strings.HasPrefix(arch, ".") {
			return nil, nil, fmt.Errorf("%s: architecture %q cannot be a folder", name, arch)
		}
		if arch != "all" && byArch[arch] == nil {
			order = append(order, arch)
		}
		byArch[arch] = append(byArch[arch], p)
	}
	if len(order) == 0 {
		return nil, nil, fmt.Errorf("%s: no .ipk file for any architecture (hint: make ipk)", folder)
	}
	return byArch, order, nil
}

// write makes a feed: the packages, the list in two forms, and the signature,
// which is of the uncompressed list.
func write(folder string, packages []index.IPK, key *signify.Key) error {
	text, err := index.Text(packages)
	if err != nil {
		return err
	}
	files := slices.Concat(packages, []index.IPK{
		{Name: "Packages", Data: text},
		{Name: "Packages.gz", Data: dense.Gzip(text)},
		{Name: "Packages.sig", Data: key.Sign(text)},
	})
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for _, f := range files {
		if err := os.WriteFile(filepath.Join(folder, f.Name), f.Data, 0o644); err != nil {
			return err
		}
	}
	return nil
}
