// SPDX-License-Identifier: Apache-2.0

package pack_test

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey/latchkey/cross/apktest"
	"github.com/latchkey/latchkey/cross/ipktest"
	"github.com/latchkey/latchkey/cross/pack"
)

func apk(t *testing.T, p *pack.Package) *apktest.File {
	t.Helper()
	var b bytes.Buffer
	if err := p.WriteAPK(&b); err != nil {
		t.Fatal(err)
	}
	f, err := apktest.Read(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// packages are what the golden files in testdata were made of, by "apk mkpkg"
// of apk-tools 3.0.6.
func packages() []*pack.Package {
	plain := &pack.Package{Name: "plain", Version: "0-r0", Arch: "all", Description: "No file", Time: example().Time}
	late := example()
	late.Name, late.Time = "late", late.Time.AddDate(90, 0, 0) // more seconds than 32 bits can tell
	late.Files = []pack.File{
		{Path: "/empty", Mode: 0o644}, // in the root folder
		{Path: "/a/b", Mode: 0o777, Data: bytes.Repeat([]byte("long "), 20_000)},
		{Path: "/a-b/c", Mode: 0o400, Data: bytes.Repeat([]byte("x"), 300)}, // '-' is before '/'
		{Path: "/a/b-c/d", Mode: 0o644, Data: []byte("d")},
	}
	late.Description = strings.Repeat("A long description. ", 30)
	late.PostInst, late.PostRm, late.Keep, late.User, late.Depends = "", "", nil, "", []string{"z", "a", "z"}
	return []*pack.Package{example(), plain, late}
}

// What apk makes of the same files is the same, byte for byte, but for the
// compression.
func TestWriteAPK_writes_what_apk_writes(t *testing.T) {
	real := apktest.Real(t)
	for _, p := range packages() {
		t.Run(p.Name, func(t *testing.T) {
			ours := apk(t, p)
			if real != nil && !bytes.Equal(apktest.Repack(t, real, ours), ours.Plain) {
				t.Error("apk mkpkg makes another package of the same files")
			}
			golden, err := os.ReadFile("testdata/" + p.APKName())
			if err != nil {
				t.Fatal(err)
			}
			want, err := apktest.Read(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want.Text, ours.Text); diff != "" {
				t.Errorf("package (-apk +ours):\n%s", diff)
			}
			if !bytes.Equal(want.Plain, ours.Plain) {
				t.Error("the bytes are not those of apk")
			}
		})
	}
}

func TestWriteAPK_same_bytes_again(t *testing.T) {
	var one, two bytes.Buffer
	for _, b := range []*bytes.Buffer{&one, &two} {
		if err := example().WriteAPK(b); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(one.Bytes(), two.Bytes()) {
		t.Error("the same package gave other bytes")
	}
}

func TestWriteAPK_has_the_records_of_OpenWrt(t *testing.T) {
	f := apk(t, example())
	long := "/usr/share/" + strings.Repeat("long/", 30) + "name\n"
	for name, want := range map[string]string{
		".list": "/etc/config/opener\n/etc/init.d/opener\n/lib/upgrade/keep.d/door-opener\n" +
			"/usr/bin/opener\n" + long,
		".conffiles":        "/etc/config/opener\n/etc/opener/\n",
		".conffiles_static": "/etc/config/opener f612b89bcdbc401379f644d7e48572e3470f77dcd4c39416405d80952ad7089e\n",
		".rusers":           "opener=970:opener=970\n",
	} {
		if diff := cmp.Diff(want, string(f.Data["/lib/apk/packages/door-opener"+name])); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestWriteAPK_has_scripts(t *testing.T) {
	scripts := apk(t, example()).Root.Get("scripts")
	t.Run("an upgrade can be told from an installation", func(t *testing.T) {
		install := scripts.Get("post-install").Text
		want := strings.Replace(install, "#!/bin/sh\n", "#!/bin/sh\nexport PKG_UPGRADE=1\n", 1)
		if got := scripts.Get("post-upgrade").Text; got != want {
			t.Errorf("post-upgrade is\n%s\nwant\n%s", got, want)
		}
		if !strings.HasSuffix(install, "default_postinst\necho done\n") {
			t.Errorf("post-install does not end with the package's own steps:\n%s", install)
		}
	})
	t.Run("a removal ends with the package's own steps", func(t *testing.T) {
		if got := scripts.Get("post-deinstall").Text; got != "#!/bin/sh\necho gone\n" {
			t.Errorf("post-deinstall is %q", got)
		}
	})
	t.Run("they are valid shell", func(t *testing.T) {
		if len(scripts.Members) != 4 {
			t.Errorf("there are %d scripts", len(scripts.Members))
		}
		for _, s := range scripts.Members {
			ipktest.Tool(t, []byte(s.Text), "sh", "-n")
		}
	})
}

func TestWriteAPK_refuses_what_no_router_could_use(t *testing.T) {
	p := example()
	p.Version = "1.2.3-beta.1"
	if err := p.WriteAPK(new(bytes.Buffer)); err == nil || !strings.Contains(err.Error(), `version "1.2.3-beta.1"`) {
		t.Errorf("error %v", err)
	}
}
