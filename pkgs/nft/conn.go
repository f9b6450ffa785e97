// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/door"
	"github.com/latchkey/latchkey/pkgs/netlink"
)

// conn asks the kernel about sets, and changes them. What it found it knows as long as the generation
// is the same, so that a grant takes one message and its answer.
type conn struct {
	*netlink.Conn
	table      string
	generation uint32 // of the ruleset, when it was last asked for, or after our own last change
	// sure says that no transaction was under way when the generation was that: what is found since
	// then is true, or the generation is another, and every change is refused.
	sure  bool
	known map[string]bool // by set: whether there is one, as found since then; none of the wrong kind; see Sync
}

// open connects to nftables.
func open(table string) (*conn, error) {
	nl, err := netlink.Dial(unix.NETLINK_NETFILTER)
	if err != nil {
		return nil, err
	}
	nl.Quick = true
	return &conn{Conn: nl, table: table}, nil
}

// begin asks for the generation, waits until no transaction is under way, and forgets what was found
// before.
func (c *conn) begin() (err error) {
	c.sure, c.known = false, map[string]bool{}
	if c.generation, err = c.askGeneration(); err != nil {
		return err
	}
	err = c.wait()
	c.sure = err == nil
	return err
}

// doorSets is what a door has in the firewall.
type doorSets struct {
	lacks  [2]error // by family: why there is no set of the right kind, or nil; door.ErrFamily or door.ErrWidth
	reason error    // why the door cannot be served, or nil
}

// look returns which sets of a door there are, and whether they are of the right kind.
func (c *conn) look(d door.Door) (s doorSets, err error) {
	none := true
	for _, six := range []bool{false, true} {
		is, wrong, err := c.find(d.Name, six, d.Wide(six))
		if err != nil {
			return s, err
		}
		s.reason = cmp.Or(s.reason, wrong)
		if is {
			none = false
			continue
		}
		s.lacks[family(six)] = door.ErrFamily
		if is, _, err = c.find(d.Name, six, !d.Wide(six)); err != nil {
			return s, err
		} else if is {
			s.lacks[family(six)] = door.ErrWidth
		}
	}
	if none {
		s.reason = fmt.Errorf("table inet %s: %w", c.table, door.ErrPending)
	}
	return s, nil
}

// find reports whether there is a set, and what is wrong with it.
func (c *conn) find(name string, six, wide bool) (is bool, wrong, err error) {
	set := SetName(name, six, wide)
	if is, known := c.known[set]; known {
		return is, nil, nil
	}
	var info setInfo
	err = c.Ask(askSet(unix.NFT_MSG_GETSET, 0, c.table, set), func(m netlink.Message) (err error) {
		info, err = parseSet(m)
		return err
	})
	switch {
	case err == nil:
		is, wrong = true, checkKind(c.table, set, six, wide, info)
	case !errors.Is(err, unix.ENOENT):
		return false, nil, err
	}
	if c.sure && wrong == nil {
		c.known[set] = is
	}
	return is, wrong, nil
}

// elements reads a set, of networks (wide) or of addresses. The error is EINTR if the kernel was moving them meanwhile.
func (c *conn) elements(set string, wide bool) (list []element, err error) {
	err = c.Ask(askSet(unix.NFT_MSG_GETSETELEM, unix.NLM_F_DUMP, c.table, set), func(m netlink.Message) (err error) {
		list, err = appendElements(list, m)
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case wide:
		return joined(list), nil
	case hasTwice(list):
		return nil, fmt.Errorf("set %s was moved while it was read: %w", set, unix.EINTR)
	}
	return list, nil
}

// askGeneration returns the number of the ruleset's generation, which every change of nftables moves.
func (c *conn) askGeneration() (generation uint32, err error) {
	err = c.Ask(message(unix.NFT_MSG_GETGEN, 0, nil), func(m netlink.Message) (err error) {
		generation, err = parseGeneration(m)
		return err
	})
	if err == nil && generation == 0 { // which the kernel takes for any, in a transaction
		err = errors.New("an answer without a generation")
	}
	return generation, err
}

// wait returns when no transaction is under way, and then reports whether the generation is still the
// one that was asked for: the error is ERESTART if not.
//
// It is an empty transaction, for which the kernel takes its lock. Of one that succeeds old kernels
// say nothing; a refusal comes before the next answer.
func (c *conn) wait() error {
	if err := c.Send(transaction(c.generation, c.table, nil)...); err != nil {
		return err
	}
	_, err := c.askGeneration()
	return err
}

// commitAll makes changes, one transaction after the other, which were found a while ago. The error is ERESTART if
// somebody else changed nftables before one of them; those before it are made.
func (c *conn) commitAll(changes []change, passed func() time.Duration) error {
	for len(changes) > 0 {
		var part []change
		part, changes = cut(changes, passed())
		if err := c.commit(part); err != nil {
			return err
		}
	}
	return nil
}

// commit makes changes, all or none. The error is ERESTART if the generation is another by now
// (since Linux 4.12, nfnetlink_rcv_batch).
func (c *conn) commit(changes []change) error {
	if len(changes) == 0 {
		return nil
	}
	if err := c.Send(transaction(c.generation, c.table, changes)...); err != nil {
		return err
	}
	if err := c.Answer(func(netlink.Message) error { return errors.New("an answer that is none to a change") }); err != nil {
		return err
	}
	if c.generation++; c.generation == 0 { // as nf_tables_commit counts
		c.generation++
	}
	return nil
}
