// SPDX-License-Identifier: Apache-2.0

package offer_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/latchkey/latchkey/pkgs/offer"
	"github.com/latchkey/latchkey/pkgs/pickup"
)

const now = time.Hour // since boot

func folder(t *testing.T) offer.Folder {
	t.Helper()
	return offer.Folder(filepath.Join(t.TempDir(), "offers"))
}

func name(n int) string { return pickup.Code{byte(n), byte(n >> 8)}.Name() }

func put(t *testing.T, f offer.Folder, at time.Duration, client, name, sealed string) {
	t.Helper()
	if err := f.Put(at, client, name, sealed); err != nil {
		t.Fatalf("offer for %s: %v", client, err)
	}
}

// want asks for an offer and compares the answer; "" is none.
func want(t *testing.T, f offer.Folder, at time.Duration, name, sealed string) {
	t.Helper()
	got, err := f.Take(at, name)
	if got != sealed || (sealed == "") != errors.Is(err, offer.ErrNone) || (sealed != "" && err != nil) {
		t.Errorf("at %v, %s: got %q, %v; want %q", at, name, got, err, sealed)
	}
}

func TestOffer_is_taken_once(t *testing.T) {
	f := folder(t)
	want(t, f, now, name(1), "") // there is no folder yet
	put(t, f, now, "phone", name(1), "sealed")
	want(t, f, now, name(2), "")
	want(t, f, now, name(1), "sealed")
	want(t, f, now, name(1), "")
}

func TestOffer_ends_after_its_time(t *testing.T) {
	f := folder(t)
	for at, sealed := range map[time.Duration]string{
		offer.Time - 2*time.Second: "sealed", // an end is a whole second
		offer.Time:                 "",
		offer.Time * 2:             "",
	} {
		put(t, f, now, "phone", name(1), "sealed")
		want(t, f, now+at, name(1), sealed)
		want(t, f, now, name(1), "") // asked for too late is asked for, too
	}
}

func TestOffer_of_a_client_takes_the_place_of_the_last(t *testing.T) {
	f := folder(t)
	put(t, f, now, "phone", name(1), "old")
	put(t, f, now, "laptop", name(2), "other")
	put(t, f, now, "phone", name(3), "new")
	want(t, f, now, name(1), "")
	want(t, f, now, name(2), "other")
	want(t, f, now, name(3), "new")
}

func TestOffers_are_bounded_and_the_oldest_goes(t *testing.T) {
	f := folder(t)
	for i := range 3 * offer.Most {
		put(t, f, now+time.Duration(i)*time.Second, fmt.Sprint("client", i), name(i), fmt.Sprint("sealed", i))
	}
	entries, err := os.ReadDir(string(f))
	if err != nil || len(entries) != offer.Most {
		t.Errorf("%d files, %v; want %d", len(entries), err, offer.Most)
	}
	later := now + time.Duration(3*offer.Most)*time.Second
	want(t, f, later, name(2*offer.Most-1), "")
	for i := 2 * offer.Most; i < 3*offer.Most; i++ {
		want(t, f, later, name(i), fmt.Sprint("sealed", i))
	}
}

func TestOffers_that_ended_leave_the_folder(t *testing.T) {
	f := folder(t)
	for i := range offer.Most {
		put(t, f, now, fmt.Sprint("client", i), name(i), "sealed")
	}
	for _, junk := range []string{"new", "damaged"} {
		if err := os.WriteFile(filepath.Join(string(f), junk), []byte("no offer"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put(t, f, now+offer.Time, "phone", name(99), "sealed")
	entries, err := os.ReadDir(string(f))
	if err != nil || len(entries) != 1 {
		t.Errorf("%v, %v are left", entries, err)
	}
}

func TestOffer_is_for_one_of_all_who_ask_at_once(t *testing.T) {
	f := folder(t)
	for round := range 50 {
		put(t, f, now, "phone", name(round), "sealed")
		var got atomic.Int32
		var all sync.WaitGroup
		start := make(chan struct{})
		for range 8 {
			all.Go(func() {
				<-start
				if _, err := f.Take(now, name(round)); err == nil {
					got.Add(1)
				} else if !errors.Is(err, offer.ErrNone) {
					t.Error(err)
				}
			})
		}
		close(start)
		all.Wait()
		if got.Load() != 1 {
			t.Fatalf("round %d: %d got the link", round, got.Load())
		}
	}
}

func TestOffers_are_for_their_owner_only(t *testing.T) {
	f := folder(t)
	put(t, f, now, "phone", name(1), "sealed")
	for path, mode := range map[string]os.FileMode{string(f): 0o700 | os.ModeDir, filepath.Join(string(f), name(1)): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode() != mode {
			t.Errorf("%s: %v, %v; want %v", path, info.Mode(), err, mode)
		}
	}
	if err := os.Chmod(string(f), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := f.Put(now, "phone", name(2), "sealed"); err == nil || !strings.Contains(err.Error(), "only its owner") {
		t.Errorf("offer in a folder for everybody: %v", err)
	}
	other := folder(t)
	if err := os.Symlink(string(f), string(other)); err != nil {
		t.Fatal(err)
	}
	if err := other.Put(now, "phone", name(2), "sealed"); err == nil {
		t.Error("offer in a folder that a symbolic link names")
	}
}

func TestOffers_have_no_other_names(t *testing.T) {
	f := folder(t)
	put(t, f, now, "phone", name(1), "sealed")
	secret := filepath.Join(filepath.Dir(string(f)), "secret")
	if err := os.WriteFile(secret, []byte("4000000 x\nsecret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, n := range []string{"", ".", "new", "../secret", "../offers/" + name(1), strings.ToUpper(name(1)), name(1) + "\n"} {
		want(t, f, now, n, "")
		if err := f.Put(now, "phone", n, "sealed"); err == nil {
			t.Errorf("an offer has the name %q", n)
		}
	}
	if _, err := os.Stat(secret); err != nil {
		t.Error(err)
	}
	want(t, f, now, name(1), "sealed")
	for client, sealed := range map[string]string{"": "x", "a b": "x", "a\nb": "x", "phone": "", "tv": "a\nb", "long": strings.Repeat("x", pickup.MaxSealed+1)} {
		if err := f.Put(now, client, name(2), sealed); err == nil {
			t.Errorf("client %q offers %.10q", client, sealed)
		}
	}
}

// FuzzTake finds anything in the place of an offer: it is gone afterwards, and what is handed out stood in it.
func FuzzTake(f *testing.F) {
	f.Add([]byte("4500 phone\nsealed\n"))
	f.Add([]byte("99999999999 phone"))
	f.Add([]byte("\n\n"))
	folder := offer.Folder(f.TempDir())
	path := filepath.Join(string(folder), name(1))
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		sealed, err := folder.Take(now, name(1))
		if err != nil && !errors.Is(err, offer.ErrNone) || !strings.Contains(string(text), sealed) {
			t.Errorf("%q is handed out as %q, %v", text, sealed, err)
		}
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%q is still there: %v", text, err)
		}
	})
}
