// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/latchkey/latchkey/pkgs/lab"
)

// invariant is something that must be true at every checkpoint, when nobody knocks and nothing is wrong.
// Others are looked at where they can be seen: by visits, faults, and every second by guard.
type invariant struct {
	name  string
	check func(s *soak, r *rand.Rand) error // an error is a violation
}

var invariants = []invariant{
	{"the book and the kernel's sets agree", (*soak).bookAgrees},
	{"floods cost no write to flash", (*soak).floodsCostNoWrite},
	{"no more writes to flash than knocks", (*soak).writesAreFew},
	{"memory is bounded", (*soak).memoryIsBounded},
	{"descriptors come back", (*soak).descriptorsComeBack},
	{"threads are bounded", (*soak).threadsAreBounded},
}

// usage is what a process uses.
type usage struct {
	Resident    int `json:"resident_kb"`
	Descriptors int `json:"descriptors"`
	Threads     int `json:"threads"`
	Goroutines  int `json:"goroutines"`
}

const (
	// memoryFactor is by how much more memory the daemon may have than at rest: what SECURITY.md promises.
	memoryFactor = 1.5
	// moreThreads is how many threads may come on top: Go keeps those that once waited for a file.
	moreThreads = 12
	// moreGoroutines is how many may be about to end.
	moreGoroutines = 6
)

// checkpoint stops people and faults, but not the strangers, and looks at every invariant.
func (s *soak) checkpoint(r *rand.Rand) {
	s.stage.Lock()
	defer s.stage.Unlock()
	if s.ctx.Err() != nil {
		return
	}
	s.note("checkpoint")
	s.newLists()
	s.recovered("checkpoint")
	for _, i := range invariants {
		err := i.check(s, r)
		if s.ctx.Err() != nil {
			return
		}
		if err != nil {
			s.violated(i.name, "%v", err)
			return
		}
		s.held(i.name)
	}
	s.model.count(func(c *counts) { c.Checkpoints++ })
	if r.IntN(4) == 0 && !s.calm() {
		s.endAndCount()
		if err := s.router.start(); err != nil {
			s.give(err)
		}
		s.recovered("checkpoint")
	}
}

// guard looks every second at what must be true at any time, whatever goes on.
func (s *soak) guard(ctx context.Context) {
	for pause(ctx, time.Second) {
		if err := s.router.failed(); err != nil {
			s.violated("the daemon does not end by itself", "%v", err)
		}
		looked := time.Now()
		list, err := elements(ctx)
		if err != nil {
			if ctx.Err() == nil {
				s.give(err)
			}
			return
		}
		for _, e := range list {
			if why := s.model.wrong(looked, e); why != "" {
				s.violated("the kernel lets in only who knocked, and for no longer", "door %s is open: %s", e.use, why)
			}
		}
		s.held("the kernel lets in only who knocked, and for no longer")
		s.seeUsage(usage{Resident: s.router.look()})
	}
}

// bookAgrees opens every door as the owner and compares what the daemon says with what the kernel has.
func (s *soak) bookAgrees(r *rand.Rand) (err error) {
	p := s.people[r.IntN(len(s.people))]
	for _, d := range services {
		v := p.planOf(s, r, ownersKind, r.IntN(2) == 1)
		v.service, v.long = d, true
		if v.enter().IsZero() {
			return nil // that is told
		}
		defer v.close()
	}
	return s.compareSteadily()
}

// compareSteadily compares book and kernel, which both change while it looks: grants end.
func (s *soak) compareSteadily() (err error) {
	for range 8 {
		if err = s.compare(); err == nil || !pause(s.ctx, 250*time.Millisecond) {
			break
		}
	}
	return err
}

// agree is by how many seconds book and kernel may differ: each rounds, and the kernel is read later.
const agree = 3

func (s *soak) compare() error {
	before, err := s.router.status()
	if err != nil {
		return err
	}
	list, err := elements(s.ctx)
	if err != nil {
		return err
	}
	book := map[use]int{} // seconds left
	for _, d := range before.Doors {
		for _, g := range d.Grants {
			a, err := netip.ParseAddr(g.Address)
			if err != nil {
				return err
			}
			u := use{d.Name, a}
			book[u] = max(book[u], g.Left)
		}
	}
	for _, e := range list {
		if left, is := book[e.use]; !is && e.left > 1 {
			return fmt.Errorf("the kernel lets in %s for %d s, and the daemon does not know of it", e.use, e.left)
		} else if is && max(left-e.left, e.left-left) > agree {
			return fmt.Errorf("the kernel lets in %s for %d s, and the daemon says %d s", e.use, e.left, left)
		}
	}
	for u, left := range book {
		if _, is := find(list, u); !is && left > agree {
			return fmt.Errorf("the daemon says that %s is open for %d s, and the kernel does not know of it", u, left)
		}
	}
	return nil
}

// floodsCostNoWrite floods for a while in which nobody else does anything. What a refused knock of before
// made the daemon write late is no flood's: so three such times must all have writes to count.
func (s *soak) floodsCostNoWrite(r *rand.Rand) error {
	f := draw(r, floods)
	var wrote []string
	for range 3 {
		before := s.writes.number()
		ctx, over := context.WithTimeout(s.ctx, 1500*time.Millisecond)
		s.flood(ctx, r, f, 500)
		over()
		pause(s.ctx, time.Second) // within which refused knocks are written
		n := s.writes.number() - before
		if n == 0 {
			return nil
		}
		wrote = append(wrote, strconv.Itoa(n))
	}
	return fmt.Errorf("%s: the state file was written %s times while only strangers sent something", f.name, strings.Join(wrote, ", "))
}

// writesAreFew: each message that people sent costs a write at the most.
func (s *soak) writesAreFew(*rand.Rand) error {
	c := s.figures()
	if c.Writes > c.Messages {
		return fmt.Errorf("the state file was written %d times for %d messages at the most", c.Writes, c.Messages)
	}
	return nil
}

func (s *soak) memoryIsBounded(*rand.Rand) error {
	is, most := lab.MemoryOf(s.router.pid()).Resident, int(memoryFactor*float64(s.idle.Resident))
	s.seeUsage(usage{Resident: is})
	if is > most {
		return fmt.Errorf("%d kB are resident, %d kB were at rest, and %d kB are the limit", is, s.idle.Resident, most)
	}
	return nil
}

// descriptors returns what the open files of a process are.
func descriptors(pid int) (list []string) {
	folder := fmt.Sprintf("/proc/%d/fd", pid)
	entries, _ := os.ReadDir(folder)
	for _, e := range entries {
		what, err := os.Readlink(filepath.Join(folder, e.Name()))
		if err == nil {
			list = append(list, e.Name()+" "+what)
		}
	}
	return list
}

// descriptorsComeBack waits until callers that hung up are gone: then no file is open but those at rest.
func (s *soak) descriptorsComeBack(*rand.Rand) error {
	var list []string
	for range 100 {
		list = descriptors(s.router.pid())
		if len(list) <= s.idle.Descriptors {
			s.seeUsage(usage{Descriptors: len(list)})
			return nil
		}
		if !pause(s.ctx, 200*time.Millisecond) {
			return nil
		}
	}
	return fmt.Errorf("%d files are open, and %d were at rest:\n  %s", len(list), s.idle.Descriptors, strings.Join(list, "\n  "))
}

func threads(pid int) int {
	entries, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	return len(entries)
}

func (s *soak) threadsAreBounded(*rand.Rand) error {
	is := threads(s.router.pid())
	s.seeUsage(usage{Threads: is})
	if most := s.idle.Threads + moreThreads; is > most {
		return fmt.Errorf("%d threads, and %d were at rest", is, s.idle.Threads)
	}
	return nil
}

const goroutinesComeBack = "goroutines come back"

// endAndCount ends a daemon whom nobody calls, and looks at what its life left behind: memory, files, goroutines.
func (s *soak) endAndCount() {
	last, _ := s.router.lives()
	s.judgeMemory(last)
	if err := s.descriptorsComeBack(nil); err != nil {
		s.violated("descriptors come back", "%v", err)
	}
	n, err := s.router.goroutines()
	if err != nil {
		s.give(err)
		return
	}
	s.judgeGoroutines(n, s.idle.Goroutines+moreGoroutines)
}

func (s *soak) judgeGoroutines(n, most int) {
	s.seeUsage(usage{Goroutines: n})
	if n > most {
		s.violated(goroutinesComeBack, "%d goroutines, and %d were at rest: latchkeyd.log has them", n, s.idle.Goroutines)
		return
	}
	s.held(goroutinesComeBack)
}

// lastWords are the invariants of the end: when nobody has knocked for as long as a door is open, none is,
// and the daemon has the goroutines that it had at rest.
func (s *soak) lastWords() {
	const invariant = "in the end every door is closed"
	s.stage.Lock()
	defer s.stage.Unlock()
	var list []element
	var err error
	for deadline := time.Now().Add(maxOpen + late); ; {
		if list, err = elements(s.ctx); err == nil && len(list) == 0 {
			break
		}
		if time.Now().After(deadline) {
			s.violated(invariant, "these are open: %v (%v)", list, err)
			return
		}
		if !pause(s.ctx, 300*time.Millisecond) {
			return
		}
	}
	if err := s.compareSteadily(); err != nil {
		s.violated(invariant, "%v", err)
		return
	}
	s.held(invariant)
	s.endAndCount()
}
