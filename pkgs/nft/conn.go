// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"cmp"
	"errors"
	"fmt"
	"syscall"
	"unsafe"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/door"
	"github.com/latchkey/latchkey/pkgs/nfnetlink"
)

// conn asks the kernel about sets, and changes them. What it found it knows as long as the generation
// is the same, so that a grant takes one message and its answer.
type conn struct {
	netlink    *netlink.Conn
	raw        syscall.RawConn // the same
	table      string
	generation uint32 // of the ruleset, when it was last asked for, or after our own last change
	// sure says that no transaction was under way when the generation was that: what is found since
	// then is true, or the generation is another, and every change is refused.
	sure bool
	// answer has room for the largest that the kernel sends to who has no more (NLMSG_GOODSIZE,
	// linux/netlink.h), but for errors, which repeat what they answer: see open.
	answer [8 << 10]byte
	known  map[string]doorSets // by door: what was found since then, if it can be served; see Sync
}

// open connects to nftables.
func open(table string) (*conn, error) {
	nl, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
	if err != nil {
		return nil, err
	}
	raw, err := nl.SyscallConn()
	if err == nil {
		err = nl.SetOption(netlink.CapAcknowledge, true) // errors repeat a header only; since Linux 4.3
	}
	if err != nil {
		return nil, errors.Join(err, nl.Close())
	}
	return &conn{netlink: nl, raw: raw, table: table}, nil
}

// begin asks for the generation, waits until no transaction is under way, and forgets what was found
// before.
func (c *conn) begin() (err error) {
	c.sure, c.known = false, map[string]doorSets{}
	if c.generation, err = c.askGeneration(); err != nil {
		return err
	}
	err = c.wait()
	c.sure = err == nil
	return err
}

// doorSets is what a door has in the firewall.
type doorSets struct {
	has    [2]bool // by family: there is a set, of the right kind
	reason error   // why the door cannot be served, or nil
}

// look tells which sets of a door there are, and whether they are of the right kind.
func (c *conn) look(name string) (s doorSets, err error) {
	if s, is := c.known[name]; is {
		return s, nil
	}
	var there [2]bool
	for _, six := range []bool{false, true} {
		set := SetName(name, six)
		var info setInfo
		err := c.ask(askSet(unix.NFT_MSG_GETSET, 0, c.table, set), func(m netlink.Message) (err error) {
			info, err = parseSet(m)
			return err
		})
		if errors.Is(err, unix.ENOENT) {
			continue
		}
		if err != nil {
			return s, err
		}
		there[family(six)] = true
		wrong := fit(c.table, set, six, info)
		s.has[family(six)] = wrong == nil
		s.reason = cmp.Or(s.reason, wrong)
	}
	if there == [2]bool{} {
		s.reason = fmt.Errorf("table inet %s: %w", c.table, door.ErrPending)
	}
	if c.sure && s.reason == nil {
		c.known[name] = s
	}
	return s, nil
}

// elements reads a set.
func (c *conn) elements(set string) (list []element, err error) {
	err = c.ask(askSet(unix.NFT_MSG_GETSETELEM, netlink.Dump, c.table, set), func(m netlink.Message) error {
		some, err := parseElements(m)
		list = append(list, some...)
		return err
	})
	return list, err
}

// askGeneration returns the number of the ruleset's generation, which every change of nftables moves.
func (c *conn) askGeneration() (generation uint32, err error) {
	err = c.ask(message(unix.NFT_MSG_GETGEN, 0, nil), func(m netlink.Message) (err error) {
		generation, err = parseGeneration(m)
		return err
	})
	if err == nil && generation == 0 { // which the kernel takes for any, in a transaction
		err = errors.New("an answer without a generation")
	}
	return generation, err
}

// wait returns when no transaction is under way, and then tells whether the generation is still the
// one that was asked for: the error is ERESTART if not.
//
// It is an empty transaction, for which the kernel takes its lock. Of one that succeeds old kernels
// say nothing; a refusal comes before the next answer.
func (c *conn) wait() error {
	if err := c.send(transaction(c.generation, c.table, nil)...); err != nil {
		return err
	}
	_, err := c.askGeneration()
	return err
}

// commit makes changes, all or none. The error is ERESTART if the generation is another by now
// (since Linux 4.12, nfnetlink_rcv_batch).
func (c *conn) commit(changes []change) error {
	if len(changes) == 0 {
		return nil
	}
	if err := c.send(transaction(c.generation, c.table, changes)...); err != nil {
		return err
	}
	if _, err := c.receive(func(netlink.Message) error { return errors.New("an answer that is none to a change") }); err != nil {
		return err
	}
	if c.generation++; c.generation == 0 { // as nf_tables_commit counts
		c.generation++
	}
	return nil
}

// ask sends a question and calls each for every message of the answer.
func (c *conn) ask(question netlink.Message, each func(netlink.Message) error) error {
	if err := c.send(question); err != nil {
		return err
	}
	for {
		if last, err := c.receive(each); last || err != nil {
			return err
		}
	}
}

// The kernel has done what it was told when the sending returns, its answer is there, and the socket does not
// block. So both are done by system calls, and not by the poller of Go's runtime, which took a quarter of a
// knock's time.

// send may wait for a transaction of somebody else, for as long as that takes: the runtime is told, so that
// all other goroutines go on, also where there is one processor.
func (c *conn) send(messages ...netlink.Message) error {
	var b []byte
	for _, m := range messages {
		b = nfnetlink.Append(b, m)
	}
	_, err := c.call(true, unix.SYS_SENDTO, b, 0)
	return err
}

// receive is nfnetlink.Each of the next datagram.
func (c *conn) receive(each func(netlink.Message) error) (last bool, err error) {
	n, err := c.call(false, unix.SYS_RECVFROM, c.answer[:], unix.MSG_TRUNC)
	if err != nil {
		return false, err
	}
	if n > len(c.answer) {
		return false, fmt.Errorf("an answer of %d bytes", n)
	}
	return nfnetlink.Each(c.answer[:n], each)
}

// call makes a system call on the socket. Whether it may wait is what the runtime is told.
func (c *conn) call(mayWait bool, number uintptr, b []byte, flags uintptr) (n int, err error) {
	var size uintptr
	var failed unix.Errno
	err = c.raw.Control(func(fd uintptr) {
		if mayWait {
			size, _, failed = unix.Syscall6(number, fd, uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), flags, 0, 0)
		} else {
			size, _, failed = unix.RawSyscall6(number, fd, uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), flags, 0, 0)
		}
	})
	if err == nil && failed != 0 {
		err = failed
	}
	return int(size), err
}
