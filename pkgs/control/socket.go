// SPDX-License-Identifier: Apache-2.0

package control

import (
	"errors"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// The unix socket is made and used without package net, whose sockets for all networks weigh 25 kB in
// the router's package: os.File waits for a socket just as well.

// backlog is how many callers may wait to be answered, or refused because there are too many. The kernel
// takes no more than net.core.somaxconn.
const backlog = 4096

// Listener is where callers come from.
type Listener struct {
	path string
	file *os.File
	raw  syscall.RawConn
	once sync.Once // closed
}

// Listen makes a unix socket at path, where nothing may be, with the rights that umask(2) leaves.
func Listen(path string) (*Listener, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), path)
	raw, err := file.SyscallConn()
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrUnix{Name: path})
	}
	if err == nil {
		err = unix.Listen(fd, backlog)
	}
	if err != nil {
		_ = file.Close()
		return nil, &os.PathError{Op: "listen", Path: path, Err: err}
	}
	return &Listener{path: path, file: file, raw: raw}, nil
}

// accept waits for the next caller.
func (l *Listener) accept() (*os.File, error) {
	fd, err := -1, error(nil)
	waited := l.raw.Read(func(own uintptr) bool {
		for {
			fd, _, err = syscall.Accept4(int(own), unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
			if err != unix.EINTR && err != unix.ECONNABORTED {
				return err != unix.EAGAIN
			}
		}
	})
	if waited != nil {
		return nil, waited
	}
	if err != nil {
		return nil, os.NewSyscallError("accept", err)
	}
	return os.NewFile(uintptr(fd), l.path), nil
}

// Close removes the socket, and ends the listening. In this order: who finds a socket that nobody listens
// at makes one of his own in its place, which is not ours to remove.
func (l *Listener) Close() (err error) {
	l.once.Do(func() { err = errors.Join(os.Remove(l.path), l.file.Close()) })
	return err
}

// connect returns a connection to the socket at path.
func connect(path string) (*os.File, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	// It waits here where the backlog is full, and only then is to be interrupted by closing it.
	err = unix.Connect(fd, &unix.SockaddrUnix{Name: path})
	for err == unix.EINTR {
		err = unix.Connect(fd, &unix.SockaddrUnix{Name: path})
	}
	if err == nil {
		err = unix.SetNonblock(fd, true)
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, &os.PathError{Op: "connect to", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}
