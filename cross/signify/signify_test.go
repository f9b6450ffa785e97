// SPDX-License-Identifier: Apache-2.0

package signify_test

import (
	"bytes"
	"crypto/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/latchkey/latchkey/cross/signify"
)

func newKey(t *testing.T) *signify.Key {
	t.Helper()
	key, err := signify.Generate(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestSign(t *testing.T) {
	key := newKey(t)
	message := []byte("Package: latchkey\n")
	signature := key.Sign(message)

	t.Run("verifies", func(t *testing.T) {
		if err := signify.Verify(message, signature, key.MarshalPublic()); err != nil {
			t.Error(err)
		}
	})
	t.Run("not for another message", func(t *testing.T) {
		if err := signify.Verify(append(message, '\n'), signature, key.MarshalPublic()); err == nil {
			t.Error("a changed message verified")
		}
	})
	t.Run("not with another key", func(t *testing.T) {
		if err := signify.Verify(message, signature, newKey(t).MarshalPublic()); err == nil {
			t.Error("another key verified")
		}
	})
	t.Run("the same after a way through a file", func(t *testing.T) {
		again, err := signify.ParseSecret(key.MarshalSecret())
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(again.Sign(message), signature) {
			t.Error("the key read back signs otherwise")
		}
	})
}

func TestParseSecret(t *testing.T) {
	good := string(newKey(t).MarshalSecret())
	comment, line, _ := strings.Cut(good, "\n")
	other := "A" // of base64, too
	if line[120] == 'A' {
		other = "B"
	}
	for name, c := range map[string]struct{ file, want string }{
		"no comment":   {line, "first line"},
		"not base64":   {comment + "\n***\n", "not base64"},
		"a public key": {string(newKey(t).MarshalPublic()), "not an Ed25519 secret key"},
		"a password":   {comment + "\n" + line[:6] + "AAAB" + line[10:], "password"},
		"another letter": {
			comment + "\n" + line[:120] + other + line[121:], "damaged",
		},
		"empty": {"", "first line"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := signify.ParseSecret([]byte(c.file))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v does not contain %q", err, c.want)
			}
		})
	}
}

// other is a program that signs as we do.
type other struct {
	program          string
	generate, verify []string
}

// others returns OpenBSD's signify (Debian package signify-openbsd) and, where
// it is installed, OpenWrt's usign, which Debian does not have.
func others() []other {
	verify := []string{"-V", "-p", "key.pub", "-m", "Packages", "-x", "Packages.sig"}
	found := []other{{"signify-openbsd", []string{"-G", "-n", "-s", "key.sec", "-p", "key.pub"}, verify}}
	if _, err := exec.LookPath("usign"); err == nil {
		found = append(found, other{"usign", []string{"-G", "-s", "key.sec", "-p", "key.pub"}, verify})
	}
	return found
}

// TestOtherPrograms has others read what we write, and the other way round.
func TestOtherPrograms(t *testing.T) {
	for _, c := range others() {
		t.Run(c.program, func(t *testing.T) {
			if _, err := exec.LookPath(c.program); err != nil {
				t.Skipf("SKIP: no %s here (apt-get install signify-openbsd)", c.program)
			}
			folder := t.TempDir()
			write := func(name string, data []byte) {
				t.Helper()
				if err := os.WriteFile(filepath.Join(folder, name), data, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			call := func(args []string) error {
				cmd := exec.Command(c.program, args...)
				cmd.Dir = folder
				out, err := cmd.CombinedOutput()
				t.Logf("%s %s: %s", c.program, strings.Join(args, " "), out)
				return err
			}
			message := []byte("Package: latchkey\n")
			write("Packages", message)

			key := newKey(t)
			write("key.pub", key.MarshalPublic())
			write("Packages.sig", key.Sign(message))
			if err := call(c.verify); err != nil {
				t.Errorf("our signature does not verify: %v", err)
			}
			write("Packages", append(message, '\n'))
			if err := call(c.verify); err == nil {
				t.Error("a changed message verified")
			}
			write("Packages", message)

			if err := os.Remove(filepath.Join(folder, "key.pub")); err != nil {
				t.Fatal(err)
			}
			if err := call(c.generate); err != nil {
				t.Fatal(err)
			}
			secret, err := os.ReadFile(filepath.Join(folder, "key.sec"))
			if err != nil {
				t.Fatal(err)
			}
			if key, err = signify.ParseSecret(secret); err != nil {
				t.Fatal(err)
			}
			write("Packages.sig", key.Sign(message))
			if err := call(c.verify); err != nil {
				t.Errorf("our signature with their key does not verify: %v", err)
			}
		})
	}
}

func FuzzParseSecret(f *testing.F) {
	key, err := signify.Generate(rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(key.MarshalSecret())
	f.Add(key.MarshalPublic())
	f.Add([]byte("untrusted comment: x\nRWRCSwAAAAA=\n"))
	f.Fuzz(func(t *testing.T, file []byte) {
		key, err := signify.ParseSecret(file)
		if err != nil {
			return
		}
		if err := signify.Verify(file, key.Sign(file), key.MarshalPublic()); err != nil {
			t.Errorf("a key that was read does not work: %v", err)
		}
	})
}
