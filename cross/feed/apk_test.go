// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"compress/flate"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/latchkey/latchkey/cross/apktest"
)

// apkRouter is a router whose feed is served, and whose apk is the real one.
// What the scripts of packages do is written into the file log.
type apkRouter struct {
	*router
	apk         func(args ...string) (string, error)
	folder, key string // of the feed
	url         string
}

func newAPKRouter(t *testing.T) *apkRouter {
	t.Helper()
	apk := apktest.Real(t)
	if apk == nil {
		return nil
	}
	r := &apkRouter{router: newRouter(t, "x86_64", "apk"), apk: apk}
	r.folder, r.key = newFeed(t, "")
	r.url = serve(t, r.folder)

	busybox, err := exec.LookPath("busybox")
	if err != nil {
		t.Skip("SKIP: no busybox, whose ash is the shell of OpenWrt")
	}
	write(t, read(t, busybox), r.root, "bin", "busybox")
	if err := os.Chmod(filepath.Join(r.root, "bin", "busybox"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("busybox", filepath.Join(r.root, "bin", "sh")); err != nil {
		t.Fatal(err)
	}
	write(t, []byte("x86_64\n"), r.root, "etc", "apk", "arch")
	write(t, []byte(`log() { echo "$1 $pkgname upgrade=$PKG_UPGRADE" >>/log; }
add_group_and_user() { log users; }
default_postinst() { log postinst; }
default_prerm() { log prerm; }
`), r.root, "lib", "functions.sh")
	r.must("add", "--initdb")
	return r
}

// run runs apk on the router.
func (r *apkRouter) run(args ...string) (string, error) {
	return r.apk(append([]string{"--root", r.root, "--no-progress"}, args...)...)
}

func (r *apkRouter) must(args ...string) string {
	r.t.Helper()
	out, err := r.run(args...)
	if err != nil {
		r.t.Fatalf("apk %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// refuses expects that apk says so, and that the file is not there afterwards.
func (r *apkRouter) refuses(file, want string, args ...string) {
	r.t.Helper()
	out, err := r.run(args...)
	if err == nil || !strings.Contains(out, want) {
		r.t.Errorf("apk %s: %v, and it says %q, not %q", strings.Join(args, " "), err, out, want)
	}
	if _, err := os.Stat(filepath.Join(r.root, file)); err == nil {
		r.t.Errorf("%s is there all the same", file)
	}
}

// tell runs the feed's script.
func (r *apkRouter) tell() {
	r.t.Helper()
	if out, err := r.router.run(read(r.t, r.folder, "feed.sh"), r.url); err != nil {
		r.t.Fatalf("feed.sh: %v\n%s", err, out)
	}
}

// release puts another version into the feed, and signs it.
func (r *apkRouter) release(version string) {
	r.t.Helper()
	remove(r.t, r.folder, "opkg")
	remove(r.t, r.folder, "apk")
	add(r.t, r.folder, packages(version))
	r.sign()
}

func (r *apkRouter) sign() {
	r.t.Helper()
	if err := run([]string{r.folder, "--key", r.key}, io.Discard); err != nil {
		r.t.Fatal(err)
	}
}

// logged returns what scripts did since the last time.
func (r *apkRouter) logged() string {
	name := filepath.Join(r.root, "log")
	b, _ := os.ReadFile(name) // none if nothing was done
	_ = os.Remove(name)
	return string(b)
}

// What is installed by the packages.
const (
	config = "etc/config/latchkey"
	page   = "www/latchkey/index.html"
)

func TestAPK_installs_upgrades_and_removes(t *testing.T) {
	r := newAPKRouter(t)
	if r == nil {
		return
	}
	r.tell()
	r.must("update")
	r.must("add", "luci-app-latchkey", "luci-i18n-latchkey-de")
	r.contains(page, "page of 1.2.3-r1\n")
	r.contains(config, "config of 1.2.3-r1\n")
	if info, err := os.Stat(filepath.Join(r.root, config)); err != nil || info.Mode() != 0o600 {
		t.Errorf("the configuration has mode %v, %v", info.Mode(), err)
	}
	if got, want := r.logged(), "users latchkey upgrade=\npostinst latchkey upgrade=\n"+
		"users luci-app-latchkey upgrade=\npostinst luci-app-latchkey upgrade=\n"; !strings.HasPrefix(got, want) {
		t.Errorf("the installation did\n%swant\n%s", got, want)
	}

	// A configuration that nobody changed is replaced; a changed one stays.
	r.release("1.2.4-r1")
	r.must("update")
	r.must("upgrade", "latchkey", "luci-app-latchkey")
	r.contains(page, "page of 1.2.4-r1\n")
	r.contains(config, "config of 1.2.4-r1\n")
	if got := r.logged(); !strings.Contains(got, "postinst latchkey upgrade=1\n") || strings.Contains(got, "prerm") {
		t.Errorf("the upgrade did\n%s", got)
	}
	write(t, []byte("mine\n"), r.root, config)
	r.release("1.2.10-r1")
	r.must("update")
	r.must("upgrade", "latchkey", "luci-app-latchkey")
	r.contains(page, "page of 1.2.10-r1\n")
	r.contains(config, "mine\n")
	r.contains(config+".apk-new", "config of 1.2.10-r1\n")

	r.logged()
	r.must("del", "--rdepends", "latchkey")
	if got := r.logged(); !strings.HasSuffix(got, "prerm luci-app-latchkey upgrade=\nprerm latchkey upgrade=\n") {
		t.Errorf("the removal did\n%s", got)
	}
	if _, err := os.Stat(filepath.Join(r.root, "www")); !os.IsNotExist(err) {
		t.Errorf("a folder is left: %v", err)
	}
	r.contains(config, "mine\n")
	if out := r.must("list", "--installed"); strings.Contains(out, "latchkey") {
		t.Errorf("installed are\n%s", out)
	}
}

func TestAPK_refuses_what_it_cannot_trust(t *testing.T) {
	for name, c := range map[string]struct {
		change     func(r *apkRouter)
		file, want string
	}{
		"no key":            {func(r *apkRouter) { remove(r.t, r.root, "etc", "apk", "keys", "latchkey.pem") }, config, "UNTRUSTED"},
		"another key":       {func(r *apkRouter) { r.key = newKeys(r.t); r.sign() }, config, "UNTRUSTED"},
		"no signature":      {inFeed("packages.adb", withoutSignature), config, "UNTRUSTED"},
		"a changed index":   {inFeed("packages.adb", changed("1.2.3-r1", "1.2.9-r1")), config, "UNTRUSTED"},
		"a damaged index":   {inFeed("packages.adb", flipped), config, ""},
		"a changed page":    {inFeed("luci-app-latchkey-1.2.3-r1.apk", changed("page of", "fake of")), page, "luci-app-latchkey-1.2.3-r1"},
		"a changed script":  {inFeed("latchkey-1.2.3-r1.apk", changed("default_prerm", "log hijacking")), config, "latchkey-1.2.3-r1"},
		"a damaged package": {inFeed("luci-app-latchkey-1.2.3-r1.apk", flipped), page, "luci-app-latchkey-1.2.3-r1"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newAPKRouter(t)
			if r == nil {
				return
			}
			r.tell()
			c.change(r)
			_, _ = r.run("update") // fails, or the next one does
			r.refuses(c.file, c.want, "add", "luci-app-latchkey")
		})
	}
}

// inFeed changes a file in the feed.
func inFeed(name string, change func([]byte) []byte) func(r *apkRouter) {
	return func(r *apkRouter) {
		r.t.Helper()
		old := read(r.t, r.folder, "apk", "x86_64", name)
		now := change(bytes.Clone(old))
		if bytes.Equal(old, now) {
			r.t.Fatalf("%s is as it was", name)
		}
		write(r.t, now, r.folder, "apk", "x86_64", name)
	}
}

// flipped changes a bit in the middle.
func flipped(b []byte) []byte {
	b[len(b)/2] ^= 0x10
	return b
}

// changed puts another text into a file, and compresses it again.
func changed(from, to string) func([]byte) []byte {
	return func(b []byte) []byte { return recompressed(bytes.ReplaceAll(plain(b), []byte(from), []byte(to))) }
}

// withoutSignature leaves out what follows the database's block.
func withoutSignature(b []byte) []byte {
	p := plain(b)
	size := int(p[8]) | int(p[9])<<8
	return recompressed(p[:8+(size+7)/8*8])
}

func plain(b []byte) []byte {
	p, err := io.ReadAll(flate.NewReader(bytes.NewReader(b[4:])))
	if err != nil {
		panic(err)
	}
	return p
}

func recompressed(p []byte) []byte {
	out := bytes.NewBufferString("ADBd")
	z, err := flate.NewWriter(out, flate.BestCompression)
	if err != nil {
		panic(err)
	}
	_, _ = z.Write(p) // a buffer takes all
	_ = z.Close()
	return out.Bytes()
}

func TestAPK_installs_a_local_file_if_told_to_trust_it(t *testing.T) {
	r := newAPKRouter(t)
	if r == nil {
		return
	}
	files := []string{"latchkey-1.2.3-r1.apk", "luci-app-latchkey-1.2.3-r1.apk"}
	for i, name := range files {
		files[i] = filepath.Join(r.folder, "apk", "x86_64", name)
	}
	r.refuses(page, "UNTRUSTED signature", append([]string{"add"}, files...)...)
	r.must(append([]string{"add", "--allow-untrusted"}, files...)...)
	r.contains(page, "page of 1.2.3-r1\n")
}
