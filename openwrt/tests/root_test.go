// SPDX-License-Identifier: Apache-2.0

package openwrt_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// daemonID is the number of user and group latchkey: see USERID in the package's Makefile.
const daemonID = 970

// ours are the folders of the daemon's user.
var ours = []string{"etc/latchkey", "var/run/latchkey"}

// prepare makes the daemon's folders, full of what it might put there.
func (r *router) prepare() {
	r.t.Helper()
	for _, folder := range ours {
		for _, name := range []string{"state", "state.new", "latchkey.sock", "config/inside", "a/b/c"} {
			r.write(filepath.Join(folder, name), "text")
		}
		if err := os.Symlink(r.path("etc/config"), r.path(filepath.Join(folder, "link"))); err != nil {
			r.t.Fatal(err)
		}
	}
}

// inodes tells of everything in a folder, but not of the folder itself, what changes with whatever
// is done to it: owner, mode, content, links, name.
func (r *router) inodes(folder string) (list []string) {
	r.t.Helper()
	err := filepath.WalkDir(r.path(folder), func(name string, _ fs.DirEntry, err error) error {
		if err != nil || name == r.path(folder) {
			return err
		}
		var s unix.Stat_t
		if err := unix.Lstat(name, &s); err != nil {
			return err
		}
		list = append(list, fmt.Sprintf("%s inode %d changed %d.%09d", strings.TrimPrefix(name, r.root), s.Ino, s.Ctim.Sec, s.Ctim.Nsec))
		return nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return list
}

func TestRootDoesNothingInTheDaemonsFolders(t *testing.T) {
	r := newRouter(t)
	r.prepare()
	before := map[string][]string{}
	for _, folder := range ours {
		before[folder] = r.inodes(folder)
	}
	on, off := enabled, strings.Replace(enabled, "'1'", "'0'", 1)
	for _, step := range []struct{ action, config string }{
		{"start", on}, {"reload", on}, {"reload", on + "\tlist interface 'lte'\n"}, {"look", on}, {"reload", "nonsense"},
		{"start", off}, {"stop", off}, {"start", on}, {"stop", on},
	} {
		r.write("etc/config/latchkey", step.config)
		r.initScript(step.action, "USER_EXISTS=1")
		for _, folder := range ours {
			if diff := cmp.Diff(before[folder], r.inodes(folder)); diff != "" {
				t.Fatalf("%s with %q changed something in /%s (-want +got):\n%s", step.action, step.config, folder, diff)
			}
		}
	}
	calls, _, err := r.initScript("start", "USER_EXISTS=1")
	if err != nil {
		t.Fatal(err)
	}
	for _, call := range calls {
		words := strings.Split(call, "\t")
		if words[0] == "chown" && (strings.HasPrefix(words[1], "-") || strings.Contains(words[1], "R")) {
			t.Errorf("root gives away more than a folder: %s", call)
		}
	}
}

// asDaemon calls f again and again as the daemon's user, until the function that it returns is called.
func asDaemon(t *testing.T, f func()) (end func()) {
	t.Helper()
	stop, ready, ended := make(chan struct{}), make(chan syscall.Errno), make(chan struct{})
	go func() {
		defer close(ended)
		// Not unlocked: the thread, which is another user's now, ends with the goroutine. The raw call
		// changes this thread only, and takes its capabilities.
		runtime.LockOSThread()
		_, _, errno := unix.RawSyscall(unix.SYS_SETRESGID, daemonID, daemonID, daemonID)
		if errno == 0 {
			_, _, errno = unix.RawSyscall(unix.SYS_SETRESUID, daemonID, daemonID, daemonID)
		}
		ready <- errno
		if errno != 0 {
			return
		}
		for {
			select {
			case <-stop:
				return
			default:
				f()
			}
		}
	}()
	if errno := <-ready; errno != 0 {
		t.Skipf("SKIP: cannot become a second user: %v", errno)
	}
	return func() {
		close(stop)
		<-ended
	}
}

// The daemon was taken over, and its user changes names as fast as he can, while root starts the service
// again and again. Root must be led to nobody else's files.
func TestRaceOfTheDaemonsUserAgainstRoot(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("SKIP: cannot become a second user: not root")
	}
	r := newRouter(t)
	// t.TempDir's own parent is for its owner only.
	if err := os.Chmod(filepath.Dir(r.root), 0o755); err != nil {
		t.Fatal(err)
	}
	r.write("etc/config/latchkey", enabled)

	// Root's folder, and many names in it: a walk through a folder of the same names takes a while.
	const names = 100
	for i := range names {
		r.write("etc/precious/"+strconv.Itoa(i), "text")
	}
	precious := r.inodes("etc/precious")

	// In each folder of the daemon: "config/x", once a folder with those names, once a link to root's.
	for _, folder := range ours {
		for _, config := range []string{"config", "other"} {
			for i := range names {
				r.write(filepath.Join(folder, config, "x", strconv.Itoa(i)), "text")
			}
		}
		err := filepath.WalkDir(r.path(folder), func(name string, _ fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			return os.Lchown(name, daemonID, daemonID)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	exchange := func(a, b string) error {
		return unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE)
	}
	end := asDaemon(t, func() {
		for _, folder := range ours {
			at := func(name string) string { return filepath.Join(r.path(folder), name) }
			if fi, err := os.Lstat(at("config")); err != nil || !fi.IsDir() { // root replaced it
				os.Remove(at("config"))
				os.MkdirAll(at("config/x"), 0o700)
				for i := range names {
					os.WriteFile(at("config/x/"+strconv.Itoa(i)), nil, 0o600)
				}
			}
			os.Symlink(r.path("etc/precious"), at("link"))
			exchange(at("config/x"), at("link"))
		}
	})
	defer end()
	deadline := time.Now().Add(20 * time.Second) // on a busy machine a start takes a second
	for n := 0; n < 15 && time.Now().Before(deadline); n++ {
		r.write("etc/config/latchkey", enabled+"# "+strconv.Itoa(n)+"\n")
		if _, out, err := r.initScript("start", "USER_EXISTS=1", "DAEMON_UID="+strconv.Itoa(daemonID)); err != nil {
			t.Fatalf("start: %v\n%s", err, out)
		}
		if diff := cmp.Diff(precious, r.inodes("etc/precious")); diff != "" {
			t.Fatalf("start %d changed root's files (-want +got):\n%s", n, diff)
		}
	}
}
