// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/lab"
	"github.com/latchkey/latchkey/pkgs/seal"
	"github.com/latchkey/latchkey/pkgs/wire"
)

// The faults that knockd and fwknopd are put to as well.
const (
	faultFull      = "no room for the state file"
	faultRestarted = "firewall restarted while a door is open"
	faultKilled    = "daemon killed (SIGKILL) while a door is open"
)

// smallDisk is the size of what mountSmall mounts.
const smallDisk = 64 << 10

// mountSmall mounts a small file system in memory, until the test ends.
func mountSmall(t *testing.T) (folder string) {
	t.Helper()
	folder = t.TempDir()
	if err := unix.Mount("tmpfs", folder, "tmpfs", 0, fmt.Sprintf("size=%d", smallDisk)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(folder, unix.MNT_DETACH) })
	return folder
}

// remount makes a file system read-only (MS_RDONLY) or writable again (0).
func remount(t *testing.T, folder string, flags uintptr) {
	t.Helper()
	var err error
	lab.Wait(t, "no file there is being written", func() bool {
		err = unix.Mount("", folder, "", unix.MS_REMOUNT|flags, "")
		return err != unix.EBUSY
	})
	if err != nil {
		t.Fatal(err)
	}
}

// fill leaves no room in a folder of mountSmall's, and returns the file that takes it.
func fill(t *testing.T, folder string) string {
	t.Helper()
	path := filepath.Join(folder, "filler")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(make([]byte, 2*smallDisk)); !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("error %v, want ENOSPC", err)
	}
	return path
}

// sendUDP sends a packet to a port of the router.
func sendUDP(payload []byte, port int) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Sendto(fd, payload, 0, &unix.SockaddrInet4{Port: port, Addr: netip.MustParseAddr(router).As4()})
}

// withoutRootsPower begins latchkeyd's script so that files and folders are closed to it as to anybody: it
// has the two rights that it needs.
const withoutRootsPower = "exec setpriv --inh-caps=-all,+net_admin,+net_raw --bounding-set=-all,+net_admin,+net_raw"

// TestStateThatCannotBeWritten breaks the disk under a daemon that runs, and mends it.
func TestStateThatCannotBeWritten(t *testing.T) {
	lab.Enter(t)
	if out, err := exec.Command("setpriv", "--bounding-set=+all", "true").CombinedOutput(); err != nil {
		t.Skipf("SKIP: setpriv takes no rights away: %v %s", err, out) // BusyBox's
	}
	disk := mountSmall(t)
	folder, away := filepath.Join(disk, "latchkey"), filepath.Join(disk, "away")
	state := filepath.Join(folder, "state")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	d := startProgram(t, program(t, withoutRootsPower, ""), sealed, "--clock", "synchronised", "--state", state)
	for _, tt := range []struct {
		name, fault string
		breakIt     func() error
		mend        func() error
		detail      string
	}{
		{"full", faultFull,
			func() error { fill(t, disk); return nil },
			func() error { return os.Remove(filepath.Join(disk, "filler")) }, "no space left on device"},
		{"read-only", "file system of the state file that turns read-only",
			func() error { remount(t, disk, unix.MS_RDONLY); return nil },
			func() error { remount(t, disk, 0); return nil }, "read-only file system"},
		{"folder_gone", "folder of the state file gone while latchkeyd runs",
			func() error { return os.Rename(folder, away) },
			func() error { return os.Rename(away, folder) }, "no such file or directory"},
		{"folder_closed", "folder of the state file whose rights were changed",
			func() error { return os.Chmod(folder, 0o500) },
			func() error { return os.Chmod(folder, 0o700) }, "permission denied"},
		{"folder_in_the_place_of_the_new_file", "something else where the new state file goes",
			func() error { return os.MkdirAll(filepath.Join(state+".new", "in the way"), 0o700) },
			func() error { return os.RemoveAll(state + ".new") }, "remove " + state + ".new: "}, // Landlock refuses, or it is not empty
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.breakIt(); err != nil {
				t.Fatal(err)
			}
			msg := freshMessage(t)
			sendSTUN(t, "phone", msg)
			var e control.Event
			lab.Wait(t, "the knock is answered", func() bool { e = d.newestOf("refused"); return strings.Contains(e.Detail, tt.detail) })
			if e.Reason != "memory" || e.Client != "phone" || !strings.Contains(e.Detail, "state") {
				t.Errorf("event %+v, want one of reason memory that names the file", e)
			}
			if inKernel(t, "web", phone) || len(d.grants("web")) > 0 {
				t.Error("the door opened although the knock cannot be remembered")
			}
			if err := tt.mend(); err != nil {
				t.Fatal(err)
			}
			sendSTUN(t, "neighbour", msg)
			lab.Wait(t, "a copy of the refused knock is refused", func() bool { return slices.Contains(d.refusals(), "replayed "+neighbour) })
			sendSTUN(t, "phone", freshMessage(t))
			lab.Wait(t, "the next knock opens", func() bool { return inKernel(t, "web", phone) })
			if err := d.ask(closeRequest("web"), nil); err != nil {
				t.Fatal(err)
			}
			d.restart("--clock", "synchronised", "--state", state)
			lab.Withstood(t, "power and disk", tt.fault, "the knock is refused with the reason (memory), nothing opens; when it is mended, the next knock opens")
		})
	}
}

// newestOf returns the newest event of a kind, a zero one if there is none.
func (d *latchkeydProcess) newestOf(kind string) (newest control.Event) {
	d.t.Helper()
	var list []control.Event
	if err := d.ask(control.Request{Method: "events"}, &list); err != nil {
		d.t.Fatal(err)
	}
	for _, e := range list {
		if e.Kind == kind {
			newest = e
		}
	}
	return newest
}

// TestStateOfABackup puts an older copy of the state in its place: it does not know of a knock that came later.
func TestStateOfABackup(t *testing.T) {
	d := start(t, sealed, "--clock", "free")
	state, key := filepath.Join(d.dir, "state"), must(seal.ParseKey(phoneKey))
	before := func(long time.Duration) []byte {
		return seal.Seal(key, seal.Body{Stamp: uint64(time.Now().Add(-long).UnixMilli()), Door: seal.Tag("web")})
	}
	sendSTUN(t, "phone", before(11*time.Minute))
	lab.Wait(t, "a knock opens", func() bool { return d.accepted() == 1 })
	backup := must(os.ReadFile(state))
	msg := before(10 * time.Minute)
	sendSTUN(t, "phone", msg)
	lab.Wait(t, "another knock opens", func() bool { return d.accepted() == 2 })
	d.stop()
	if err := os.WriteFile(state, backup, 0o600); err != nil {
		t.Fatal(err)
	}
	d.run("--clock", "synchronised")
	sendSTUN(t, "neighbour", msg)
	lab.Wait(t, "the copy is refused", func() bool { return slices.Contains(d.refusals(), "stale "+neighbour) })
	sendSTUN(t, "phone", freshMessage(t))
	lab.Wait(t, "a new knock opens", func() bool { return inKernel(t, "web", phone) })
	if inKernel(t, "web", neighbour) {
		t.Error("a copy of a knock opened that the older state does not know")
	}
	lab.Withstood(t, "power and disk", "older copy of the state file (a backup), with a right clock", "copies of knocks that are older than max_skew open nothing")
}

// TestFlashIsSpared counts how often the state file is written while strangers flood, and while copies and
// knocks that are refused come in.
func TestFlashIsSpared(t *testing.T) {
	d := start(t, sealed, "--clock", "synchronised")
	writes := countWrites(t, d.dir)
	sendSTUN(t, "phone", freshMessage(t))
	lab.Wait(t, "a knock opens", func() bool { return d.count("opened", phone) == 1 })
	if n := writes(); n != 1 {
		t.Fatalf("%d writes of a knock that opens, want 1", n)
	}

	key, began := must(seal.ParseKey(phoneKey)), time.Now()
	const refused = 60
	for range refused { // each is a press of its own, for a door that the phone may not open
		sendSTUN(t, "phone", seal.Seal(key, seal.Body{Stamp: sentStamps.Press(time.Now(), 1).Starts[0], Door: seal.Tag("vpn")}))
	}
	lab.Wait(t, "they are refused", func() bool { return slices.Contains(d.refusals(), "not-allowed "+phone) })
	d.settle()
	total := 0
	lab.Wait(t, "what was refused is saved", func() bool { total += writes(); return total > 0 })
	if most := int(time.Since(began)/time.Second) + 1; total > most {
		t.Errorf("%d writes to flash of %d refused knocks, want at most one a second (%d)", total, refused, most)
	}
	lab.Withstood(t, "load", "flood of sealed knocks that are refused", "the state file is written once a second at the most")

	used := freshMessage(t)
	sendSTUN(t, "phone", used)
	lab.Wait(t, "another knock opens", func() bool { return d.accepted() == 2 })
	writes()                                 // nothing is left to save then
	sendFlood(t, func(r *rand.Rand) []byte { // of steps, of forged messages, and of copies
		from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32())}), 4000)
		to := netip.AddrPortFrom(netip.MustParseAddr(router), 7431)
		if r.IntN(2) == 0 {
			return wire.AppendTCP(nil, from, to, r.Uint32(), wire.SYN, nil)
		}
		msg := slices.Clone(used)
		msg[3+r.IntN(len(msg)-3)] ^= byte(r.IntN(2))
		return wire.AppendUDP(nil, from, netip.AddrPortFrom(to.Addr(), stunPort),
			wire.AppendBindingRequest(nil, [12]byte{1}, base64.RawStdEncoding.EncodeToString(msg)+":abcd", "0123456789012345678901"))
	})
	d.settle()
	if n := writes(); n != 0 {
		t.Errorf("%d writes to flash during a flood of strangers, want none", n)
	}
	lab.Withstood(t, "load", "flood of steps, of forged messages and of copies of used ones", "none of it is written to flash")
}

// countWrites returns what tells how often a new state was put in place since it was last asked.
func countWrites(t *testing.T, folder string) func() int {
	t.Helper()
	fd, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if _, err := unix.InotifyAddWatch(fd, folder, unix.IN_MOVED_TO); err != nil {
		t.Fatal(err)
	}
	return func() (n int) {
		t.Helper()
		var b [64 << 10]byte
		got, err := unix.Read(fd, b[:])
		if errors.Is(err, unix.EAGAIN) {
			return 0
		}
		if err != nil {
			t.Fatal(err)
		}
		return bytes.Count(b[:got], []byte("state\x00"))
	}
}
