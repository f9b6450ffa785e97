// SPDX-License-Identifier: Apache-2.0

package keys_test

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/latchkey/latchkey/cross/adb"
	"github.com/latchkey/latchkey/cross/keys"
	"github.com/latchkey/latchkey/cross/signify"
)

func TestReadSaysWhichKeyIsMissing(t *testing.T) {
	first, err := signify.Generate(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	second, err := adb.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	secret, err := second.MarshalSecret()
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "key")
	fails := func(want string) {
		t.Helper()
		if _, err := keys.Read(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not contain %q", err, want)
		}
	}
	put := func(name string, data []byte) {
		t.Helper()
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	fails("hint: make keys with: go run ./cross/feed keygen " + name)
	put(name, []byte("x"))
	fails(name + ": ")
	put(name, first.MarshalSecret())
	fails("hint: to keep the key for opkg")
	put(name+".pem", []byte("x"))
	fails(name + ".pem: ")
	put(name+".pem", secret)
	k, err := keys.Read(name)
	if err != nil || k.OPKG.Fingerprint != first.Fingerprint || k.APK == nil {
		t.Errorf("Read() = %+v, %v", k, err)
	}
}
