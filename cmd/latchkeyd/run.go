// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/capture"
	"github.com/latchkey/latchkey/pkgs/clock"
	"github.com/latchkey/latchkey/pkgs/config"
	"github.com/latchkey/latchkey/pkgs/conntrack"
	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/daemon"
	"github.com/latchkey/latchkey/pkgs/history"
	"github.com/latchkey/latchkey/pkgs/knock"
	"github.com/latchkey/latchkey/pkgs/nft"
	"github.com/latchkey/latchkey/pkgs/store"
	"github.com/latchkey/latchkey/pkgs/wake"
	"github.com/latchkey/latchkey/pkgs/wire"
)

// Where things are on a router, unless flags say otherwise.
const (
	configFile = "/var/run/latchkey.init/config" // the copy that the init script makes …
	userConfig = "/etc/config/latchkey"          // … of the owner's
	stateFile  = "/etc/latchkey/state"
)

func run(e env, args []string) error { return runBy(time.Now, e, args) }

// runOptions are the options of run.
type runOptions struct {
	config, state, table, ntp, syslog, socket string

	events string // the file of events; "" = none is kept
	clock  func() clock.Verdict
}

func parseRun(e env, args []string) (o runOptions, err error) {
	f := newFlags(e, "run")
	config := f.String("config", configFile, "configuration file (UCI)")
	state := f.String("state", stateFile, "file of what must survive a reboot")
	table := f.String("table", nft.DefaultTable, "nftables table (family inet) that has the doors' sets")
	how := f.String("clock", "auto", "whether the clock is right: auto (as NTP and the kernel say), synchronised or free")
	record := f.String("ntp", ntpFile, "what NTP said last, as latchkeyd ntp records it")
	events := f.String("events", "", "file in RAM that keeps the last events over a restart (default: events beside the socket; none: keep none)")
	syslog := f.String("syslog", "", "socket of the system log, such as /dev/log (default: standard output and error)")
	socket := f.socket()
	if _, err := f.parse(args, 0, 0); err != nil {
		return o, err
	}
	judge, err := clockJudge(*how, *record)
	return runOptions{
		config: *config, state: *state, table: *table, ntp: *record, syslog: *syslog, socket: *socket,
		events: eventsFile(*events, *socket), clock: judge,
	}, err
}

// runBy is run by a clock.
func runBy(now func() time.Time, e env, args []string) error {
	o, err := parseRun(e, args)
	if err != nil {
		return err
	}
	if err := stepDown(filepath.Dir(o.state)); err != nil {
		return err
	}

	// Signals come first: a reload may be asked for while all this begins, and a log that nobody
	// reads any more is no reason to end.
	// A second SIGTERM must not end us before every door is closed: the signals stay ours until then.
	signalled, release := signal.NotifyContext(context.Background(), unix.SIGTERM, unix.SIGINT)
	defer release()
	ctx, stop := context.WithCancel(signalled)
	defer stop()
	reloads := hangUps(ctx)
	signal.Ignore(unix.SIGPIPE)

	// The socket before the firewall: with another daemon's grants nothing must happen.
	l, err := listen(o.socket)
	if err != nil {
		return err
	}
	defer l.Close()
	memory, err := openMemory(o.state)
	if err != nil {
		return err
	}
	firewall, err := nft.Open(nft.Config{Table: o.table})
	if err != nil {
		return err
	}
	defer firewall.Shutdown()

	// The capture hands out nothing before its Set was called, which Run does.
	var d *daemon.Daemon
	live, err := capture.Listen(
		func(came time.Time, device string, packets [][]byte) { d.Packets(came, device, packets) },
		func(l capture.Link) { d.DeviceChanged(deviceOf(l)) }, true)
	if err != nil {
		return err
	}
	defer live.Close()
	inside, err := capture.Listen(
		func(_ time.Time, device string, packets [][]byte) { d.FromInside(now(), device, packets) },
		func(capture.Link) {}, false)
	if err != nil {
		return err
	}
	defer inside.Close()
	strangers, err := capture.NewSampler()
	if err != nil {
		return err
	}
	defer strangers.Close()
	addresses, err := capture.NewAddresses()
	if err != nil {
		return err
	}
	defer addresses.Close()
	// Most of what this takes is garbage then, which Run gives back at once. To collect it meanwhile, as a limit
	// for all memory demands with many clients, too, would lay the large tables into pages that were in use: they
	// stay resident, while fresh ones are not there before a flood fills them.
	percent, limit := debug.SetGCPercent(-1), debug.SetMemoryLimit(math.MaxInt64)
	d, err = daemon.New(daemon.System{
		Version:         version,
		Config:          func() (string, error) { return readRegular(o.config) }, // a reload waits for nobody
		Firewall:        firewall,
		FirewallChanged: firewall.Changed(),
		Sessions:        conntrack.Table{},
		Rules:           firewall.Rules,
		Capture:         packets{live},
		Home:            addresses.Home,
		Inside:          packets{inside},
		Strangers:       strangers,
		Memory:          memory,
		History:         historyAt(o.events),
		ClockSynced:     func() bool { return o.clock().Right },
		Clock:           o.clock,
		Isolation:       isolate(e.strict, []string{o.config, o.ntp, capture.RoomFile}, []string{o.state, o.socket, o.events}),
		Now:             now,
		Speed:           knock.Speed(time.Now),
		Wake:            wake.Send,
	})
	debug.SetMemoryLimit(limit)
	debug.SetGCPercent(percent)
	if err != nil {
		return err
	}
	return serve(ctx, stop, d, l, reloads, logTo(o.syslog, e.log, e.err))
}

// openMemory opens the state file. Where another user's is in the way, the error says what to do.
func openMemory(path string) (daemon.Memory, error) {
	memory, err := store.Open(path)
	if errors.Is(err, fs.ErrPermission) {
		return nil, &control.Error{Text: err.Error(), Hint: fmt.Sprintf(
			"it is another user's, perhaps of a time when latchkeyd ran as root: chown -h %d:%d %s", os.Getuid(), os.Getgid(), path)}
	}
	return memory, err
}

// eventsFile returns where events are kept, as the options say; "" = nowhere.
func eventsFile(path, socket string) string {
	switch path {
	case "none":
		return ""
	case "":
		return filepath.Join(filepath.Dir(socket), "events")
	}
	return path
}

// historyAt is for a path of eventsFile.
func historyAt(path string) daemon.History {
	if path == "" {
		return nil
	}
	return history.File(path)
}

// flushTime is how long the log may take to write the rest when the daemon ends.
const flushTime = time.Second

// serve runs the daemon, its control socket and its log until ctx ends or one of them fails.
func serve(ctx context.Context, stop func(), d *daemon.Daemon, l *control.Listener, reloads <-chan struct{}, write func(config.Level, control.Event)) error {
	logging, endLog := context.WithCancel(context.Background())
	logged := make(chan struct{})
	go func() {
		defer close(logged)
		d.Log(logging, write)
	}()
	served := make(chan error, 1)
	go func() {
		err := control.Serve(ctx, l, d.Answer)
		stop() // without it nobody could ask what is open
		served <- err
	}()
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		d.WatchStrangers(ctx)
	}()
	err := d.Run(ctx, reloads)
	stop()
	err = errors.Join(err, <-served)
	<-watched
	endLog()
	select {
	case <-logged:
	case <-time.After(flushTime):
	}
	return err
}

// hangUps turns SIGHUP into requests to reload; one that comes while one waits adds nothing.
func hangUps(ctx context.Context) <-chan struct{} {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, unix.SIGHUP)
	reloads := make(chan struct{}, 1)
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-hup:
			}
			select {
			case reloads <- struct{}{}:
			default:
			}
		}
	}()
	return reloads
}

// listen makes the control socket: for the daemon's user and group only. It removes the one of a
// daemon that is gone.
func listen(path string) (*control.Listener, error) {
	c, err := control.Dial(path)
	if err == nil {
		c.Close()
		return nil, fmt.Errorf("another latchkeyd listens at %s", path)
	}
	if errors.Is(err, fs.ErrPermission) {
		return nil, &control.Error{Text: err.Error(), Hint: "it is another user's: if no other latchkeyd runs, remove it"}
	}
	if info, gone := os.Lstat(path); gone == nil && errors.Is(err, control.ErrNotRunning) && info.Mode()&fs.ModeSocket != 0 {
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("old control socket: %w", err)
		}
	}
	old := syscall.Umask(0o117) // 0660 from the first moment on
	defer syscall.Umask(old)
	l, err := control.Listen(path)
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	return l, nil
}

// packets adapts a live capture to what the daemon wants.
type packets struct{ *capture.Live }

var _ daemon.Capture = packets{}

func (packets) Check(f wire.Filter) error { return capture.Check(f) }

// Devices returns the states of the devices that are listened to.
func (p packets) Devices() []control.Device {
	devices := []control.Device{}
	for _, l := range p.Links() {
		devices = append(devices, deviceOf(l))
	}
	return devices
}

func deviceOf(l capture.Link) control.Device {
	d := control.Device{Name: l.Name, State: l.State, Since: l.Since.Round(0), Coarse: l.Coarse, Dropped: l.Dropped}
	if l.Err != nil {
		d.Problem = l.Err.Error()
	}
	return d
}
