// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"cmp"
	"encoding/binary"
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
	sure  bool
	known map[string]doorSets // by door: what was found since then, if it can be served; see Sync
}

// open connects to nftables.
func open(table string) (*conn, error) {
	nl, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
	if err != nil {
		return nil, err
	}
	raw, err := nl.SyscallConn()
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
		reply, err := c.netlink.Execute(askSet(unix.NFT_MSG_GETSET, 0, c.table, set))
		if errors.Is(err, unix.ENOENT) {
			continue
		}
		if err == nil && len(reply) != 1 {
			err = fmt.Errorf("%d answers about set %s", len(reply), set)
		}
		if err != nil {
			return s, err
		}
		info, err := parseSet(reply[0])
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
	reply, err := c.netlink.Execute(askSet(unix.NFT_MSG_GETSETELEM, netlink.Dump, c.table, set))
	if err != nil {
		return nil, err
	}
	for _, m := range reply {
		some, err := parseElements(m)
		if err != nil {
			return nil, err
		}
		list = append(list, some...)
	}
	return list, nil
}

// askGeneration returns the number of the ruleset's generation, which every change of nftables moves.
func (c *conn) askGeneration() (uint32, error) {
	reply, err := c.netlink.Execute(message(unix.NFT_MSG_GETGEN, 0, nil))
	if err != nil {
		return 0, err
	}
	if len(reply) != 1 {
		return 0, fmt.Errorf("%d answers about the generation", len(reply))
	}
	return parseGeneration(reply[0])
}

// wait returns when no transaction is under way, and then tells whether the generation is still the
// one that was asked for: the error is ERESTART if not.
//
// It is an empty transaction, for which the kernel takes its lock. Of one that succeeds old kernels
// say nothing; a refusal comes before the next answer.
func (c *conn) wait() error {
	if _, err := c.netlink.SendMessages(transaction(c.generation, c.table, nil)); err != nil {
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
	if err := c.exchange(transaction(c.generation, c.table, changes)); err != nil {
		return err
	}
	if c.generation++; c.generation == 0 { // as nf_tables_commit counts
		c.generation++
	}
	return nil
}

// exchange sends messages and reads the first answer, which is that all went well, or the first error.
//
// The kernel has done it all when the sending returns, and the socket does not block. So Go's runtime is not
// told of these calls: it would take them for some that last, and wake threads to go on with other work,
// which took a quarter of a knock's time. All it has to wait for is a transaction of somebody else.
func (c *conn) exchange(messages []netlink.Message) error {
	var request []byte
	for _, m := range messages {
		request = nfnetlink.Append(request, m)
	}
	var answer [unix.SizeofNlMsghdr + unix.SizeofNlMsgerr]byte // of the request that it repeats nothing is needed
	var failed unix.Errno
	n := uintptr(0)
	err := c.raw.Control(func(fd uintptr) {
		_, _, failed = unix.RawSyscall6(unix.SYS_SENDTO, fd, uintptr(unsafe.Pointer(&request[0])), uintptr(len(request)), 0, 0, 0)
		if failed == 0 {
			n, _, failed = unix.RawSyscall6(unix.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(&answer[0])), uintptr(len(answer)), 0, 0, 0)
		}
	})
	switch {
	case err != nil:
		return err
	case failed != 0:
		return failed
	case int(n) < unix.SizeofNlMsghdr+4 || binary.NativeEndian.Uint16(answer[4:]) != unix.NLMSG_ERROR:
		return fmt.Errorf("an answer of %d bytes to a change", n)
	}
	if failed = unix.Errno(-int32(binary.NativeEndian.Uint32(answer[unix.SizeofNlMsghdr:]))); failed != 0 {
		return failed
	}
	return nil
}
