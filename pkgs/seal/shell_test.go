// SPDX-License-Identifier: Apache-2.0

package seal_test

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/latchkey/latchkey/pkgs/seal"
	"github.com/latchkey/latchkey/pkgs/seal/sealtest"
)

// The shell script of the README makes messages that open.
func TestShellScript(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("SKIP: openssl is not installed")
	}
	ring := seal.NewRing(keys(1))
	knock := func(t *testing.T, shell []string, env ...string) (int, seal.Body, error) {
		t.Helper()
		cmd := exec.Command(shell[0], append(shell[1:len(shell):len(shell)], "../../cmd/knock/knock.sh", "nas_ssh", "30")...)
		cmd.Env = append(os.Environ(), env...)
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		token, hex, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
		message, err := base64.RawStdEncoding.DecodeString(token)
		if err != nil || fmt.Sprintf("%x", message) != hex {
			t.Fatalf("printed %q, %v", out, err)
		}
		return ring.Open(message)
	}
	for _, shell := range [][]string{{"sh"}, {"dash"}, {"bash"}, {"busybox", "ash"}} {
		t.Run(strings.Join(shell, "_"), func(t *testing.T) {
			if _, err := exec.LookPath(shell[0]); err != nil {
				t.Skip("SKIP: " + shell[0] + " is not installed")
			}
			ring.Advance(noon, true)
			_, body, err := knock(t, shell, "KEY="+key(0).Text(), fmt.Sprintf("NOW=%d", millis(noon)))
			want := seal.Body{Stamp: millis(noon), Door: seal.Tag("nas_ssh"), Minutes: 30}
			if err != nil || body != want {
				t.Errorf("got %+v, %v; want %+v", body, err, want)
			}
		})
	}
	t.Run("with its own clock and a padded key", func(t *testing.T) {
		start := time.Now()
		ring.Advance(start, true)
		_, body, err := knock(t, []string{"sh"}, "KEY="+base64.StdEncoding.EncodeToString(keyBytes(0)))
		if err != nil || seal.Skew(start, body.Stamp).Abs() > time.Minute {
			t.Errorf("stamp %d at %d, error %v", body.Stamp, millis(start), err)
		}
	})
}

// With a memory it takes the stamps that the client takes.
func TestShellScriptRemembersItsStamps(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("SKIP: openssl is not installed")
	}
	file := filepath.Join(t.TempDir(), "stamps")
	const minute, day = 60_000, 86_400_000
	at := millis(noon)
	for _, press := range []struct {
		now  uint64
		want []uint64
	}{
		{at, []uint64{at}},
		{at, []uint64{at + 101}},
		{at + day, []uint64{at + day}},
		{at + minute, []uint64{at + minute, at + day + 101}},
		{at, []uint64{at + 202, at + minute + 101, at + day + 202}},
	} {
		cmd := exec.Command("sh", "../../cmd/knock/knock.sh", "nas_ssh")
		cmd.Env = append(os.Environ(), "KEY="+key(0).Text(), "STAMPS="+file, fmt.Sprintf("NOW=%d", press.now))
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		var got []uint64
		for i, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
			if i%2 == 0 {
				continue // in base64
			}
			message, err := hex.DecodeString(line)
			if err != nil {
				t.Fatal(err)
			}
			ring := seal.NewRing([]seal.Key{key(0)})
			_, body, err := ring.Open(message)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, body.Stamp)
		}
		if !slices.Equal(got, press.want) {
			t.Errorf("at %d stamps %d, want %d", press.now, got, press.want)
		}
	}
}

func keyBytes(n int) []byte {
	k := key(n)
	return k[:]
}

// The script makes the message of every vector that it can say: a door by its name, no address.
func TestShellScriptMakesTheVectors(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("SKIP: openssl is not installed")
	}
	vectors, err := sealtest.Load(os.DirFS("../../testdata/vectors"))
	if err != nil {
		t.Fatal(err)
	}
	made := 0
	for _, v := range vectors {
		var stamp uint64
		var tag uint16
		var flags, minutes uint8
		n, _ := fmt.Sscanf(v.Body, "%12x%4x%2x%2x", &stamp, &tag, &flags, &minutes)
		i := slices.IndexFunc(v.Clients, func(c sealtest.Client) bool { return c.Name == v.By })
		d := slices.IndexFunc(v.Doors, func(d sealtest.Door) bool {
			return seal.Tag(d.Name) == seal.DoorTag{byte(tag >> 8), byte(tag)}
		})
		if n != 4 || len(v.Body) != 20 || flags != 0 || i < 0 || d < 0 {
			continue
		}
		made++
		cmd := exec.Command("sh", "../../cmd/knock/knock.sh", v.Doors[d].Name, fmt.Sprint(minutes))
		cmd.Env = append(os.Environ(), "KEY="+v.Clients[i].Key.Text(), fmt.Sprintf("NOW=%d", stamp))
		out, err := cmd.Output()
		if want := fmt.Sprintf("%x", v.Message); err != nil || !strings.HasSuffix(strings.TrimSpace(string(out)), "\n"+want) {
			t.Errorf("%s: printed %q, %v; want %s", v.Name, out, err, want)
		}
	}
	if made < 8 {
		t.Errorf("%d vectors could be made, there should be more", made)
	}
}
