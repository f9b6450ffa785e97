// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/door"
)

// conn asks the kernel about sets, and changes them.
type conn struct {
	netlink    *netlink.Conn
	table      string
	generation uint32 // of the ruleset, when it was last asked for
}

// doorSets is what a door has in the firewall.
type doorSets struct {
	has    [2]bool // by family: there is a set, of the right kind
	reason error   // why the door cannot be served, or nil
}

// look tells which sets of a door there are, and whether they are of the right kind.
func (c *conn) look(name string) (s doorSets, err error) {
	var there [2]bool
	for _, six := range []bool{false, true} {
		set := SetName(name, six)
		reply, err := c.netlink.Execute(message(unix.NFT_MSG_GETSET, 0, ofSet(c.table, set)))
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
	return s, nil
}

// elements reads a set.
func (c *conn) elements(set string) (list []element, err error) {
	reply, err := c.netlink.Execute(message(unix.NFT_MSG_GETSETELEM, netlink.Dump, ofSet(c.table, set)))
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
	messages := transaction(c.generation, c.table, changes)
	if _, err := c.netlink.SendMessages(messages); err != nil {
		return err
	}
	for _, m := range messages {
		if m.Header.Flags&netlink.Acknowledge == 0 {
			continue
		}
		if _, err := c.netlink.Receive(); err != nil {
			return err
		}
	}
	return nil
}
