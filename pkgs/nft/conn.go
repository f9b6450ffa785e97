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

// answer is how large an answer of the kernel can be, in bytes, if it does not know that the reader has
// room for more (NLMSG_GOODSIZE, linux/netlink.h).
const answer = 8 << 10

// conn asks the kernel about sets, and changes them. What it found it knows as long as the generation
// is the same, so that a grant takes one message and its answer.
type conn struct {
	netlink    *netlink.Conn
	table      string
	generation uint32 // of the ruleset, when it was last asked for, or after our own last change
	// sure says that no transaction was under way when the generation was that: what is found since
	// then is true, or the generation is another, and every change is refused.
	sure  bool
	known map[string]doorSets // by door: what was found since then, if it can be served; see Sync
}

// open connects to nftables.
func open(table string) (*conn, error) {
	nl, err := netlink.Dial(unix.NETLINK_NETFILTER, &netlink.Config{MessageBufferSize: answer})
	if err != nil {
		return nil, err
	}
	// An error's answer repeats the request, which may be long, unless it is told not to. Since Linux 4.3.
	if err := nl.SetOption(netlink.CapAcknowledge, true); err != nil {
		return nil, errors.Join(err, nl.Close())
	}
	return &conn{netlink: nl, table: table}, nil
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
	if _, err := c.netlink.SendMessages(transaction(c.generation, c.table, changes)); err != nil {
		return err
	}
	if _, err := c.netlink.Receive(); err != nil {
		return err
	}
	if c.generation++; c.generation == 0 { // as nf_tables_commit counts
		c.generation++
	}
	return nil
}
