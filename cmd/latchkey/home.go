// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/latchkey/latchkey/pkgs/link"
	"github.com/latchkey/latchkey/pkgs/seal"
)

// home is the directory that holds a user's links (router-NAME.link) and, for each key, the stamp
// of its last message (stamp-HASH). Only the user may read it.
type home string

// openHome returns the user's directory, which need not exist yet.
func openHome() (home, error) {
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("no place for links: %w", err)
	}
	return home(filepath.Join(dir, "latchkey")), nil
}

const (
	linkPrefix = "router-"
	linkSuffix = ".link"
)

// linkFile returns the path of a router's link. What could mean something to a file system,
// or differs in case only, is written as %XX.
func (h home) linkFile(name string) string {
	var b strings.Builder
	for _, c := range []byte(name) {
		if 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02x", c)
		}
	}
	return filepath.Join(string(h), linkPrefix+b.String()+linkSuffix)
}

// load reads the link of a router.
func (h home) load(name string) (link.Link, error) {
	l, err := readLink(h.linkFile(name))
	if errors.Is(err, fs.ErrNotExist) {
		return link.Link{}, hinted{fmt.Errorf("no router %q was added", name),
			"latchkey list shows those that were, latchkey add adds one; a host takes steps, such as 7000/tcp"}
	}
	return l, err
}

func readLink(path string) (link.Link, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return link.Link{}, err
	}
	l, err := link.Parse(string(text))
	if err != nil {
		return link.Link{}, fmt.Errorf("%s: %w", path, err)
	}
	return l, nil
}

// links returns all links by name, and an error for those that cannot be read.
func (h home) links() ([]link.Link, error) {
	entries, err := os.ReadDir(string(h))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var links []link.Link
	var errs []error
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), linkPrefix) || !strings.HasSuffix(entry.Name(), linkSuffix) {
			continue
		}
		l, err := readLink(filepath.Join(string(h), entry.Name()))
		if err != nil {
			errs = append(errs, err)
			continue
		}
		links = append(links, l)
	}
	slices.SortFunc(links, func(a, b link.Link) int { return strings.Compare(a.Name, b.Name) })
	return links, errors.Join(errs...)
}

// save writes a link, readable by the user only, whole or not at all.
func (h home) save(l link.Link) (err error) {
	if err := os.MkdirAll(string(h), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(string(h), "new-") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = f.WriteString(l.Text() + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), h.linkFile(l.Name))
}

// remove deletes a link. The stamp of its key stays, for the day when the link is added again.
func (h home) remove(name string) error {
	err := os.Remove(h.linkFile(name))
	if errors.Is(err, fs.ErrNotExist) {
		return hinted{fmt.Errorf("no router %q was added", name), "latchkey list shows those that were"}
	}
	return err
}

// stampSize is the length of a stamp file: as many digits as the largest stamp has, and a line feed.
const stampSize = 16

// reserve returns the first of n stamps for messages with a key, which nobody will get again: it
// is above all earlier ones even if the clock went back, and other programs have to wait
// meanwhile. behind is by how much the clock is behind the last stamp, if it is.
func (h home) reserve(key seal.Key, now time.Time, n int) (first uint64, behind time.Duration, err error) {
	if err := os.MkdirAll(string(h), 0o700); err != nil {
		return 0, 0, err
	}
	sum := sha256.Sum256(append([]byte("latchkey stamp\x00"), key[:]...))
	path := filepath.Join(string(h), "stamp-"+hex.EncodeToString(sum[:8]))
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := lock(f); err != nil {
		return 0, 0, fmt.Errorf("lock %s: %w", path, err)
	}
	last, err := readStamp(f)
	if err != nil {
		return 0, 0, hinted{fmt.Errorf("%s: %w", path, err),
			"remove it if this machine's clock was never ahead; else get a new link for this device"}
	}
	first = seal.NextStamp(now, last)
	// The text has always the same length, so that there is no moment at which it is cut off.
	if _, err := fmt.Fprintf(io.NewOffsetWriter(f, 0), "%0*d\n", stampSize-1, first+uint64(n)-1); err != nil {
		return 0, 0, err
	}
	return first, max(0, seal.Skew(now, last)), f.Sync()
}

// readStamp returns the last stamp, 0 from a file that was just made.
func readStamp(f *os.File) (uint64, error) {
	text, err := io.ReadAll(io.LimitReader(f, stampSize+1))
	if err != nil || len(text) == 0 {
		return 0, err
	}
	digits, ended := strings.CutSuffix(string(text), "\n")
	last, err := strconv.ParseUint(digits, 10, 64)
	if err != nil || !ended || len(text) != stampSize || last > seal.MaxStamp {
		return 0, errors.New("the file is damaged")
	}
	return last, nil
}
