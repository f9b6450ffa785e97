// SPDX-License-Identifier: Apache-2.0

package apktest_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey/latchkey/cross/apktest"
)

func TestRead_shows_what_apk_shows(t *testing.T) {
	for _, name := range []string{
		"tiny-1.2.3-r4.apk", "nothing-1-r1.apk", "meta-2-r1.apk", "packages.adb", "packages-signed.adb",
	} {
		t.Run(name, func(t *testing.T) {
			f, err := apktest.Read(apktest.Golden(t, name))
			if err != nil {
				t.Fatal(err)
			}
			want, _, _ := strings.Cut(string(apktest.Golden(t, name+".txt")), "# sig ")
			if diff := cmp.Diff(want, f.Text); diff != "" {
				t.Errorf("dump (-apk +ours):\n%s", diff)
			}
		})
	}
}

func TestRead_finds_the_files_data(t *testing.T) {
	f, err := apktest.Read(apktest.Golden(t, "tiny-1.2.3-r4.apk"))
	if err != nil {
		t.Fatal(err)
	}
	if got := string(f.Data["/usr/bin/tiny"]); !strings.HasPrefix(got, "#!/bin/sh\n") || len(got) != 21 {
		t.Errorf("/usr/bin/tiny is %q", got)
	}
	if got, ok := f.Data["/usr/bin/empty"]; !ok || len(got) > 0 {
		t.Errorf("/usr/bin/empty is %q, %v", got, ok)
	}
}

// Every bit of an uncompressed package counts.
func TestRead_refuses_a_package_with_another_bit(t *testing.T) {
	good := apktest.Golden(t, "tiny-plain.apk")
	if _, err := apktest.Read(good); err != nil {
		t.Fatal(err)
	}
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 1
		if _, err := apktest.Read(bad); err == nil {
			t.Errorf("bit 0 of byte %d made no difference", i)
		}
	}
}

func TestVerifiedBy(t *testing.T) {
	public := apktest.Golden(t, "key.pub.pem")
	signed, err := apktest.Read(apktest.Golden(t, "packages-signed.adb"))
	if err != nil {
		t.Fatal(err)
	}
	if err := signed.VerifiedBy(public); err != nil {
		t.Error(err)
	}
	signed.Database[len(signed.Database)-1] ^= 1
	if err := signed.VerifiedBy(public); err == nil {
		t.Error("another database has the same signature")
	}
	unsigned, err := apktest.Read(apktest.Golden(t, "packages.adb"))
	if err != nil {
		t.Fatal(err)
	}
	if err := unsigned.VerifiedBy(public); err == nil {
		t.Error("an index without a signature is verified")
	}
}
