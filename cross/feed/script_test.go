// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// router is a folder that stands for a router's file system.
type router struct {
	t    *testing.T
	root string
	bin  string // of the package manager, all that feed.sh looks for there
}

// newRouter returns one of an architecture with some package managers.
func newRouter(t *testing.T, arch string, managers ...string) *router {
	t.Helper()
	r := &router{t: t, root: t.TempDir(), bin: t.TempDir()}
	write(t, []byte("DISTRIB_ID='OpenWrt'\nDISTRIB_ARCH='"+arch+"'\nDISTRIB_TAINTS=''\n"), r.root, "etc", "openwrt_release")
	for _, m := range managers {
		write(t, []byte("#!/bin/sh\n"), r.bin, m)
		if err := os.Chmod(filepath.Join(r.bin, m), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// run runs a feed's script under the shell of OpenWrt, with this router's
// paths.
func (r *router) run(script []byte, args ...string) (output string, err error) {
	r.t.Helper()
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		r.t.Skip("SKIP: no busybox, whose ash is the shell of OpenWrt")
	}
	text := strings.NewReplacer("=/etc/", "="+r.root+"/etc/", "=/lib/", "="+r.root+"/lib/").Replace(string(script))
	cmd := exec.Command(busybox, append([]string{"ash", "-s", "--"}, args...)...)
	cmd.Stdin = strings.NewReader(text)
	applets := r.t.TempDir()
	for _, name := range []string{"cat", "mkdir", "mv", "rm", "sed", "sha256sum"} {
		if err := os.Symlink(busybox, filepath.Join(applets, name)); err != nil {
			r.t.Fatal(err)
		}
	}
	cmd.Env = []string{"PATH=" + r.bin + ":" + applets}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// files returns what is on the router but for what was there before.
func (r *router) files() []string {
	r.t.Helper()
	var names []string
	err := fs.WalkDir(os.DirFS(r.root), ".", func(name string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && name != "etc/openwrt_release" {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return names
}

func (r *router) has(want ...string) {
	r.t.Helper()
	if got := strings.Join(r.files(), " "); got != strings.Join(want, " ") {
		r.t.Errorf("the router has %s, want %s", got, strings.Join(want, " "))
	}
}

func (r *router) contains(name, want string) {
	r.t.Helper()
	if got := string(read(r.t, r.root, name)); got != want {
		r.t.Errorf("%s contains %q, want %q", name, got, want)
	}
}

const address = "https://example.net/a~b/latchkey"

func TestScript_tells_opkg(t *testing.T) {
	folder, key := newFeed(t, address+"/")
	script := read(t, folder, "feed.sh")
	r := newRouter(t, "mips_24kc", "opkg")
	out, err := r.run(script)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	name := "etc/opkg/keys/" + fingerprint(t, key)
	r.has(name, "etc/opkg/latchkey.conf", "lib/upgrade/keep.d/latchkey-feed")
	r.contains(name, string(read(t, key+".pub")))
	r.contains("etc/opkg/latchkey.conf", "src/gz latchkey "+address+"/opkg/mips_24kc\n")
	r.contains("lib/upgrade/keep.d/latchkey-feed", r.root+"/etc/opkg/latchkey.conf\n"+r.root+"/"+name+"\n"+r.root+"/lib/upgrade/keep.d/latchkey-feed\n")
	if want := "opkg update && opkg install luci-app-latchkey\n"; !strings.HasSuffix(out, want) {
		t.Errorf("it says\n%s", out)
	}
	if want := told(t, folder, key)[0]; !strings.Contains(out, want) {
		t.Errorf("the feed's maker is told the fingerprint %s, the router\n%s", want, out)
	}
}

func TestScript_tells_apk(t *testing.T) {
	folder, key := newFeed(t, address)
	r := newRouter(t, "x86_64", "apk")
	out, err := r.run(read(t, folder, "feed.sh"))
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	r.has("etc/apk/keys/latchkey.pem", "etc/apk/repositories.d/latchkey.list", "lib/upgrade/keep.d/latchkey-feed")
	r.contains("etc/apk/keys/latchkey.pem", string(read(t, key+".pub.pem")))
	r.contains("etc/apk/repositories.d/latchkey.list", address+"/apk/x86_64/packages.adb\n")
	r.contains("lib/upgrade/keep.d/latchkey-feed",
		r.root+"/etc/apk/repositories.d/latchkey.list\n"+r.root+"/etc/apk/keys/latchkey.pem\n"+r.root+"/lib/upgrade/keep.d/latchkey-feed\n")
	if want := "apk update && apk add luci-app-latchkey\n"; !strings.HasSuffix(out, want) {
		t.Errorf("it says\n%s", out)
	}
	if want := told(t, folder, key)[1]; !strings.Contains(out, want) {
		t.Errorf("the feed's maker is told the fingerprint %s, the router\n%s", want, out)
	}
}

// fingerprint returns by what opkg finds a key.
func fingerprint(t *testing.T, key string) string {
	_, after, _ := strings.Cut(string(read(t, key+".pub")), "public key ")
	name, _, _ := strings.Cut(after, "\n")
	return name
}

// told returns the fingerprints that are shown to who makes a feed.
func told(t *testing.T, folder, key string) (fingerprints []string) {
	t.Helper()
	var out bytes.Buffer
	if err := run([]string{folder, "--key", key}, &out); err != nil {
		t.Fatal(err)
	}
	for word := range strings.FieldsSeq(out.String()) {
		if len(word) == 64 {
			fingerprints = append(fingerprints, word)
		}
	}
	if len(fingerprints) != 2 {
		t.Fatalf("%d fingerprints in\n%s", len(fingerprints), out.String())
	}
	return fingerprints
}

func TestScript_takes_the_address_as_argument(t *testing.T) {
	folder, _ := newFeed(t, "")
	script := read(t, folder, "feed.sh")
	r := newRouter(t, "x86_64", "opkg")
	for _, a := range []string{"http://192.168.1.2:8000/", "https://example.net/new"} {
		if out, err := r.run(script, a); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	r.contains("etc/opkg/latchkey.conf", "src/gz latchkey https://example.net/new/opkg/x86_64\n")
}

// With both, as while a router changes over, apk is what counts.
func TestScript_prefers_apk(t *testing.T) {
	folder, _ := newFeed(t, address)
	r := newRouter(t, "x86_64", "opkg", "apk")
	if out, err := r.run(read(t, folder, "feed.sh")); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	r.has("etc/apk/keys/latchkey.pem", "etc/apk/repositories.d/latchkey.list", "lib/upgrade/keep.d/latchkey-feed")
}

func TestScript_removes_what_it_made(t *testing.T) {
	folder, _ := newFeed(t, address)
	script := read(t, folder, "feed.sh")
	for _, manager := range []string{"opkg", "apk"} {
		r := newRouter(t, "x86_64", manager)
		for _, args := range [][]string{nil, {"remove"}, {"remove"}} { // twice does no harm
			if out, err := r.run(script, args...); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
		}
		r.has()
	}
}

func TestScript_refuses(t *testing.T) {
	for name, c := range map[string]struct {
		arch, manager string
		args          []string
		want          string
	}{
		"another architecture":    {"mips_4kec", "opkg", []string{address}, "no packages for mips_4kec\nfeed: hint: there are some for: mips_24kc x86_64"},
		"no architecture":         {"", "opkg", []string{address}, "does not tell the architecture"},
		"no package manager":      {"x86_64", "dpkg", []string{address}, "neither opkg nor apk"},
		"no address":              {"x86_64", "opkg", nil, "sh feed.sh https://HOST/FOLDER"},
		"a folder":                {"x86_64", "apk", []string{"/tmp/feed"}, "does not begin with https://"},
		"an address with a space": {"x86_64", "apk", []string{"https://example.net/a b"}, "cannot be an address"},
		"an address with a line":  {"x86_64", "apk", []string{"https://example.net/\nsrc/gz x https://x"}, "cannot be an address"},
	} {
		t.Run(name, func(t *testing.T) {
			folder, _ := newFeed(t, "")
			r := newRouter(t, c.arch, c.manager)
			out, err := r.run(read(t, folder, "feed.sh"), c.args...)
			if err == nil || !strings.Contains(out, c.want) {
				t.Errorf("error %v, and it says %q, not %q", err, out, c.want)
			}
			r.has()
		})
	}
}

// A script that was cut off on its way does nothing.
func TestScript_cut_off_does_nothing(t *testing.T) {
	folder, _ := newFeed(t, address)
	script := read(t, folder, "feed.sh")
	for cut := len(script) - 4; cut > 0; cut -= 97 {
		r := newRouter(t, "x86_64", "apk")
		_, _ = r.run(script[:cut]) // an error or nothing at all
		r.has()
	}
}

func TestScript_shellcheck(t *testing.T) {
	if _, err := exec.LookPath("shellcheck"); err != nil {
		t.Skip("SKIP: no shellcheck")
	}
	folder, _ := newFeed(t, address)
	if out, err := exec.Command("shellcheck", "feed.sh", filepath.Join(folder, "feed.sh")).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// serve serves a folder on the loopback.
func serve(t *testing.T, folder string) string {
	server := httptest.NewServer(http.FileServer(http.Dir(folder)))
	t.Cleanup(server.Close)
	return server.URL
}
