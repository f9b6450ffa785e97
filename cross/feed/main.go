// SPDX-License-Identifier: Apache-2.0

// Command feed makes the folders of command packages into signed feeds for
// opkg and apk.
//
//	go run ./cross/feed keygen FILE                     make keys: see below
//	go run ./cross/feed DIR --key FILE [--url ADDRESS]  sign DIR/opkg and DIR/apk
//
// Each feed is a folder for an architecture. DIR is what a web server is to
// serve: it also gets the script feed.sh, which adds the feed to a router.
// Address is where DIR will be; without it, feed.sh wants it as an argument.
//
// FILE is the secret key for opkg, and FILE.pem that for apk; FILE.pub and
// FILE.pub.pem are their public halves. All are kept by who makes the feed.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/latchkey/latchkey/cross/adb"
	"github.com/latchkey/latchkey/cross/command"
	"github.com/latchkey/latchkey/cross/dense"
	"github.com/latchkey/latchkey/cross/index"
	"github.com/latchkey/latchkey/cross/keys"
	"github.com/latchkey/latchkey/cross/signify"
)

const usage command.Usage = `usage: feed keygen FILE
       feed DIR --key FILE [--url ADDRESS]`

func main() {
	command.Main("feed", func(context.Context) error { return run(os.Args[1:], os.Stdout) })
}

func run(args []string, w io.Writer) error {
	if len(args) == 2 && args[0] == "keygen" {
		return keygen(args[1], w)
	}
	var folders []string
	options := map[string]string{"--key": "", "--url": ""}
	for len(args) > 0 {
		_, isOption := options[args[0]]
		switch {
		case isOption && len(args) >= 2:
			options[args[0]] = args[1]
			args = args[2:]
		case isOption || strings.HasPrefix(args[0], "-"):
			return usage
		default:
			folders = append(folders, args[0])
			args = args[1:]
		}
	}
	if len(folders) != 1 || options["--key"] == "" {
		return usage
	}
	k, err := keys.Read(options["--key"])
	if err != nil {
		return err
	}
	return feeds(folders[0], k, options["--url"], w)
}

// feeds signs what is in a folder.
func feeds(folder string, k keys.Keys, url string, w io.Writer) error {
	archs, err := architectures(folder)
	if err != nil {
		return err
	}
	for _, arch := range archs {
		n, err := forOPKG(filepath.Join(folder, "opkg", arch), arch, k.OPKG)
		if err != nil {
			return err
		}
		m, err := forAPK(filepath.Join(folder, "apk", arch), arch, k.APK)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "%s: %d packages for opkg, %d for apk\n", arch, n, m)
	}
	script, err := setUp(k, url, archs)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(folder, "feed.sh"), script, 0o644); err != nil {
		return err
	}
	return printHelp(w, k, url)
}

// architectures returns those that there are packages for: of both kinds, as
// feed.sh promises both.
func architectures(folder string) ([]string, error) {
	var both [2][]string
	for i, manager := range []string{"opkg", "apk"} {
		entries, err := os.ReadDir(filepath.Join(folder, manager))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
		for _, e := range entries {
			both[i] = append(both[i], e.Name())
		}
	}
	switch {
	case len(both[0]) == 0:
		return nil, fmt.Errorf("%s: no packages for opkg (hint: make ipk)", folder)
	case len(both[1]) == 0:
		return nil, fmt.Errorf("%s: no packages for apk (hint: make apk)", folder)
	case !slices.Equal(both[0], both[1]):
		return nil, fmt.Errorf("%s: there are packages for opkg of %s, but for apk of %s (hint: make ipk apk)",
			folder, strings.Join(both[0], ", "), strings.Join(both[1], ", "))
	}
	return both[0], nil
}

// forOPKG writes the list of a folder's packages in two forms, and the
// signature, which is of the uncompressed list.
func forOPKG(folder, arch string, key *signify.Key) (n int, err error) {
	var packages []index.IPK
	err = each(folder, "*.ipk", func(name string, data []byte) error {
		p := index.IPK{Name: name, Data: data}
		packages = append(packages, p)
		got, err := p.Architecture()
		if err == nil && got != arch && got != "all" {
			err = fmt.Errorf("%s: it is for %s, not for %s", name, got, arch)
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("%s: %w", folder, err)
	}
	text, err := index.Text(packages)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", folder, err)
	}
	for _, f := range []index.IPK{
		{Name: "Packages", Data: text},
		{Name: "Packages.gz", Data: dense.Gzip(text)},
		{Name: "Packages.sig", Data: key.Sign(text)},
	} {
		if err := os.WriteFile(filepath.Join(folder, f.Name), f.Data, 0o644); err != nil {
			return 0, err
		}
	}
	return len(packages), nil
}

// forAPK writes the signed list of a folder's packages.
func forAPK(folder, arch string, key *adb.Key) (n int, err error) {
	var packages []index.APK
	err = each(folder, "*.apk", func(name string, data []byte) error {
		packages = append(packages, index.APK{Name: name, Data: data})
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("%s: %w", folder, err)
	}
	list, err := index.Database(packages, arch, key)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", folder, err)
	}
	return len(packages), os.WriteFile(filepath.Join(folder, "packages.adb"), list, 0o644)
}

// each reads the files of a folder that match.
func each(folder, pattern string, read func(name string, data []byte) error) error {
	names, err := filepath.Glob(filepath.Join(folder, pattern))
	if err != nil {
		return err
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if err := read(filepath.Base(name), data); err != nil {
			return err
		}
	}
	return nil
}
