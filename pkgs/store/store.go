// SPDX-License-Identifier: Apache-2.0

package store

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/latchkey/latchkey/pkgs/seal"
)

// ErrDamaged is wrapped by Open when the file's text is not what this package wrote.
var ErrDamaged = errors.New("the file is damaged")

// Limits on what the file holds. They are above what a configuration can need.
const (
	maxSize    = 1 << 20 // bytes
	maxEntries = 16_384  // clients, their ranges of stamps, and used sequences together
	crowded    = 13_000  // of these, from where on less is remembered of clients that are gone
	maxUsed    = 4096    // used sequences; above it those go that no configuration has any more
	maxName    = 128     // bytes
)

// File is the state that survives a reboot: which stamps of each client are used up, and which
// one-time sequences. It is written only when something changed, because it lies on flash. It is
// not safe for concurrent use, and two processes must not have the same file open.
type File struct {
	path    string
	state   state
	replace func(path string, data []byte) error
}

// state is what the file says.
type state struct {
	pasts map[string]seal.Past // by client
	used  map[string]bool      // by digest
}

func newState() state { return state{map[string]seal.Past{}, map[string]bool{}} }

// digestOf stands for the text of a one-time sequence, which is not kept itself: it may be like
// others that were not used yet.
func digestOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:16])
}

// Open reads the state. A file that is not there is an empty state; a damaged one is an error
// that wraps ErrDamaged, because taking it as empty would let old knocks open doors again.
func Open(path string) (*File, error) {
	f := &File{path: path, state: newState(), replace: replaceFile}
	info, err := os.Lstat(path) // a link to a disk that is not there yet is no empty state
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil
	}
	if err != nil {
		return nil, fmt.Errorf("state: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxSize {
		return nil, fmt.Errorf("state %s: %w: it is no regular file of up to %d bytes", path, ErrDamaged, maxSize)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("state: %w", err)
	}
	if f.state, err = parse(string(text)); err != nil {
		return nil, fmt.Errorf("state %s: %w", path, err)
	}
	return f, nil
}

// Past returns what is remembered of a client's messages.
func (f *File) Past(client string) seal.Past { return f.state.pasts[client] }

// Remember stores what is to be remembered of clients' messages, all in one write. When it returns
// nil, that survives a power failure.
func (f *File) Remember(pasts map[string]seal.Past) error {
	changed := false
	for client, p := range pasts {
		changed = changed || !p.Equal(f.Past(client))
	}
	if !changed {
		return nil
	}
	next := f.state.clone()
	maps.Copy(next.pasts, pasts)
	return f.write(next)
}

// Used reports whether this text of a one-time sequence was used, in whatever list it stood.
func (f *File) Used(text string) bool { return f.state.used[digestOf(text)] }

// Use stores that this text of a one-time sequence was used. When it returns nil, that survives a
// power failure.
func (f *File) Use(text string) error {
	if f.Used(text) {
		return nil
	}
	next := f.state.clone()
	next.used[digestOf(text)] = true
	return f.write(next)
}

// Keep drops, where more one-time sequences were used than 4096, those that are not among these. Of
// clients that are not among these it remembers no more, where there is little room left, than that
// nothing up to their highest stamp counts. It writes nothing: the file shrinks with the next change.
// Others may come back with the list that they were in, as clients may with their old keys; so nothing is
// dropped without need.
func (f *File) Keep(texts, clients []string) {
	if len(f.state.used) > maxUsed {
		here := make(map[string]bool, len(texts))
		for _, text := range texts {
			here[digestOf(text)] = true
		}
		maps.DeleteFunc(f.state.used, func(digest string, _ bool) bool { return !here[digest] })
	}
	if f.state.entries() < crowded {
		return
	}
	for client, past := range f.state.pasts {
		if n := len(past.Spans); n > 0 && !slices.Contains(clients, client) {
			f.state.pasts[client] = seal.Past{Floor: max(past.Floor, past.Spans[n-1].Last)}
		}
	}
}

// entries is what maxEntries limits.
func (s state) entries() int {
	n := len(s.pasts) + len(s.used)
	for _, past := range s.pasts {
		n += len(past.Spans)
	}
	return n
}

func (s state) clone() state { return state{maps.Clone(s.pasts), maps.Clone(s.used)} }

// write puts next on the disk, and only then in the place of the state in memory.
func (f *File) write(next state) error {
	text, err := next.text()
	if err != nil {
		return fmt.Errorf("state %s: %w", f.path, err)
	}
	if err := f.replace(f.path, text); err != nil {
		return fmt.Errorf("state: %w", err)
	}
	f.state = next
	return nil
}

func checkName(name string) error {
	if name == "" || len(name) > maxName || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return fmt.Errorf("name %q must be 1 to %d visible ASCII characters", name, maxName)
	}
	return nil
}
