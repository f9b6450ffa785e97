// SPDX-License-Identifier: Apache-2.0

package pack_test

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey/latchkey/cross/ipktest"
	"github.com/latchkey/latchkey/cross/pack"
)

// example is a package with one of everything.
func example() *pack.Package {
	return &pack.Package{
		Name: "door-opener", Version: "1.2.3-r1", Arch: "mips_24kc",
		Depends: []string{"firewall4", "ucode-mod-socket"},
		Source:  "feeds/x/door-opener", SourceName: "door-opener", License: "Apache-2.0", Section: "net",
		User: "opener=970:opener=970", URL: "https://example.net", Maintainer: "A <a@example.net>",
		Description: "Opens doors\n  and closes them.\n",
		Keep:        []string{"/etc/config/opener", "/etc/opener/"},
		Files: []pack.File{
			{Path: "/usr/bin/opener", Mode: 0o755, Data: []byte("program")},
			{Path: "/etc/init.d/opener", Mode: 0o755, Data: []byte("#!/bin/sh /etc/rc.common\n")},
			{Path: "/etc/config/opener", Mode: 0o600, Data: []byte("config\n")},
			{Path: "/usr/share/" + strings.Repeat("long/", 30) + "name", Mode: 0o644},
		},
		PostInst: "#!/bin/sh\necho done\n",
		PostRm:   "#!/bin/sh\necho gone\n",
		Time:     time.Unix(1_700_000_000, 0),
	}
}

func ipk(t *testing.T, p *pack.Package) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := p.WriteIPK(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestWriteIPK(t *testing.T) {
	file := ipk(t, example())

	t.Run("three members in OpenWrt's order", func(t *testing.T) {
		got := ipktest.Tool(t, file, "tar", "-tz", "-f", "-")
		if want := "./debian-binary\n./data.tar.gz\n./control.tar.gz\n"; got != want {
			t.Errorf("members are %q, want %q", got, want)
		}
		if got := string(ipktest.Member(t, file, "./debian-binary")); got != "2.0\n" {
			t.Errorf("debian-binary is %q", got)
		}
	})

	t.Run("data with modes, owners and folders", func(t *testing.T) {
		got := ipktest.Tool(t, ipktest.Member(t, file, "./data.tar.gz"), "tar", "-tvz", "--numeric-owner", "-f", "-")
		long := "drwxr-xr-x 0/0               0 2023-11-14 22:13 ./usr/share/\n"
		for i := 1; i <= 30; i++ {
			long += "drwxr-xr-x 0/0               0 2023-11-14 22:13 ./usr/share/" + strings.Repeat("long/", i) + "\n"
		}
		want := `drwxr-xr-x 0/0               0 2023-11-14 22:13 ./
drwxr-xr-x 0/0               0 2023-11-14 22:13 ./etc/
drwxr-xr-x 0/0               0 2023-11-14 22:13 ./etc/config/
-rw------- 0/0               7 2023-11-14 22:13 ./etc/config/opener
drwxr-xr-x 0/0               0 2023-11-14 22:13 ./etc/init.d/
-rwxr-xr-x 0/0              25 2023-11-14 22:13 ./etc/init.d/opener
drwxr-xr-x 0/0               0 2023-11-14 22:13 ./lib/
drwxr-xr-x 0/0               0 2023-11-14 22:13 ./lib/upgrade/
drwxr-xr-x 0/0               0 2023-11-14 22:13 ./lib/upgrade/keep.d/
-rw-r--r-- 0/0              13 2023-11-14 22:13 ./lib/upgrade/keep.d/door-opener
drwxr-xr-x 0/0               0 2023-11-14 22:13 ./usr/
drwxr-xr-x 0/0               0 2023-11-14 22:13 ./usr/bin/
-rwxr-xr-x 0/0               7 2023-11-14 22:13 ./usr/bin/opener
` + long + "-rw-r--r-- 0/0               0 2023-11-14 22:13 ./usr/share/" + strings.Repeat("long/", 30) + "name\n"
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("data (-want +got):\n%s", diff)
		}
	})

	t.Run("control", func(t *testing.T) {
		control := ipktest.Member(t, file, "./control.tar.gz")
		list := ipktest.Tool(t, control, "tar", "-tvz", "--numeric-owner", "-f", "-")
		var members []string
		for line := range strings.Lines(list) {
			f := strings.Fields(line)
			members = append(members, f[0]+" "+f[1]+" "+f[5])
		}
		want := []string{
			"drwxr-xr-x 0/0 ./", "-rw-r--r-- 0/0 ./conffiles", "-rw-r--r-- 0/0 ./control",
			"-rwxr-xr-x 0/0 ./postinst", "-rwxr-xr-x 0/0 ./postinst-pkg",
			"-rwxr-xr-x 0/0 ./postrm", "-rwxr-xr-x 0/0 ./prerm",
		}
		if diff := cmp.Diff(want, members); diff != "" {
			t.Errorf("members (-want +got):\n%s", diff)
		}
		wantText := `Package: door-opener
Version: 1.2.3-r1
Depends: firewall4, ucode-mod-socket
Source: feeds/x/door-opener
SourceName: door-opener
License: Apache-2.0
Section: net
Require-User: opener=970:opener=970
SourceDateEpoch: 1700000000
URL: https://example.net
Maintainer: A <a@example.net>
Architecture: mips_24kc
Installed-Size: 40448
Description:  Opens doors
 and closes them.
`
		if diff := cmp.Diff(wantText, string(ipktest.Member(t, control, "./control"))); diff != "" {
			t.Errorf("control (-want +got):\n%s", diff)
		}
		data := ipktest.Tool(t, ipktest.Member(t, file, "./data.tar.gz"), "gzip", "-dc")
		if len(data) != 40448 {
			t.Errorf("the data has %d bytes, which is not what Installed-Size says", len(data))
		}
		if got := string(ipktest.Member(t, control, "./conffiles")); got != "/etc/config/opener\n" {
			t.Errorf("conffiles are %q", got)
		}
		if got := string(ipktest.Member(t, control, "./postrm")); got != "#!/bin/sh\necho gone\n" {
			t.Errorf("postrm is %q", got)
		}
		if got := string(ipktest.Member(t, control, "./postinst-pkg")); got != "#!/bin/sh\necho done\n" {
			t.Errorf("postinst-pkg is %q", got)
		}
	})

	t.Run("no field without a value", func(t *testing.T) {
		p := example()
		p.Depends, p.User, p.URL, p.Keep = nil, "", "", nil
		control := ipktest.Member(t, ipk(t, p), "./control.tar.gz")
		for line := range strings.Lines(string(ipktest.Member(t, control, "./control"))) {
			if _, value, _ := strings.Cut(line, ":"); strings.TrimSpace(value) == "" && line[0] != ' ' {
				t.Errorf("field without value: %q", line)
			}
		}
		if list := ipktest.Tool(t, control, "tar", "-tz", "-f", "-"); strings.Contains(list, "conffiles") {
			t.Errorf("an empty conffiles is in %q", list)
		}
	})

	t.Run("no extended headers", func(t *testing.T) {
		for _, archive := range [][]byte{file, ipktest.Member(t, file, "./data.tar.gz"), ipktest.Member(t, file, "./control.tar.gz")} {
			for _, kind := range typeflags(t, archive) {
				// L is GNU's long name, the only extension that opkg knows.
				if !strings.ContainsRune("05L", rune(kind)) {
					t.Errorf("a tar member is of type %q", kind)
				}
			}
		}
	})

	t.Run("same bytes again", func(t *testing.T) {
		if !bytes.Equal(file, ipk(t, example())) {
			t.Error("the same package gave other bytes")
		}
		if file[3] != 0 || !bytes.Equal(file[4:8], make([]byte, 4)) {
			t.Errorf("the gzip header % x has flags or a time", file[:10])
		}
	})

	t.Run("same bytes from archives that were made for another package", func(t *testing.T) {
		var archives pack.Archives
		for _, c := range []struct{ arch, program string }{{"mips_24kc", "program"}, {"x86_64", "program"}, {"x86_64", "another"}} {
			p := example()
			p.Arch, p.Files[0].Data = c.arch, []byte(c.program)
			var got bytes.Buffer
			if err := archives.WriteIPK(p, &got); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Bytes(), ipk(t, p)) {
				t.Errorf("%v: the package has other bytes than one that was written alone", c)
			}
		}
	})

	t.Run("scripts are valid shell", func(t *testing.T) {
		control := ipktest.Member(t, file, "./control.tar.gz")
		for _, name := range []string{"./postinst", "./prerm"} {
			ipktest.Tool(t, ipktest.Member(t, control, name), "sh", "-n")
		}
	})
}

// typeflags returns the type of each header in a gzip'd tar archive, read from
// the raw blocks, as readers hide extended headers.
func typeflags(t *testing.T, archive []byte) []byte {
	t.Helper()
	raw := []byte(ipktest.Tool(t, archive, "gzip", "-dc"))
	var kinds []byte
	for len(raw) >= 512 && raw[0] != 0 {
		var size int
		for _, digit := range bytes.Trim(raw[124:136], " \x00") {
			size = size*8 + int(digit-'0')
		}
		kinds = append(kinds, raw[156])
		raw = raw[512+(size+511)/512*512:]
	}
	return kinds
}

func TestCheck(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*pack.Package)
		want   string
	}{
		"name":              {func(p *pack.Package) { p.Name = "Door Opener" }, `name "Door Opener"`},
		"version of semver": {func(p *pack.Package) { p.Version = "1.2.3-beta.1" }, `version "1.2.3-beta.1"`},
		"relative path":     {func(p *pack.Package) { p.Files[0].Path = "../bin/x" }, `path "../bin/x"`},
		"same file":         {func(p *pack.Package) { p.Files[0].Path = p.Files[1].Path }, "comes twice"},
		"set-uid":           {func(p *pack.Package) { p.Files[0].Mode |= os.ModeSetuid }, "more than permission bits"},
		"two lines":         {func(p *pack.Package) { p.URL = "https://x\nEssential: yes" }, "several lines"},
		"user":              {func(p *pack.Package) { p.User = "root" }, `user "root"`},
		"dependency":        {func(p *pack.Package) { p.Depends = []string{"libc>=1 !musl"} }, `dependency "libc>=1 !musl"`},
		"time":              {func(p *pack.Package) { p.Time = time.Time{} }, "not after 1970"},
	} {
		t.Run(name, func(t *testing.T) {
			p := example()
			c.change(p)
			err := p.WriteIPK(new(bytes.Buffer))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v does not contain %q", err, c.want)
			}
		})
	}
}
