// SPDX-License-Identifier: Apache-2.0

// Package resolver finds the name servers of systems that have no /etc/resolv.conf, which is Android.
//
// A program that is not linked with Android's own library, such as this one, cannot ask for them there. Termux
// has a file of its own, and before Android 8 getprop printed them.
//
// It is not meant for other programs.
package resolver

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
)

// usual is where package net looks for name servers.
const usual = "/etc/resolv.conf"

// maxServers is how many name servers are asked, as in resolv.conf(5).
const maxServers = 3

// OfSystem returns what resolves names where package net does not know how to; nil where it does.
func OfSystem() *net.Resolver {
	if known() {
		return nil
	}
	found := servers()
	var asked atomic.Uint32
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		if len(found) == 0 {
			return nil, errors.New("this system names no name server")
		}
		next := int(asked.Add(1)-1) % len(found) // package net tries four times
		var d net.Dialer
		return d.DialContext(ctx, network, netip.AddrPortFrom(found[next], 53).String())
	}}
}

// Missing reports whether this system names no name server.
func Missing() bool { return !known() && len(servers()) == 0 }

func known() bool {
	if runtime.GOOS != "linux" && runtime.GOOS != "android" {
		return true
	}
	_, err := os.Stat(usual)
	return err == nil
}

func servers() []netip.Addr {
	var text []byte
	for _, property := range []string{"net.dns1", "net.dns2", "net.dns3"} {
		value, err := exec.Command("getprop", property).Output()
		if value = bytes.TrimSpace(value); err == nil && len(value) > 0 {
			text = append(append(append(text, "nameserver "...), value...), '\n')
		}
	}
	if prefix := os.Getenv("PREFIX"); prefix != "" {
		file, err := os.ReadFile(filepath.Join(prefix, "etc/resolv.conf"))
		if err == nil {
			text = append(text, file...)
		}
	}
	return parse(string(text))
}

// parse reads resolv.conf(5).
func parse(text string) []netip.Addr {
	var found []netip.Addr
	for line := range strings.Lines(text) {
		field := strings.Fields(line)
		if len(field) < 2 || field[0] != "nameserver" || len(found) == maxServers {
			continue
		}
		if a, err := netip.ParseAddr(field[1]); err == nil {
			found = append(found, a)
		}
	}
	return found
}
