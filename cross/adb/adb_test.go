// SPDX-License-Identifier: Apache-2.0

package adb_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey/latchkey/cross/adb"
	"github.com/latchkey/latchkey/cross/apktest"
)

// encode returns an unsigned package whose name is the value.
func encode(t *testing.T, db *adb.Database, root adb.Value) []byte {
	t.Helper()
	b, err := db.Bytes(root)
	if err != nil {
		t.Fatal(err)
	}
	file, err := adb.Encode(adb.Index, b, nil)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// Each size that is written in another way is read by others, and by Reader.
func TestBlob_of_every_width(t *testing.T) {
	for _, n := range []int{1, 0xff, 0x100, 0xffff, 0x10000} {
		db := adb.New()
		db.String("x") // so that what follows is not aligned by itself
		want := strings.Repeat("t", n)
		text := db.String(want)
		file := encode(t, db, db.Object(text))
		f, err := apktest.Read(file)
		if err != nil {
			t.Fatal(err)
		}
		if got := f.Root.Get("description").Text; got != want {
			t.Errorf("%d bytes are read as %d", n, len(got))
		}
		r, err := adb.Open(adb.Index, file)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := r.Blob(text); err != nil || string(got) != want {
			t.Errorf("Blob() of %d bytes = %d bytes, %v", n, len(got), err)
		}
	}
}

func TestInt_of_every_width(t *testing.T) {
	for want, n := range map[string]uint64{
		"0": 0, "268435455": 1<<28 - 1, "268435456": 1 << 28, "4294967295": 1<<32 - 1, "4294967296": 1 << 32,
	} {
		db := adb.New()
		var info [adb.InfoFields]adb.Value
		info[adb.InfoName] = db.String("x")
		info[adb.InfoFileSize] = db.Int(n)
		f, err := apktest.Read(encode(t, db, db.Object(adb.Null, db.Object(db.Object(info[1:]...)))))
		if err != nil {
			t.Fatal(err)
		}
		if got := f.Root.Get("packages").Members[0].Get("file-size").Text; got != want {
			t.Errorf("%d is read as %s", n, got)
		}
	}
}

func TestDatabase_keeps_equal_values_once(t *testing.T) {
	db := adb.New()
	if a, b := db.String("text"), db.String("text"); a != b {
		t.Errorf("the same text is at %#x and at %#x", a, b)
	}
	if a, b := db.Object(db.Int(1), adb.Null), db.Object(db.Int(1)); a != b {
		t.Errorf("the same object is at %#x and at %#x", a, b)
	}
	room := db.Room(4)
	db.Fill(room, []byte("text"))
	if other := db.Blob(make([]byte, 4)); other == room {
		t.Error("four zeros share the room for something else")
	}
	if empty := db.Object(db.String(""), db.Blob(nil), db.Object()); empty != adb.Null {
		t.Errorf("nothing is %#x", empty)
	}
}

// Copies of what was read are what was read.
func TestCopy(t *testing.T) {
	file := apktest.Golden(t, "packages.adb")
	r, err := adb.Open(adb.Index, file)
	if err != nil {
		t.Fatal(err)
	}
	root, err := r.Object(r.Root())
	if err != nil {
		t.Fatal(err)
	}
	packages, err := r.Object(root[adb.IndexPackages-1])
	if err != nil {
		t.Fatal(err)
	}
	db := adb.New()
	for i, p := range packages {
		if packages[i], err = db.Copy(r, p); err != nil {
			t.Fatal(err)
		}
	}
	want, err := apktest.Read(file)
	if err != nil {
		t.Fatal(err)
	}
	got, err := apktest.Read(encode(t, db, db.Object(adb.Null, db.Object(packages...))))
	if err != nil {
		t.Fatal(err)
	}
	cut := func(s string) string { _, rest, _ := strings.Cut(s, "ver: 0\n"); return rest }
	if diff := cmp.Diff(cut(want.Text), cut(got.Text)); diff != "" {
		t.Errorf("copy (-want +got):\n%s", diff)
	}
}

func TestOpen_refuses(t *testing.T) {
	index := apktest.Golden(t, "packages.adb")
	block := func(head uint32, rest ...byte) []byte {
		return append(binary.LittleEndian.AppendUint32([]byte("ADB.indx"), head), rest...)
	}
	for name, c := range map[string]struct {
		file []byte
		want string
	}{
		"nothing":                  {nil, "not a file of apk-tools 3"},
		"another schema":           {apktest.Golden(t, "tiny-plain.apk"), `schema "indx"`},
		"no block":                 {[]byte("ADB.indx"), "cut off"},
		"a block cut off":          {block(100, make([]byte, 50)...), "cut off"},
		"a block without a header": {block(4, make([]byte, 50)...), "cut off"},
		"a signature first":        {block(1<<30|12, make([]byte, 8)...), "cut off"},
		"compression cut off":      {index[:50], "unexpected EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := adb.Open(adb.Index, c.file); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v does not contain %q", err, c.want)
			}
		})
	}
}

// What a damaged database refers to is an error, and never what is beside it.
func TestCopy_refuses(t *testing.T) {
	words := func(root uint32, rest ...uint32) adb.Reader {
		b := binary.LittleEndian.AppendUint32(make([]byte, 4), root)
		for _, w := range rest {
			b = binary.LittleEndian.AppendUint32(b, w)
		}
		return b
	}
	const object, blob8, blob32, int32bit = 0xe000_0000, 0x8000_0000, 0xa000_0000, 0x2000_0000
	for name, c := range map[string]struct {
		db   adb.Reader
		want string
	}{
		"an object behind the end":   {words(object | 12), "cut off"},
		"an object that is too long": {words(object|8, 9, 0), "cut off"},
		"an object of no words":      {words(object|8, 0), "-1 fields"},
		"an object of many words":    {words(object|8, 0x7fff_ffff), "2147483646 fields"},
		"an object within itself":    {words(object|8, 2, object|8), "too many objects"},
		"a text behind the end":      {words(blob8 | 12), "cut off"},
		"a text that is too long":    {words(blob8|8, 4), "cut off"},
		"a text of 4 GiB":            {words(blob32|8, 0xffff_ffff), "cut off"},
		"a number behind the end":    {words(int32bit | 12), "cut off"},
		"an unknown type":            {words(0x7000_0000), "no text"},
	} {
		t.Run(name, func(t *testing.T) {
			if v, err := adb.New().Copy(c.db, c.db.Root()); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Copy() = %#x, %v; want an error with %q", v, err, c.want)
			}
		})
	}
}

func openssl(t *testing.T, args ...string) []byte {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("SKIP: no openssl here")
	}
	out, err := exec.Command("openssl", args...).Output()
	if err != nil {
		t.Fatalf("openssl %s: %v", strings.Join(args, " "), err)
	}
	return out
}

// OpenWrt's build makes its key by the first of these.
func TestParseSecret_reads_what_openssl_makes(t *testing.T) {
	for name, args := range map[string][]string{
		"SEC 1":                 {"ecparam", "-name", "prime256v1", "-genkey", "-noout"},
		"SEC 1 with parameters": {"ecparam", "-name", "prime256v1", "-genkey"},
		"PKCS #8":               {"genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"},
	} {
		t.Run(name, func(t *testing.T) {
			secret := filepath.Join(t.TempDir(), "key.pem")
			text := openssl(t, args...)
			if err := os.WriteFile(secret, text, 0o600); err != nil {
				t.Fatal(err)
			}
			key, err := adb.ParseSecret(text)
			if err != nil {
				t.Fatal(err)
			}
			public, err := key.MarshalPublic()
			if err != nil {
				t.Fatal(err)
			}
			if want := openssl(t, "pkey", "-in", secret, "-pubout"); !bytes.Equal(public, want) {
				t.Errorf("public key is\n%s, by openssl\n%s", public, want)
			}
		})
	}
}

func TestKey_is_the_same_after_its_file(t *testing.T) {
	key, err := adb.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	file, err := key.MarshalSecret()
	if err != nil {
		t.Fatal(err)
	}
	again, err := adb.ParseSecret(file)
	if err != nil {
		t.Fatal(err)
	}
	var signed [2][]byte
	for i, k := range []*adb.Key{key, again} {
		if signed[i], err = adb.Encode(adb.Index, make([]byte, 8), k); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(signed[0], signed[1]) {
		t.Error("it signs in another way")
	}
}

func TestParseSecret_refuses(t *testing.T) {
	key, err := adb.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	file, err := key.MarshalSecret()
	if err != nil {
		t.Fatal(err)
	}
	public, err := key.MarshalPublic()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(file), "\n")
	lines[1] = lines[1][4:] + "AAAA"
	for name, c := range map[string]struct {
		file []byte
		want string
	}{
		"nothing":       {nil, "no PEM file"},
		"a public key":  {public, "no PEM file"},
		"a password":    {openssl(t, "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-aes256", "-pass", "pass:x"), "password"},
		"another curve": {openssl(t, "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"), "P-256"},
		"RSA":           {openssl(t, "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"), "not an ECDSA key"},
		"damage":        {[]byte(strings.Join(lines, "\n")), "damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := adb.ParseSecret(c.file)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v does not contain %q", err, c.want)
			}
		})
	}
}
