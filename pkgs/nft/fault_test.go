// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/door"
	"github.com/latchkey/latchkey/pkgs/lab"
)

// nas are the sets of door nas.
const nas = "add set inet fw4 latchkey1_nas_4 { type ipv4_addr; flags timeout; }\n" +
	"add set inet fw4 latchkey1_nas_6 { type ipv6_addr; flags timeout; }\n"

var theDoor = door.Door{Name: "nas"}

// minute is a grant of door nas to the nth address, for a minute.
func minute(n int) door.Grant {
	a := netip.AddrFrom4([4]byte{198, 18, byte(n >> 8), byte(n)})
	return door.Grant{Door: "nas", Network: alone(a), Until: time.Now().Add(time.Minute)}
}

// addresses returns how many of minute's addresses are in the kernel's set. strace lets go of nft.
func addresses(t *testing.T) int {
	t.Helper()
	out, err := exec.Command("nft", "list", "set", "inet", "fw4", SetName("nas", false, false)).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return strings.Count(string(out), "198.18.")
}

// TestOpen_when_the_kernel_is_busy_for_a_moment lets each system call of netlink that an Open makes fail, also
// those by which it looks at everything again.
func TestOpen_when_the_kernel_is_busy_for_a_moment(t *testing.T) {
	const child, opens = "LATCHKEY_TEST_BUSY", 8
	if os.Getenv(child) != "" {
		runtime.LockOSThread()
		_, f := enter(t, nas)
		for n := range opens {
			if _, err := f.Sync(time.Now(), nil, nil); err != nil { // forgets what is known
				t.Fatal(err)
			}
			if err := f.Open(time.Now(), theDoor, minute(n)); err != nil {
				t.Fatalf("open %d: %v", n, err)
			}
		}
		if got := addresses(t); got != opens {
			t.Errorf("%d addresses are in, want %d", got, opens)
		}
		return
	}
	enter(t, "")
	for _, tt := range []struct {
		call, failure string
		each          int // of an Open
		fault         string
	}{
		{"sendto", "EBUSY", 6, "firewall that is busy (EBUSY) in the middle of an opening"},
		{"recvfrom", "ENOBUFS", 5, "answer of the firewall that is lost (ENOBUFS) in the middle of an opening"},
	} {
		for place := 1; place <= tt.each; place++ {
			trace := filepath.Join(t.TempDir(), "trace")
			// Behind the one that failed are those of the next try, and then those of the next Open.
			lab.Strace(t, child+"=1", "-o", trace, "-e", "trace="+tt.call,
				"-e", fmt.Sprintf("inject=%s:error=%s:when=%d+%d", tt.call, tt.failure, place, tt.each+place))
			text, err := os.ReadFile(trace)
			if err != nil {
				t.Fatal(err)
			}
			if n := strings.Count(string(text), "(INJECTED)"); n < opens/2 {
				t.Errorf("%s %d of %d: only %d calls failed", tt.call, place, tt.each, n)
			}
		}
		lab.Withstood(t, "firewall", tt.fault, "it is tried again at once, and the door opens")
	}
}

// TestOpen_holds_up_nobody_while_somebody_else_has_the_firewall has each message take as long as if another
// program's transaction were under way, on one processor.
func TestOpen_holds_up_nobody_while_somebody_else_has_the_firewall(t *testing.T) {
	const child = "LATCHKEY_TEST_WAITS"
	if os.Getenv(child) != "" {
		runtime.LockOSThread()
		_, f := enter(t, nas)
		runtime.GOMAXPROCS(1)
		var turns atomic.Int32 // of somebody else
		go func() {
			for ; ; time.Sleep(time.Millisecond) {
				turns.Add(1)
			}
		}()
		if err := f.Open(time.Now(), theDoor, minute(1)); err != nil {
			t.Fatal(err)
		}
		if n := turns.Load(); n < 20 {
			t.Errorf("another goroutine had %d turns during an Open of more than a second", n)
		}
		return
	}
	enter(t, "")
	lab.Strace(t, child+"=1", "-o", "/dev/null", "-e", "trace=sendto", "-e", "inject=sendto:delay_enter=200ms")
}

// TestOpen_is_one_message_while_nothing_changes counts those that a Firewall sends that has looked once.
func TestOpen_is_one_message_while_nothing_changes(t *testing.T) {
	const child, opens = "LATCHKEY_TEST_COUNTED", 10
	if os.Getenv(child) != "" {
		runtime.LockOSThread()
		_, f := enter(t, nas)
		if _, err := f.Sync(time.Now(), []door.Door{theDoor}, nil); err != nil {
			t.Fatal(err)
		}
		for n := range opens {
			if err := f.Open(time.Now(), theDoor, minute(n)); err != nil {
				t.Fatal(err)
			}
		}
		return
	}
	enter(t, "")
	trace := filepath.Join(t.TempDir(), "trace")
	lab.Strace(t, child+"=1", "-o", trace, "-e", "trace=sendto")
	text, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	const look = 3 + 6 // a Sync waits for others, asks for each set that a door can have, and for what is in both of this one
	if n := strings.Count(string(text), "sendto("); n != look+opens {
		t.Errorf("%d messages for a Sync and %d grants, want %d", n, opens, look+opens)
	}
}

// TestOpen_whose_answer_is_lost_for_good has the kernel add an address and the daemon not hear of it.
func TestOpen_whose_answer_is_lost_for_good(t *testing.T) {
	const child = "LATCHKEY_TEST_LOST"
	if os.Getenv(child) != "" {
		runtime.LockOSThread()
		_, f := enter(t, nas)
		err := f.Open(time.Now(), theDoor, minute(1))
		if !errors.Is(err, unix.ENOBUFS) || addresses(t) != 1 {
			t.Fatalf("error %v, %d addresses are in, want ENOBUFS and an address that is in", err, addresses(t))
		}
		select {
		case <-f.Changed():
		case <-time.After(10 * time.Second):
			t.Fatal("nobody is told to look")
		}
		if _, err := f.Sync(time.Now(), []door.Door{theDoor}, nil); err != nil {
			t.Fatal(err)
		}
		if addresses(t) != 0 {
			t.Error("the address is still in, though nobody was let in")
		}
		return
	}
	enter(t, "")
	// An Open that knows nothing yet asks for the generation, twice, and for two sets: the fifth answer is to
	// its change. All its other tries fail, too.
	lab.Strace(t, child+"=1", "-e", "trace=recvfrom", "-e", fmt.Sprintf("inject=recvfrom:error=ENOBUFS:when=5..%d", 4+tries))
	lab.Withstood(t, "firewall", "answer of the firewall that is lost for good after it let an address in",
		"the knock is refused, and the address is out again at once: nothing is open that status does not show")
}

// TestChanged_when_more_changes_come_than_the_socket_holds takes the smallest socket that there is, and a
// watcher for which every change is its own: only that some were lost can be news.
func TestChanged_when_more_changes_come_than_the_socket_holds(t *testing.T) {
	_, f := enter(t, nas)
	w := &watcher{own: func(uint32) bool { return true }, changed: make(chan struct{}, 1), done: make(chan struct{})}
	conn, err := w.listen()
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	if err := conn.SetReadBuffer(1); err != nil {
		t.Fatal(err)
	}
	for n := range 50 {
		if err := f.Open(time.Now(), theDoor, minute(n)); err != nil {
			t.Fatal(err)
		}
	}
	go w.read(conn)
	select {
	case <-w.changed:
	case <-time.After(10 * time.Second):
		t.Fatal("nothing is told of changes that were lost")
	}
	lab.Withstood(t, "firewall", "more changes of the firewall at once than latchkeyd's socket holds (ENOBUFS)",
		"it reads the whole firewall again and puts back what is missing")
}

// TestSteadily_goes_on_with_a_new_connection_after_an_answer_that_it_cannot_read: more of that answer may be
// on its way.
func TestSteadily_goes_on_with_a_new_connection_after_an_answer_that_it_cannot_read(t *testing.T) {
	_, f := enter(t, nas)
	var used []*conn
	for _, answer := range []error{nil, door.ErrFamily, errors.New("an answer of 3 bytes"), nil} {
		if err := f.retry("nas", func(c *conn) error {
			used = append(used, c)
			return answer
		}); !errors.Is(err, answer) {
			t.Errorf("error %v, want %v", err, answer)
		}
	}
	// That there is no set is looked at twice.
	if len(used) != 5 || used[0] != used[3] || used[3] == used[4] {
		t.Errorf("connections %p, want a new one for the last only", used)
	}
}
