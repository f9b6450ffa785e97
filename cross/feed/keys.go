// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/latchkey/latchkey/cross/adb"
	"github.com/latchkey/latchkey/cross/keys"
	"github.com/latchkey/latchkey/cross/signify"
)

// keygen writes new keys, and never over old ones: routers trust them.
func keygen(name string, w io.Writer) error {
	var k keys.Keys
	var err error
	if k.OPKG, err = signify.Generate(rand.Reader); err != nil {
		return err
	}
	if k.APK, err = adb.GenerateKey(); err != nil {
		return err
	}
	secret, err := k.APK.MarshalSecret()
	if err != nil {
		return err
	}
	public, err := k.APK.MarshalPublic()
	if err != nil {
		return err
	}
	files := []struct {
		name string
		mode fs.FileMode
		data []byte
		what string
	}{
		{name, 0o600, k.OPKG.MarshalSecret(), "secret key for opkg: keep it, and keep it to yourself"},
		{name + ".pem", 0o600, secret, "secret key for apk: likewise"},
		{name + ".pub", 0o644, k.OPKG.MarshalPublic(), "public key for opkg; feed.sh has it in it"},
		{name + ".pub.pem", 0o644, public, "public key for apk; likewise"},
	}
	for _, f := range files {
		if _, err := os.Lstat(f.name); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s: %w", f.name, fs.ErrExist)
		}
	}
	for _, f := range files {
		if err := create(f.name, f.mode, f.data); err != nil {
			return err
		}
		fmt.Fprintf(w, "%s  %s\n", f.name, f.what)
	}
	return nil
}

func create(name string, mode fs.FileMode, data []byte) error {
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

//go:embed feed.sh
var script []byte

// setUp returns the script that adds the feed to a router.
func setUp(k keys.Keys, url string, archs []string) ([]byte, error) {
	if strings.ContainsAny(url, "'\n") {
		return nil, fmt.Errorf("%q cannot be an address", url)
	}
	public, err := k.APK.MarshalPublic()
	if err != nil {
		return nil, err
	}
	out := script
	for _, r := range [][2]string{
		{"@ADDRESS@", url},
		{"@ARCHITECTURES@", strings.Join(archs, " ")},
		{"@FINGERPRINT@", k.OPKG.Fingerprint.String()},
		{"@OPKG_KEY@", strings.TrimSpace(string(k.OPKG.MarshalPublic()))},
		{"@APK_KEY@", strings.TrimSpace(string(public))},
	} {
		out = bytes.ReplaceAll(out, []byte(r[0]), []byte(r[1]))
	}
	return out, nil
}

// printHelp prints what a router's owner has to know. The fingerprints are those that
// feed.sh shows.
func printHelp(w io.Writer, k keys.Keys, url string) error {
	public, err := k.APK.MarshalPublic()
	if err != nil {
		return err
	}
	argument := ""
	if url == "" {
		url = "https://HOST/FOLDER"
		argument = " " + url
	}
	url = strings.TrimSuffix(url, "/")
	fmt.Fprintf(w, "\nThe fingerprints (SHA-256) of the keys, to be published where people can trust it:\n")
	fmt.Fprintf(w, "  OpenWrt 24.10 (opkg)          %x\n", sha256.Sum256(k.OPKG.MarshalPublic()))
	fmt.Fprintf(w, "  OpenWrt 25.12 and newer (apk) %x\n", sha256.Sum256(public))
	fmt.Fprintf(w, "\nOn a router, when the folder is served at %s:\n", url)
	fmt.Fprintf(w, "  wget -O /tmp/feed.sh %s/feed.sh && sh /tmp/feed.sh%s\n", url, argument)
	fmt.Fprintf(w, "  opkg update && opkg install luci-app-latchkey    # OpenWrt 24.10\n")
	fmt.Fprintf(w, "  apk update && apk add luci-app-latchkey          # OpenWrt 25.12 and newer\n")
	return nil
}
