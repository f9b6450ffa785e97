// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"math/bits"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/sandbox"
)

// Root does not work in somebody else's folder: what its owner puts there could lead root's hand
// elsewhere. Whoever is root and has to work in such a folder becomes its owner first.

// ownerOf returns who owns a folder. It is root, too, if the folder is not there.
func ownerOf(folder string) (uid, gid int, err error) {
	info, err := os.Stat(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, 0, nil
	}
	if err != nil {
		return 0, 0, err
	}
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, 0, fmt.Errorf("%s: no owner is known", folder)
	}
	return int(s.Uid), int(s.Gid), nil
}

// becomeOwner makes the calling goroutine of root's one of the folder's owner, for good and without any right that the owner
// has not. It stays on its thread, which is all that changes: Go would change every thread, but see sandbox's everyThread.
func becomeOwner(folder string) error {
	uid, gid, err := ownerOf(folder)
	if err != nil || os.Geteuid() != 0 || uid == 0 {
		return err
	}
	runtime.LockOSThread() // and never unlocked
	if err = unix.Setgroups(nil); err == nil {
		err = setIDs(setresgid, gid)
	}
	if err == nil {
		err = setIDs(setresuid, uid)
	}
	if err != nil {
		return fmt.Errorf("become user %d, who owns %s: %w", uid, folder, err)
	}
	return nil
}

// setIDs makes the real, effective and saved id of this thread one and the same.
func setIDs(call, id int) error {
	if _, _, errno := unix.RawSyscall(uintptr(call), uintptr(id), uintptr(id), uintptr(id)); errno != 0 {
		return errno
	}
	return nil
}

// noRoot is SECBIT_NOROOT of linux/securebits.h; the bit above it locks it.
const noRoot = 1

// needed are the rights that the daemon works with: packet sockets, and the firewall.
var needed = []int{unix.CAP_NET_RAW, unix.CAP_NET_ADMIN}

// stepDown is becomeOwner for the daemon, which keeps the rights that it needs, and no others, even where
// the folder is root's. On Linux rights belong to a thread and Go has several, so this thread, once it has
// stepped down, executes the program again. stepDown then returns only with an error.
func stepDown(folder string) error {
	uid, _, err := ownerOf(folder)
	if err != nil || os.Geteuid() != 0 || uid == 0 && !hasMore() {
		return err
	}
	program, err := os.Executable()
	if err != nil {
		return err
	}
	runtime.LockOSThread() // and never unlocked: it ends here
	if err := errors.Join(dropOthers(), unix.Prctl(unix.PR_SET_KEEPCAPS, 1, 0, 0, 0), becomeOwner(folder), keepNeeded()); err != nil {
		return fmt.Errorf("step down from root: %w", err)
	}
	signal.Ignore(unix.SIGHUP) // the configuration is still to be read
	return fmt.Errorf("step down from root: %s: %w", program, unix.Exec(program, os.Args, os.Environ()))
}

// rights returns the capabilities that this process may use, a bit for each.
func rights() uint64 {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return 0
	}
	return uint64(data[1].Effective)<<32 | uint64(data[0].Effective)
}

// hasMore reports whether this process has more rights than are needed, and can give them up for good.
func hasMore() bool {
	return rights()&(1<<unix.CAP_SETPCAP) != 0
}

// isolate takes from the daemon what it does not need from here on. The files that it works with are
// replaced by new ones, so that their folders count.
func isolate(strict bool, read, write []string) *control.Isolation {
	i := &control.Isolation{User: os.Getuid(), Rights: bits.OnesCount64(rights())}
	l := sandbox.Enter(sandbox.Needs{Read: foldersOf(read), Write: foldersOf(write), Strict: strict})
	i.Calls, i.Files = limited(l.Calls), limited(l.Files)
	return i
}

func foldersOf(paths []string) (list []string) {
	for _, path := range paths {
		if path != "" {
			list = append(list, filepath.Dir(path))
		}
	}
	return list
}

func limited(err error) string {
	if err != nil {
		return "not limited: " + err.Error()
	}
	return "limited"
}

// dropOthers takes all rights but those that are needed out of the bounding set, so that this process never gets them
// again, and makes user 0 get none by executing a program (capabilities(7), "securebits").
func dropOthers() error {
	if err := unix.Prctl(unix.PR_SET_SECUREBITS, noRoot|noRoot<<1, 0, 0, 0); err != nil {
		return err
	}
	for c := 0; c <= unix.CAP_LAST_CAP; c++ {
		if c == needed[0] || c == needed[1] {
			continue
		}
		// A kernel that is older than this list of rights does not know the last ones.
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(c), 0, 0, 0); err != nil && !errors.Is(err, unix.EINVAL) {
			return err
		}
	}
	return nil
}

// keepNeeded keeps the needed rights for this thread, and for the program that it executes.
func keepNeeded() error {
	var set uint32
	for _, c := range needed {
		set |= 1 << c
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	data := [2]unix.CapUserData{{Effective: set, Permitted: set, Inheritable: set}}
	if err := unix.Capset(&header, &data[0]); err != nil {
		return err
	}
	for _, c := range needed {
		if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, uintptr(c), 0, 0); err != nil {
			return err
		}
	}
	return unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
}
