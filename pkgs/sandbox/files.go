// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"errors"
	"path/filepath"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// reading is what may be done with files that are read.
	reading = unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR

	// writing is what may be done in folders of the process's own: the files there are replaced by new
	// ones with the same names.
	writing = reading | unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_TRUNCATE |
		unix.LANDLOCK_ACCESS_FS_MAKE_REG | unix.LANDLOCK_ACCESS_FS_REMOVE_FILE
)

// rulesets are what each version of Landlock can forbid, the oldest first (landlock(7)); a newer kernel
// is asked for the last. Besides files these are TCP, which seccomp forbids as well, but not on all
// architectures, and signals and abstract sockets of others. Devices' ioctls are left out: seccomp has them.
var rulesets = [...]unix.LandlockRulesetAttr{
	{Handled_access_fs: 1<<13 - 1},                                        // Linux 5.13
	{Handled_access_fs: 1<<14 - 1},                                        // 5.19: REFER
	{Handled_access_fs: 1<<15 - 1},                                        // 6.2: TRUNCATE
	{Handled_access_fs: 1<<15 - 1, Handled_access_net: tcp},               // 6.7
	{Handled_access_fs: 1<<15 - 1, Handled_access_net: tcp},               // 6.10
	{Handled_access_fs: 1<<15 - 1, Handled_access_net: tcp, Scoped: away}, // 6.12
}

const (
	tcp  = unix.LANDLOCK_ACCESS_NET_BIND_TCP | unix.LANDLOCK_ACCESS_NET_CONNECT_TCP
	away = unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | unix.LANDLOCK_SCOPE_SIGNAL

	sizeOfRuleset = 3 * 8 // of struct landlock_ruleset_attr up to scoped; a kernel takes more of it if the rest is 0

	threadsMaySignal = 1 << 1 // erratum 2 of Landlock, "Scoped signal handling"
)

// rulesetFor is what a kernel with this version of Landlock, in which these errata are corrected, is asked
// to forbid. The first kernels that scope signals (6.12 to 6.12.23, 6.14 to 6.14.2) keep threads of one
// process from each other, too, if each was limited for itself, as Go does: it waits for ever then for the
// others to follow the first one.
func rulesetFor(version, errata uintptr) unix.LandlockRulesetAttr {
	r := rulesets[min(int(version), len(rulesets))-1]
	if errata&threadsMaySignal == 0 {
		r.Scoped &^= unix.LANDLOCK_SCOPE_SIGNAL
	}
	return r
}

// limitFiles forbids all files but those that are needed.
func limitFiles(n Needs) error {
	version, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 || version < 1 {
		return errors.New("this kernel has no Landlock")
	}
	errata, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_ERRATA)
	if errno != 0 {
		errata = 0 // the kernel is older than the question
	}
	rules := rulesetFor(version, errata)
	fd, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&rules)), sizeOfRuleset, 0)
	if errno != 0 {
		return errno
	}
	defer unix.Close(int(fd))
	for _, folder := range n.Read {
		// A folder that is not there yet may be made in the next higher one. That all files may be read
		// if that one is missing, too, is not meant: in a jail there may be no /proc.
		if above := filepath.Dir(folder); allow(int(fd), folder, reading) == unix.ENOENT && above != "/" {
			_ = allow(int(fd), above, reading)
		}
	}
	for _, folder := range n.Write {
		// What fails here is noticed, and reported, when the file is written.
		_ = allow(int(fd), folder, writing&rules.Handled_access_fs)
	}
	switch errno = everyThread(unix.SYS_LANDLOCK_RESTRICT_SELF, fd, 0); errno {
	case 0:
		return nil
	case unix.ENOTSUP:
		return errors.New("this program cannot reach all of its threads")
	}
	return errno
}

// allow lets the files in and below a folder be used.
func allow(rules int, folder string, access uint64) error {
	fd, err := unix.Open(folder, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	rule := unix.LandlockPathBeneathAttr{Allowed_access: access, Parent_fd: int32(fd)}
	_, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(rules), unix.LANDLOCK_RULE_PATH_BENEATH, uintptr(unsafe.Pointer(&rule)), 0, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}
