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
)

// ErrDamaged is wrapped by Open when the file's text is not what this package wrote.
var ErrDamaged = errors.New("the file is damaged")

// Limits on what the file holds. They are above what a configuration can need.
const (
	maxSize    = 1 << 20 // bytes
	maxEntries = 10_000
	maxName    = 128 // bytes
)

// File is the state that survives a reboot: the replay floor of each client, and which one-time
// sequences were used. It is written only when something changed, because it lies on flash. It is
// not safe for concurrent use, and two processes must not have the same file open.
type File struct {
	path    string
	state   state
	replace func(path string, data []byte) error
}

// state is what the file says. Its maps have at most maxEntries entries together.
type state struct {
	floors map[string]uint64 // by client
	used   map[once]bool
}

// once is one text of a one-time sequence. The text itself is not kept: it may be like others
// that were not used yet.
type once struct{ sequence, digest string }

func onceOf(sequence, text string) once {
	sum := sha256.Sum256([]byte(text))
	return once{sequence, hex.EncodeToString(sum[:16])}
}

// New returns an empty state whose first change replaces whatever is at path. It is for an owner
// who gives up a damaged file, and must then set every client's floor: see Open.
func New(path string) *File {
	return &File{path: path, state: state{map[string]uint64{}, map[once]bool{}}, replace: replaceFile}
}

// Open reads the state. A file that is not there is an empty state; a damaged one is an error
// that wraps ErrDamaged, because taking it as empty would let old knocks open doors again.
func Open(path string) (*File, error) {
	f := New(path)
	info, err := os.Stat(path)
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

// Floor returns the stamp up to which the client's messages do not count any more; 0 is none.
func (f *File) Floor(client string) uint64 { return f.state.floors[client] }

// SetFloor stores a client's floor. When it returns nil, the floor survives a power failure.
func (f *File) SetFloor(client string, stamp uint64) error {
	if f.state.floors[client] == stamp {
		return nil
	}
	next := f.state.clone()
	next.floors[client] = stamp
	return f.write(next)
}

// Used tells whether this text of a one-time sequence was used.
func (f *File) Used(sequence, text string) bool { return f.state.used[onceOf(sequence, text)] }

// Use stores that this text of a one-time sequence was used. When it returns nil, that survives a
// power failure.
func (f *File) Use(sequence, text string) error {
	if f.Used(sequence, text) {
		return nil
	}
	next := f.state.clone()
	next.used[onceOf(sequence, text)] = true
	return f.write(next)
}

// Forget drops a client's floor, so that every stamp counts again. It is the way out after a
// knock from a clock that was far in the future.
func (f *File) Forget(client string) error {
	if _, ok := f.state.floors[client]; !ok {
		return nil
	}
	next := f.state.clone()
	delete(next.floors, client)
	return f.write(next)
}

// Keep drops what belongs to other one-time sequences than these. It writes nothing: the file
// shrinks with the next change. Floors of clients are never dropped this way: a client that is
// taken out of the configuration may come back with its old key.
func (f *File) Keep(sequences []string) {
	maps.DeleteFunc(f.state.used, func(o once, _ bool) bool { return !slices.Contains(sequences, o.sequence) })
}

func (s state) clone() state { return state{maps.Clone(s.floors), maps.Clone(s.used)} }

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
