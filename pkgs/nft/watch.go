// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/netlink"
)

const (
	// settle is how long a change waits for others that come with it: fw4 restart is two.
	settle = 50 * time.Millisecond
	// again is how long a watcher waits to listen again after its socket broke.
	again = time.Second
)

// watcher notices when somebody else changed nftables.
//
// It does not decode what changed: a ruleset that is being loaded is thousands of messages. All that
// matters is the one that ends each transaction, and a filter lets only that one in. That more came
// than the socket holds is no error but news.
type watcher struct {
	own     func(port uint32) bool
	changed chan struct{} // capacity 1
	waiting atomic.Bool   // a change is settling

	mu     sync.Mutex
	conn   *netlink.Conn
	closed bool
	done   chan struct{} // closed together with closed
}

// watch begins to listen. own says whether a change came from a netlink port of ours.
func watch(own func(port uint32) bool) (*watcher, error) {
	w := &watcher{own: own, changed: make(chan struct{}, 1), done: make(chan struct{})}
	conn, err := w.listen()
	if err != nil {
		return nil, err
	}
	go w.run(conn)
	return w, nil
}

// generation is the type of the message that ends each transaction.
const generation = unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_NEWGEN

// onlyGenerations is a socket filter that lets the messages of type generation in. The kernel sends
// them in buffers of their own (nf_tables_gen_notify). BPF loads are big endian, netlink headers
// are in the machine's order.
func onlyGenerations() []bpf.Instruction {
	var b [2]byte
	binary.NativeEndian.PutUint16(b[:], generation)
	return []bpf.Instruction{
		bpf.LoadAbsolute{Off: 4, Size: 2}, // nlmsghdr.nlmsg_type
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(binary.BigEndian.Uint16(b[:])), SkipFalse: 1},
		bpf.RetConstant{Val: 1 << 16},
		bpf.RetConstant{Val: 0},
	}
}

// listen opens the socket. A nil connection and no error mean that the watcher was closed.
func (w *watcher) listen() (*netlink.Conn, error) {
	filter, err := bpf.Assemble(onlyGenerations())
	if err != nil {
		return nil, err
	}
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER)
	if err != nil {
		return nil, err
	}
	err = conn.SetFilter(filter)
	if err == nil {
		err = conn.Join(unix.NFNLGRP_NFTABLES)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("watch for changes: %w", err), conn.Close())
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return nil, conn.Close()
	}
	w.conn = conn
	return conn, nil
}

// run reads until the watcher is closed.
func (w *watcher) run(conn *netlink.Conn) {
	for {
		w.read(conn)
		_ = conn.Close()
		for conn = nil; conn == nil; {
			select {
			case <-w.done:
				return
			case <-time.After(again):
			}
			conn, _ = w.listen()
		}
		w.notify() // nobody knows what happened meanwhile
	}
}

// read reads until the connection breaks or is closed.
func (w *watcher) read(conn *netlink.Conn) {
	for {
		err := conn.Wait(func(m netlink.Message) {
			// A notification has the port of the socket that asked for the change.
			if !w.own(m.Port) {
				w.notify()
			}
		})
		switch {
		case errors.Is(err, unix.ENOBUFS):
			w.notify() // more came than the socket holds: something did change
		case err != nil:
			return
		}
	}
}

// notify says that there was a change, a little later, so that one value stands for many.
func (w *watcher) notify() {
	if !w.waiting.CompareAndSwap(false, true) {
		return
	}
	time.AfterFunc(settle, func() {
		w.waiting.Store(false)
		select {
		case w.changed <- struct{}{}:
		default: // the last one was not read yet, and stands for this one too
		}
	})
}

// close ends the watcher.
func (w *watcher) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return
	}
	w.closed = true
	close(w.done)
	_ = w.conn.Close() // it may be closed already, if run is between two connections
}
