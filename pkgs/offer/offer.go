// SPDX-License-Identifier: Apache-2.0

// Package offer keeps sealed links until their devices pick them up, each once, in a folder of root's
// that lies in RAM.
//
// The folder has one file for each offer, by the offer's name: a line with the end of its time (in
// seconds since boot) and the client, and a line with the sealed link. No code is in it.
//
// It is not meant for other programs.
package offer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/pickup"
)

// Limits of a folder.
const (
	Time = 15 * time.Minute // for which an offer waits
	Most = 16               // offers at a time; one more takes the place of the oldest
)

// ErrNone says that nothing is offered under a name: it never was, it was picked up, or its time is
// over. Which of them it was is never said.
var ErrNone = errors.New("nothing is offered under this name")

// Folder is the path of a folder with offers. Only the user whose it is may read it.
type Folder string

// Put offers a sealed link for a client, under a name that its code has. It takes the place of an
// earlier offer for the same client. now is the time since boot, because the wall clock can be set.
func (f Folder) Put(now time.Duration, client, name, sealed string) error {
	if !pickup.IsName(name) {
		return fmt.Errorf("%.40q is not the name of an offer", name)
	}
	if client == "" || strings.ContainsAny(client, " \n") || sealed == "" || len(sealed) > pickup.MaxSealed || strings.Contains(sealed, "\n") {
		return fmt.Errorf("an offer has a client without white space, and a sealed link of 1 to %d bytes", pickup.MaxSealed)
	}
	dir, err := f.lock()
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := f.makeRoom(dir, now, client); err != nil {
		return err
	}
	// Whoever asks meanwhile must not find half of it.
	temp := filepath.Join(string(f), "new")
	end := strconv.FormatInt(int64((now+Time)/time.Second), 10)
	text := end + " " + client + "\n" + sealed + "\n"
	if err := os.WriteFile(temp, []byte(text), 0o600); err != nil {
		return err
	}
	return os.Rename(temp, filepath.Join(string(f), name))
}

// Take ends an offer and returns its sealed link, or ErrNone. Of any number that ask for the same
// name at once, one gets it.
func (f Folder) Take(now time.Duration, name string) (sealed string, err error) {
	if !pickup.IsName(name) {
		return "", ErrNone
	}
	path := filepath.Join(string(f), name)
	o, err := read(path)
	if err != nil {
		return "", err
	}
	if err := remove(path); err != nil { // before it is answered
		return "", err
	}
	if o.end <= now {
		return "", ErrNone
	}
	return o.sealed, nil
}

// lock makes the folder, if there is none, and waits until nobody else changes it: until what it
// returns is closed.
func (f Folder) lock() (dir *os.File, err error) {
	if err := os.Mkdir(string(f), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	info, err := os.Lstat(string(f))
	if err != nil {
		return nil, err
	}
	if info.Mode() != fs.ModeDir|0o700 {
		return nil, fmt.Errorf("%s is %v, but must be a folder that only its owner can read: remove it", f, info.Mode())
	}
	if dir, err = os.Open(string(f)); err != nil {
		return nil, err
	}
	if err := unix.Flock(int(dir.Fd()), unix.LOCK_EX); err != nil {
		dir.Close()
		return nil, err
	}
	return dir, nil
}

// makeRoom removes what is no offer any more, those of the client, and the oldest of the others if
// there are too many of them for one more.
func (f Folder) makeRoom(dir *os.File, now time.Duration, client string) error {
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return err
	}
	var oldest string
	var first time.Duration
	count := 0
	for _, name := range names {
		path := filepath.Join(string(f), name)
		o, err := read(path)
		if err != nil || o.end <= now || o.client == client {
			if err := remove(path); err != nil && err != ErrNone {
				return err
			}
			continue
		}
		if count++; oldest == "" || o.end < first {
			oldest, first = path, o.end
		}
	}
	if count < Most {
		return nil
	}
	if err := remove(oldest); err != nil && err != ErrNone {
		return err
	}
	return nil
}

// remove ends an offer. It returns ErrNone to all but one: the file system decides who was first.
func remove(path string) error {
	err := os.Remove(path)
	if errors.Is(err, fs.ErrNotExist) {
		return ErrNone
	}
	return err
}

// offered is what a file says.
type offered struct {
	end    time.Duration // since boot
	client string
	sealed string
}

// read reads a file; what is damaged has ended.
func read(path string) (offered, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return offered{}, ErrNone
	}
	if err != nil {
		return offered{}, err
	}
	head, sealed, _ := strings.Cut(strings.TrimSuffix(string(text), "\n"), "\n")
	seconds, client, _ := strings.Cut(head, " ")
	end, err := strconv.ParseInt(seconds, 10, 32)
	if err != nil {
		return offered{}, nil
	}
	return offered{time.Duration(end) * time.Second, client, sealed}, nil
}
