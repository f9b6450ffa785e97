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
	"runtime"
	"slices"
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
		return "", hinted{fmt.Errorf("no place for links and stamps: %w", err), "set HOME, or XDG_CONFIG_HOME, to a folder that you may write"}
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

// known returns the name under which the router of a link was added before, with the same key. It may
// call itself otherwise since.
func (h home) known(l link.Link) (name string, ok bool) {
	links, _ := h.links() // one that cannot be read is no obstacle for another
	for _, old := range links {
		if old.Key == l.Key && (old.Name == l.Name || samePlace(old, l)) {
			return old.Name, true
		}
	}
	return "", false
}

// samePlace reports whether two links lead to the same router, at ports that may have become more or fewer, or none.
func samePlace(a, b link.Link) bool {
	shared := a.Host != "" && a.Host == b.Host
	for _, address := range a.Addresses {
		shared = shared || slices.Contains(b.Addresses, address)
	}
	return shared && shareOne(a.STUNPorts, b.STUNPorts) && a.Ports == b.Ports
}

// shareOne reports whether there is a port in both lists, or none in one of them.
func shareOne(a, b []uint16) bool {
	return len(a) == 0 || len(b) == 0 || slices.ContainsFunc(a, func(port uint16) bool { return slices.Contains(b, port) })
}

// writable adds to an error of writing what the user can do about it.
func (h home) writable(err error) error {
	if err == nil {
		return nil
	}
	hint := fmt.Sprintf("latchkey keeps links and used stamps in %s, which must be writable, also to knock: no stamp may be used twice", string(h))
	if runtime.GOOS != "windows" && runtime.GOOS != "darwin" {
		hint += "; XDG_CONFIG_HOME names another place"
	}
	return hinted{err, hint}
}

// save writes a link, readable by the user only, whole or not at all.
func (h home) save(l link.Link) error { return h.writable(h.write(l)) }

func (h home) write(l link.Link) (err error) {
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
	return h.writable(err)
}

// The stamps that a key was used with: lines of two numbers, the first and the last stamp of a range.
// The text always has the same length, so that there is no moment at which it is cut off; ranges that
// there are not are 0 to 0.
const (
	stampLine  = "%015d %015d\n"
	stampBytes = 32
	stampLines = 32 // what seal.Sent remembers
)

// reserve takes the stamps of a press of n messages with a key, which nobody will get again: other
// programs have to wait meanwhile.
func (h home) reserve(key seal.Key, now time.Time, n int) (p seal.Press, err error) {
	if err := os.MkdirAll(string(h), 0o700); err != nil {
		return p, h.writable(err)
	}
	sum := sha256.Sum256(append([]byte("latchkey stamp\x00"), key[:]...))
	path := filepath.Join(string(h), "stamp-"+hex.EncodeToString(sum[:8]))
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return p, h.writable(err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := lock(f); err != nil {
		return p, fmt.Errorf("lock %s: %w", path, err)
	}
	sent, err := readStamps(f)
	if err != nil {
		return p, hinted{fmt.Errorf("%s: %w", path, err),
			"remove it if this machine's clock was never ahead; else get a new link for this device"}
	}
	p = sent.Press(now, n)
	var text strings.Builder
	used := sent.Used()
	for i := range stampLines {
		var span seal.Span
		if i < len(used) {
			span = used[i]
		}
		fmt.Fprintf(&text, stampLine, span.First, span.Last)
	}
	_, err = f.WriteAt([]byte(text.String()), 0)
	return p, h.writable(errors.Join(err, f.Sync()))
}

// readStamps returns what was used; nothing from a file that was just made.
func readStamps(r io.Reader) (*seal.Sent, error) {
	text, err := io.ReadAll(io.LimitReader(r, stampLines*stampBytes+1))
	if err != nil || len(text) == 0 {
		return new(seal.Sent), err
	}
	damaged := errors.New("the file is damaged")
	if len(text) != stampLines*stampBytes {
		return nil, damaged
	}
	var used []seal.Span
	for line := range strings.Lines(string(text)) {
		var s seal.Span
		if n, err := fmt.Sscanf(line, "%015d %015d\n", &s.First, &s.Last); n != 2 || err != nil || fmt.Sprintf(stampLine, s.First, s.Last) != line {
			return nil, damaged
		}
		switch {
		case s == seal.Span{}:
		case s.Last < s.First || s.Last > seal.MaxStamp || len(used) > 0 && s.First <= used[len(used)-1].Last:
			return nil, damaged
		default:
			used = append(used, s)
		}
	}
	return seal.NewSent(used), nil
}
