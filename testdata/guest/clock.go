// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/clock"
)

// wakesUp is what the guest's wall clock shows at its start.
const wakesUp = "2020-01-01"

// noticed is within which time the daemon has seen that something changed, in the guest's time: it
// looks every 5 s, and takes its time for it on an emulated processor.
const noticed = 8 * time.Second

// givesUp is after which time at most BusyBox ntpd says "unsync": after 8 questions without an answer,
// which it asks the less often the longer all went well. Until then it says "periodic".
const givesUp = 3 * time.Hour

// setUpClock makes of the bare kernel what the programs of the clock's tests expect.
func setUpClock() error {
	return errors.Join(
		unix.Mount("proc", "/proc", "proc", 0, ""),
		os.Setenv("PATH", "/bin:/usr/bin:/usr/sbin"),
		command("busybox", "--install", "-s", "/bin"),
		command("ip", "link", "set", "lo", "up"),
		os.WriteFile("/usr/sbin/ntpd-hotplug", []byte(ntpdHotplug), 0o755),
		os.WriteFile("/etc/latchkey.uci", []byte(configuration), 0o600),
	)
}

// ntpdHotplug is what OpenWrt's script of that name and procd do with ntpd's word, and keeps a list.
const ntpdHotplug = `#!/bin/busybox sh
read -r uptime rest </proc/uptime
echo "$uptime $1 $stratum" >>/events
export ACTION="$1"
for script in /etc/hotplug.d/ntp/*; do ( . "$script" ); done
`

const configuration = `
config latchkey 'main'
	option enabled '1'
	list device 'lo'
	option stun_port '41641'

config door 'web'
	option port '8443'

config client 'phone'
	option key 'AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8='
	list door 'web'
`

// testClock is about what latchkeyd believes of the clock.
func testClock(t *tests) {
	server := &timeServer{}
	var daemon, ntpd *process
	var err error
	if daemon, err = startDaemon(); !t.that("latchkeyd starts", err) {
		return
	}
	t.that("the clock may be wrong before NTP", within(time.Minute, time.Second, is("free", clock.Unset)))
	if !t.that("a time server listens", server.listen()) {
		return
	}

	startNTP := func() error {
		var err error
		ntpd, err = begin("ntpd", "-n", "-N", "-S", "/usr/sbin/ntpd-hotplug", "-p", "127.0.0.1")
		return err
	}
	if !t.that("BusyBox ntpd starts", startNTP()) {
		return
	}
	t.that("the clock is right once NTP has an answer", within(10*time.Minute, time.Second, is("synchronised", clock.NTP)))
	t.that("the clock was set by that", near(time.Second))
	fmt.Println("what ntpd said so far:", saidAfter(0))

	kernel := &witness{}
	t.that("it stays right for half an hour, however it is slewed", throughout(30*time.Minute, 10*time.Second, kernel.with(is("synchronised", clock.NTP))))
	daemon.end()
	daemon, err = startDaemon()
	t.that("latchkeyd starts again after a crash", err)
	t.that("it knows at once that the clock is right", within(noticed, time.Second, is("synchronised", clock.NTP)))
	t.that("it stays right for another half an hour", throughout(30*time.Minute, 10*time.Second, kernel.with(is("synchronised", clock.NTP))))
	t.that("the clock is kept by NTP", near(time.Second))
	fmt.Printf("the kernel called its clock synchronised at %d of %d looks\n", kernel.yes, kernel.looks)

	server.silent.Store(true)
	stopped := uptime()
	t.that("without time servers the clock counts as right until ntpd gives up", within(givesUp, time.Second, is("free", clock.Unsync)))
	t.that("that is noticed in time", since("unsync", noticed))
	t.that("the clock was still right then", near(time.Second))
	fmt.Printf("that was %s after the server's last answer\n", (uptime() - time.Duration(server.last.Load())).Round(time.Second))
	t.that("it stays so as long as there is none, whatever else ntpd says", throughout(clock.Patience, 10*time.Second, is("free", clock.Unsync)))
	fmt.Println("what ntpd said since then:", saidAfter(stopped))

	server.silent.Store(false)
	t.that("the clock is right again when the server is back", within(30*time.Minute, time.Second, is("synchronised", clock.NTP)))
	ntpd.end()
	t.that("without ntpd the clock counts as right for as long as an event does",
		throughout(clock.Patience-(uptime()-lastEvent())-noticed, 10*time.Second, is("synchronised", clock.NTP)))
	t.that("and then no more", within(3*noticed, time.Second, is("free", clock.Silent)))
	fmt.Printf("that was %s after ntpd's last word\n", (uptime() - lastEvent()).Round(time.Second))

	t.that("ntpd starts again", startNTP())
	t.that("the clock is right with the first answer", within(10*time.Minute, time.Second, is("synchronised", clock.NTP)))
	t.that("somebody sets the clock", setClock(truth().Add(5*time.Minute)))
	t.that("it may be wrong then", within(noticed, time.Second, is("free", clock.Moved)))
	t.that("until ntpd has set it back", within(30*time.Minute, time.Second, is("synchronised", clock.NTP)))
	t.that("the clock was set by that", near(time.Second))

	ntpd.end()
	t.that("the record is lost", os.Remove("/var/run/latchkey.clock/ntp"))
	t.that("the clock may be wrong", within(noticed, time.Second, is("free", clock.Unset)))
	t.that("something else than ntpd tells the kernel how good the clock is", tellKernel())
	t.that("the clock is right, as the kernel says", within(noticed, time.Second, is("synchronised", clock.Kernel)))
	t.that("somebody sets the clock", setClock(truth().Add(time.Hour)))
	t.that("it may be wrong then, as the kernel says", within(noticed, time.Second, is("free", clock.Unset)))
	daemon.end()
}

// is reports whether the daemon says this of the clock.
func is(state string, reason clock.Reason) func() error {
	return func() error {
		s, err := ask()
		if err == nil && (s.Clock != state || s.ClockReason != string(reason)) {
			err = fmt.Errorf("the clock is %s (%s), want %s (%s)", s.Clock, s.ClockReason, state, reason)
		}
		return err
	}
}

// near reports whether the wall clock is right, but for so much.
func near(most time.Duration) error {
	if off := time.Since(truth()); off.Abs() > most {
		return fmt.Errorf("the clock is %s off", off)
	}
	return nil
}

// witness counts how often the kernel said that its clock is synchronised, by its flag alone.
type witness struct{ yes, looks int }

func (w *witness) with(holds func() error) func() error {
	return func() error {
		var x unix.Timex
		state, err := unix.Adjtimex(&x)
		w.looks++
		if err == nil && state != unix.TIME_ERROR {
			w.yes++
		}
		return errors.Join(err, holds())
	}
}

// setClock sets the wall clock, as date -s does.
func setClock(to time.Time) error {
	tv := unix.NsecToTimeval(to.UnixNano())
	return unix.Settimeofday(&tv)
}

// tellKernel does what chrony does with "rtcsync".
func tellKernel() error {
	_, err := unix.Adjtimex(&unix.Timex{
		Modes:  unix.ADJ_STATUS | unix.ADJ_MAXERROR | unix.ADJ_ESTERROR,
		Status: unix.STA_PLL, Maxerror: 20_000, Esterror: 1_000,
	})
	return err
}

// event is what ntpd's script was called with.
type event struct {
	at   time.Duration
	what string
}

func events() (list []event) {
	b, err := os.ReadFile("/events")
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(b)) {
		at, what, _ := strings.Cut(strings.TrimSpace(line), " ")
		seconds, err := strconv.ParseFloat(at, 64)
		if err == nil {
			list = append(list, event{time.Duration(seconds * float64(time.Second)), what})
		}
	}
	return list
}

// saidAfter lists the events since then.
func saidAfter(at time.Duration) string {
	var words []string
	for _, e := range events() {
		if e.at >= at {
			words = append(words, fmt.Sprintf("%s at %s", e.what, e.at.Round(time.Second)))
		}
	}
	return strings.Join(words, ", ")
}

// lastEvent is when ntpd said something last.
func lastEvent() time.Duration {
	list := events()
	if len(list) == 0 {
		return 0
	}
	return list[len(list)-1].at
}

// since reports whether ntpd's last word was this one, and not longer ago than that.
func since(action string, most time.Duration) error {
	list := events()
	if len(list) == 0 || !strings.HasPrefix(list[len(list)-1].what, action+" ") {
		return fmt.Errorf("ntpd said: %s", saidAfter(0))
	}
	if ago := uptime() - lastEvent(); ago > most {
		return fmt.Errorf("ntpd said so %s ago", ago)
	}
	return nil
}
