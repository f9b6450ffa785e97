// SPDX-License-Identifier: Apache-2.0

package index_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey/latchkey/cross/adb"
	"github.com/latchkey/latchkey/cross/apktest"
	"github.com/latchkey/latchkey/cross/index"
	"github.com/latchkey/latchkey/cross/pack"
)

func newKey(t *testing.T) (key *adb.Key, public []byte) {
	t.Helper()
	key, err := adb.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	if public, err = key.MarshalPublic(); err != nil {
		t.Fatal(err)
	}
	return key, public
}

func database(t *testing.T, packages []index.APK, key *adb.Key) *apktest.File {
	t.Helper()
	b, err := index.Database(packages, "mipsel_24kc", key)
	if err != nil {
		t.Fatal(err)
	}
	f, err := apktest.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// The index of the same packages is the same, byte for byte.
func TestDatabase_writes_what_apk_writes(t *testing.T) {
	want, err := apktest.Read(apktest.Golden(t, "packages.adb"))
	if err != nil {
		t.Fatal(err)
	}
	got := database(t, []index.APK{
		{Name: "tiny-1.2.3-r4.apk", Data: apktest.Golden(t, "tiny-1.2.3-r4.apk")},
		{Name: "meta-2-r1.apk", Data: apktest.Golden(t, "meta-2-r1.apk")},
	}, nil)
	if diff := cmp.Diff(want.Text, got.Text); diff != "" {
		t.Errorf("index (-apk +ours):\n%s", diff)
	}
	if !bytes.Equal(want.Database, got.Database) {
		t.Error("the bytes are not those of apk")
	}
}

func TestDatabase_is_signed(t *testing.T) {
	key, public := newKey(t)
	packages := []index.APK{{Name: "tiny-1.2.3-r4.apk", Data: apktest.Golden(t, "tiny-1.2.3-r4.apk")}}
	f := database(t, packages, key)
	if err := f.VerifiedBy(public); err != nil {
		t.Error(err)
	}
	if again := database(t, packages, key); !bytes.Equal(f.Plain, again.Plain) {
		t.Error("the second signature has other bytes")
	}
	_, other := newKey(t)
	if err := f.VerifiedBy(other); err == nil {
		t.Error("another key's signature, too?")
	}
}

// "a" is before "a-b", which is not so for the names of their files.
func TestDatabase_is_sorted_by_the_names_of_packages(t *testing.T) {
	var packages []index.APK
	for _, name := range []string{"a-b", "a", "a.b"} {
		packages = append(packages, apkExample(t, name, "1.0-r1", "all"))
	}
	var names []string
	for _, p := range database(t, packages, nil).Root.Get("packages").Members {
		names = append(names, p.Get("name").Text)
	}
	if got := strings.Join(names, " "); got != "a a-b a.b" {
		t.Errorf("the packages are in the order %s", got)
	}
}

func apkExample(t *testing.T, name, version, arch string) index.APK {
	t.Helper()
	p := &pack.Package{Name: name, Version: version, Arch: arch, Description: "x", Time: time.Unix(1, 0)}
	var b bytes.Buffer
	if err := p.WriteAPK(&b); err != nil {
		t.Fatal(err)
	}
	return index.APK{Name: p.APKName(), Data: b.Bytes()}
}

func TestDatabase_refuses(t *testing.T) {
	tiny := apktest.Golden(t, "tiny-1.2.3-r4.apk")
	for name, c := range map[string]struct {
		packages []index.APK
		want     string
	}{
		"a file that apk would not look for": {[]index.APK{{Name: "tiny.apk", Data: tiny}}, "tiny.apk: apk looks for it as tiny-1.2.3-r4.apk"},
		"another architecture":               {[]index.APK{apkExample(t, "a", "1-r1", "x86_64")}, "it is for x86_64, not for mipsel_24kc"},
		"two versions":                       {[]index.APK{apkExample(t, "a", "1-r1", "all"), apkExample(t, "a", "2-r1", "all")}, "a comes as version 1-r1 and as 2-r1"},
		"an index":                           {[]index.APK{{Name: "x.apk", Data: apktest.Golden(t, "packages.adb")}}, `not a file of apk-tools 3 with schema "pckg"`},
		"an ipk":                             {[]index.APK{{Name: "x.apk", Data: example(t, "x", "x").Data}}, "not a file of apk-tools 3"},
		"half a package":                     {[]index.APK{{Name: "tiny-1.2.3-r4.apk", Data: tiny[:100]}}, "tiny-1.2.3-r4.apk: unexpected EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := index.Database(c.packages, "mipsel_24kc", nil)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v does not contain %q", err, c.want)
			}
		})
	}
}

// FuzzDatabase changes packages without their compression.
func FuzzDatabase(f *testing.F) {
	f.Add(apktest.Golden(f, "tiny-plain.apk"))
	f.Fuzz(func(t *testing.T, b []byte) {
		out, err := index.Database([]index.APK{{Name: "tiny-1.2.3-r4.apk", Data: b}}, "mipsel_24kc", nil)
		if err == nil && !bytes.HasPrefix(out, []byte("ADBd")) {
			t.Errorf("begins with % x", out[:min(4, len(out))])
		}
	})
}
