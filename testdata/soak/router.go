// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/lab"
)

// router is latchkeyd on the lab's router, which faults end and start again.
type router struct {
	program string
	folder  string // configuration, control socket and events
	flash   string // the state file, on a small file system of its own
	log     *os.File

	mu      sync.Mutex
	cmd     *exec.Cmd
	ended   chan struct{} // closed when cmd has ended
	wanted  bool          // cmd shall run
	failure error         // why it ended although it should not
	life    life          // of cmd
	longest life          // of those before it
	losses  int           // how often it was ended in a way that loses events
}

// flashSize is that of the file system of the state file: what a fault can fill.
const flashSize = 256 << 10

func newRouter(o options) (*router, error) {
	r := &router{program: filepath.Join(o.programs, "latchkeyd"), folder: filepath.Join(o.folder, "run"), flash: filepath.Join(o.folder, "flash")}
	err := errors.Join(os.MkdirAll(r.folder, 0o700), os.MkdirAll(r.flash, 0o700))
	if err != nil {
		return nil, err
	}
	if err := unix.Mount("soak", r.flash, "tmpfs", 0, fmt.Sprintf("size=%d,mode=700", flashSize)); err != nil {
		return nil, fmt.Errorf("file system of the state: %w", err)
	}
	r.log, err = os.OpenFile(filepath.Join(o.folder, "latchkeyd.log"), os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	return r, err
}

// close ends the daemon at once, if it runs.
func (r *router) close() {
	r.mu.Lock()
	r.wanted = false
	cmd, ended := r.cmd, r.ended
	r.mu.Unlock()
	if cmd != nil {
		_ = cmd.Process.Kill() // it may have ended
		<-ended
	}
	_ = unix.Unmount(r.flash, unix.MNT_DETACH) // it ends with the lab anyway
	r.log.Close()
}

func (r *router) socket() string { return filepath.Join(r.folder, "sock") }

// configure puts a configuration in the place of the former one.
func (r *router) configure(text string) error {
	path := filepath.Join(r.folder, "config")
	return errors.Join(os.WriteFile(path+".new", []byte(text), 0o600), os.Rename(path+".new", path))
}

// start starts the daemon, which must not run.
func (r *router) start() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	cmd := lab.On("router", r.program, "run", "--config", filepath.Join(r.folder, "config"),
		"--state", filepath.Join(r.flash, "state"), "--socket", r.socket(), "--clock", "synchronised")
	cmd.Env = append(os.Environ(), "GOMEMLIMIT=12MiB", // as openwrt's init script does
		"GOTRACEBACK=all") // SIGQUIT lists every goroutine
	cmd.Stdout, cmd.Stderr = r.log, r.log
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	r.longest = longer(r.longest, r.life)
	r.cmd, r.ended, r.wanted, r.life = cmd, ended, true, life{begun: time.Now()}
	go func() {
		err := cmd.Wait()
		r.mu.Lock()
		if r.wanted {
			r.failure = fmt.Errorf("latchkeyd ended by itself: %v", cmd.ProcessState)
		} else if err != nil && cmd.ProcessState.ExitCode() == 1 {
			r.failure = fmt.Errorf("latchkeyd was told to end, and failed: %w", err)
		}
		r.mu.Unlock()
		close(ended)
	}()
	return nil
}

// end sends a signal and waits until the daemon has ended. What has not ended after a minute is killed,
// which is an error.
func (r *router) end(s unix.Signal) error {
	r.mu.Lock()
	r.wanted, r.life.long = false, time.Since(r.life.begun)
	if s != unix.SIGTERM {
		r.losses++
	}
	cmd, ended := r.cmd, r.ended
	r.mu.Unlock()
	if err := cmd.Process.Signal(s); err != nil {
		return err
	}
	select {
	case <-ended:
		return nil
	case <-time.After(time.Minute):
		return errors.Join(fmt.Errorf("latchkeyd did not end within a minute of %s", s), cmd.Process.Kill())
	}
}

func (r *router) signal(s unix.Signal) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.cmd.Process.Signal(s)
}

func (r *router) pid() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.cmd.Process.Pid
}

// look returns how much memory is resident, and keeps what of it is the daemon's own.
func (r *router) look() (resident int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := lab.MemoryOf(r.cmd.Process.Pid)
	if r.wanted && m.Own > 0 {
		r.life.own = append(r.life.own, m.Own)
	}
	return m.Resident
}

// lives returns the life of the daemon that runs, or ran last, and the longest one so far.
func (r *router) lives() (last, longest life) {
	r.mu.Lock()
	defer r.mu.Unlock()
	last = r.life
	if r.wanted {
		last.long = time.Since(last.begun)
	}
	return last, longer(r.longest, last)
}

// lost returns how often the daemon was ended in a way that loses events.
func (r *router) lost() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.losses
}

// failed says why the daemon ended although it should not, nil if it did not.
func (r *router) failed() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failure
}

// callWithin is how long the daemon may take for an answer, on a machine that has much else to do.
const callWithin = 30 * time.Second

// ask sends a request to the daemon and stores the answer.
func (r *router) ask(request control.Request, answer any) error {
	c, err := control.Dial(r.socket())
	if err != nil {
		return err
	}
	defer c.Close()
	defer time.AfterFunc(callWithin, func() { c.Close() }).Stop()
	return c.Call(request, answer)
}

func (r *router) status() (s control.Status, err error) {
	err = r.ask(control.Request{Method: "status"}, &s)
	return s, err
}

// ill says what keeps the router from serving its doors, "" if nothing does.
func (r *router) ill() string {
	s, err := r.status()
	switch {
	case err != nil:
		return err.Error()
	case s.Problem != "":
		return "the last reload was refused: " + s.Problem
	}
	for _, d := range s.Devices {
		if d.State != "up" || d.Problem != "" {
			return fmt.Sprintf("device %s is %s %s", d.Name, d.State, d.Problem)
		}
	}
	for _, d := range s.Doors {
		if d.State != "ready" {
			return fmt.Sprintf("door %s is %s %s", d.Name, d.State, d.Reason)
		}
		for _, g := range d.Grants {
			if g.Pending {
				return fmt.Sprintf("door %s is pending for %s", d.Name, g.Address)
			}
		}
	}
	return ""
}

// dropped is how many packets came faster than the daemon read them, since its devices came.
func (r *router) dropped() (n uint64) {
	s, _ := r.status()
	for _, d := range s.Devices {
		n += d.Dropped
	}
	return n
}

// element is an address in a set of the kernel.
type element struct {
	use
	forGood bool // it has no timeout
	timeout int  // seconds …
	left    int  // … rounded down by nft
}

// elements returns what the kernel lets in; nothing while the firewall has no table. nft fails where the
// ruleset changes all the time that it looks: then it looks again.
func elements(ctx context.Context) (list []element, err error) {
	for range 5 {
		if list, err = readElements(ctx); err == nil || !pause(ctx, 100*time.Millisecond) {
			break
		}
	}
	return list, err
}

func readElements(ctx context.Context) ([]element, error) {
	cmd := exec.CommandContext(ctx, "nft", "-j", "list", "table", "inet", "fw4")
	var out []byte
	err := lab.Do("router", func() (err error) {
		out, err = cmd.Output()
		return err
	})
	exit, failed := errors.AsType[*exec.ExitError](err)
	switch {
	case failed && strings.Contains(string(exit.Stderr), "No such file"):
		return nil, nil
	case failed:
		return nil, fmt.Errorf("%s: %w: %s", cmd, err, exit.Stderr)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", cmd, err)
	}
	return parseElements(out)
}

// parseElements reads what nft prints of sets: {"nftables": [{"set": {"name": ..., "elem": [...]}}]}
// (libnftables-json(5)). An element with a timeout is {"elem": {"val": ..., "timeout": ..., "expires": ...}},
// also if that is less than a second and printed as 0; one without is its value alone.
func parseElements(text []byte) (list []element, err error) {
	var ruleset struct {
		Nftables []struct {
			Set *struct {
				Name string
				Elem []json.RawMessage
			}
		}
	}
	if err := json.Unmarshal(text, &ruleset); err != nil {
		return nil, fmt.Errorf("nft: %w", err)
	}
	for _, x := range ruleset.Nftables {
		if x.Set == nil {
			continue
		}
		name, ours := strings.CutPrefix(x.Set.Name, "latchkey1_")
		if !ours {
			continue
		}
		for _, raw := range x.Set.Elem {
			var timed struct {
				Elem struct {
					Val     string
					Timeout *int
					Expires int
				}
			}
			e := element{use: use{door: name[:len(name)-len("_4")]}, forGood: true}
			value := ""
			if json.Unmarshal(raw, &value) != nil {
				if err := json.Unmarshal(raw, &timed); err != nil {
					return nil, fmt.Errorf("nft: element %s of set %s: %w", raw, x.Set.Name, err)
				}
				value = timed.Elem.Val
				if t := timed.Elem.Timeout; t != nil {
					e.forGood, e.timeout, e.left = false, *t, timed.Elem.Expires
				}
			}
			if e.address, err = netip.ParseAddr(value); err != nil {
				return nil, fmt.Errorf("nft: element %s of set %s: %w", raw, x.Set.Name, err)
			}
			list = append(list, e)
		}
	}
	return list, nil
}

// find returns the element of a use, if there is one.
func find(list []element, u use) (element, bool) {
	for _, e := range list {
		if e.use == u {
			return e, true
		}
	}
	return element{}, false
}
