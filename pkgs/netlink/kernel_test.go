// SPDX-License-Identifier: Apache-2.0

package netlink

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/lab"
)

func TestMain(m *testing.M) { os.Exit(lab.Main(m)) }

// ip runs ip(8) with these words.
func ip(t *testing.T, format string, a ...any) {
	t.Helper()
	if out, err := exec.Command("ip", strings.Fields(fmt.Sprintf(format, a...))...).CombinedOutput(); err != nil {
		t.Fatalf("ip "+format+": %v\n%s", append(a, err, out)...)
	}
}

// addDevice makes a device that the test removes.
func addDevice(t *testing.T, name string) {
	t.Helper()
	ip(t, "link add %s type veth peer name %sp", name, name)
	t.Cleanup(func() { ip(t, "link del %s", name) })
}

// TestAddresses_and_Devices_are_those_of_package_net has more of both than fit in one datagram.
func TestAddresses_and_Devices_are_those_of_package_net(t *testing.T) {
	lab.Enter(t)
	for n := range 10 {
		addDevice(t, fmt.Sprint("lk", n))
	}
	ip(t, "addr add 192.0.2.1/24 dev lk1")
	ip(t, "addr add 192.0.2.77 peer 192.0.2.78/32 dev lk2")
	ip(t, "addr add 2001:db8::1 peer 2001:db8::2/128 dev lk2 nodad")
	ip(t, "addr add 2001:db8:1::1/64 dev lk3 nodad")
	for n := range 200 {
		ip(t, "addr add 198.18.0.%d/16 dev lk4", n+1)
	}
	names, err := Devices()
	if err != nil {
		t.Fatal(err)
	}
	list, err := Addresses()
	if err != nil {
		t.Fatal(err)
	}
	var got, want []string
	for number, name := range names {
		got = append(got, fmt.Sprint(number, " ", name))
	}
	for _, a := range list {
		got = append(got, fmt.Sprint(a.Network, " at ", a.Device))
	}
	devices, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range devices {
		want = append(want, fmt.Sprint(d.Index, " ", d.Name))
		addresses, err := d.Addrs()
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range addresses {
			want = append(want, fmt.Sprint(netip.MustParsePrefix(a.String()), " at ", d.Index))
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if len(want) < 220 || !slices.Equal(got, want) {
		t.Errorf("devices and addresses are\n%q, want\n%q", got, want)
	}
}

// TestAsk_tells_the_kernels_error and can be asked again, also where an answer was not read to its end.
func TestAsk_tells_the_kernels_error(t *testing.T) {
	lab.Enter(t)
	for n := range 20 {
		addDevice(t, fmt.Sprint("lk", n))
	}
	for _, quick := range []bool{false, true} {
		c, err := Dial(unix.NETLINK_ROUTE)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.Quick = quick
		ask := func(number uint32) (found []uint32, err error) {
			data := make([]byte, unix.SizeofIfInfomsg)
			binary.NativeEndian.PutUint32(data[4:], number)
			err = c.Ask(Message{Type: unix.RTM_GETLINK, Flags: unix.NLM_F_REQUEST, Data: data}, func(m Message) error {
				found = append(found, binary.NativeEndian.Uint32(m.Data[4:]))
				return nil
			})
			return found, err
		}
		if found, err := ask(1); err != nil || !slices.Equal(found, []uint32{1}) {
			t.Errorf("device 1: found %d, error %v", found, err)
		}
		if found, err := ask(999999); !errors.Is(err, unix.ENODEV) || found != nil {
			t.Errorf("a device that is not there: found %d, error %v", found, err)
		}
		// Its answer is left unread, and the next question gets its own.
		if err := c.Send(Message{Type: unix.RTM_GETLINK, Flags: unix.NLM_F_REQUEST | unix.NLM_F_DUMP, Data: make([]byte, unix.SizeofIfInfomsg)}); err != nil {
			t.Fatal(err)
		}
		own := errors.New("own")
		if err := c.Answer(func(Message) error { return own }); err != own {
			t.Errorf("error %v, want that of who reads", err)
		}
		if found, err := ask(1); err != nil || !slices.Equal(found, []uint32{1}) {
			t.Errorf("after an answer that was not read: found %d, error %v", found, err)
		}
	}
}

// TestAnswer_without_a_question waits for nothing.
func TestAnswer_without_a_question(t *testing.T) {
	c, err := Dial(unix.NETLINK_ROUTE)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Answer(func(Message) error { return nil }); !errors.Is(err, unix.EAGAIN) {
		t.Errorf("error %v, want EAGAIN", err)
	}
}

// TestAddresses_when_each_call_is_interrupted lets every other system call fail.
func TestAddresses_when_each_call_is_interrupted(t *testing.T) {
	const child = "LATCHKEY_TEST_INTERRUPTED"
	if os.Getenv(child) != "" {
		runtime.LockOSThread()
		for range 10 {
			if _, err := Addresses(); err != nil {
				t.Fatal(err)
			}
		}
		return
	}
	for _, call := range []string{"sendto", "recvfrom"} {
		trace := filepath.Join(t.TempDir(), "trace")
		lab.Strace(t, child+"=1", "-o", trace, "-e", "trace="+call, "-e", "inject="+call+":error=EINTR:when=1+2")
		text, err := os.ReadFile(trace)
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(text), "(INJECTED)"); n < 10 {
			t.Errorf("%s: only %d calls failed", call, n)
		}
	}
}

// listen returns a connection to which the kernel tells what becomes of devices.
func listen(t *testing.T) *Conn {
	t.Helper()
	c, err := Dial(unix.NETLINK_ROUTE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.Join(unix.RTNLGRP_LINK); err != nil {
		t.Fatal(err)
	}
	return c
}

// closed reports whether an error says that, which is none that could be compared.
func closed(err error) bool {
	return err != nil && strings.HasSuffix(err.Error(), "use of closed file")
}

func TestWait_ends_when_the_connection_is_closed(t *testing.T) {
	lab.Enter(t)
	c := listen(t)
	addDevice(t, "lkone")
	heard := make(chan struct{}, 1)
	ended := make(chan error)
	go func() {
		for {
			err := c.Wait(func(m Message) {
				if m.Type == unix.RTM_NEWLINK {
					select {
					case heard <- struct{}{}:
					default:
					}
				}
			})
			if err != nil {
				ended <- err
				return
			}
		}
	}()
	<-heard
	if err := errors.Join(c.Close(), c.Close()); err != nil {
		t.Errorf("close twice: %v", err)
	}
	if err := <-ended; !closed(err) {
		t.Errorf("wait: %v, want that it is closed", err)
	}
	if err := c.Ask(Message{Data: make([]byte, 4)}, nil); !closed(err) {
		t.Errorf("ask: %v, want that it is closed", err)
	}
	if err := c.Join(unix.RTNLGRP_LINK); !closed(err) {
		t.Errorf("join: %v, want that it is closed", err)
	}
}

// TestWait_tells_what_did_not_reach_it and goes on with what comes then.
func TestWait_tells_what_did_not_reach_it(t *testing.T) {
	lab.Enter(t)
	addDevice(t, "lkone")
	for _, tt := range []struct {
		name string
		do   func(c *Conn)
		want error
	}{
		{"more than its socket holds", func(c *Conn) {
			if err := c.SetReadBuffer(1); err != nil {
				t.Fatal(err)
			}
			for n := range 50 {
				ip(t, "link set lkone mtu %d", 1400+n)
			}
		}, unix.ENOBUFS},
		{"a message of more than 8 kB", func(*Conn) {
			for n := range 90 { // in each message about the device are all its other names
				ip(t, "link property add dev lkone altname %0120d", n)
			}
			ip(t, "link set lkone mtu 1400")
		}, unix.EMSGSIZE},
	} {
		c := listen(t)
		tt.do(c)
		time.AfterFunc(20*time.Second, func() { c.Close() }) // nothing came, or nothing was too much
		var err error
		for err == nil {
			err = c.Wait(func(Message) {})
		}
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: error %v, want %v", tt.name, err, tt.want)
		}
	}
}
