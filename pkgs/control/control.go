// SPDX-License-Identifier: Apache-2.0

package control

import "time"

// Request is one line from a caller.
type Request struct {
	Method  string `json:"method"`            // status, open, close, events, radar, check, forget
	Door    string `json:"door,omitempty"`    // open, close
	Address string `json:"address,omitempty"` // or a network, as in Grant. open; close: "" is every address
	Cut     bool   `json:"cut,omitempty"`     // close: end the sessions, too
	For     string `json:"for,omitempty"`     // open: a duration, "" is the door's own
	Client  string `json:"client,omitempty"`  // forget
	Since   uint64 `json:"since,omitempty"`   // events: only those with a greater number
	Follow  bool   `json:"follow,omitempty"`  // events: go on until the caller hangs up
	Text    string `json:"text,omitempty"`    // check: a configuration
}

// Response is one line to a caller. A request for events with follow is answered by many.
type Response struct {
	Error  string `json:"error,omitempty"`
	Hint   string `json:"hint,omitempty"`
	Result Raw    `json:"result,omitempty"`
}

// How much there is room for in one answer: ubus takes none of more than 1 MiB (UBUS_MAX_MSGLEN).
const (
	// MaxListed is that of grants. Of more, in a status each door that is open to somebody lists its share; an answer
	// to close lists the first ones.
	MaxListed = 1024
	// MaxMay is that of names of doors in the clients of a status. Of more, each client lists its share.
	MaxMay = 4096
)

// The words of Status.Clock.
const (
	Synchronised = "synchronised" // it is right
	Free         = "free"         // that is not known
)

// The words of Door.State.
const (
	DoorReady    = "ready"
	DoorPending  = "pending" // the firewall is being loaded
	DoorBroken   = "broken"  // the firewall cannot serve it
	DoorDisabled = "disabled"
)

// Status is the answer to status.
type Status struct {
	Version string    `json:"version"`
	Running bool      `json:"running"`
	Run     string    `json:"run"`               // names this run of the daemon
	Former  uint64    `json:"former,omitempty"`  // number of the newest event that is kept of former runs; 0 = none is, and numbers began at 1 again
	Since   time.Time `json:"since"`             // start of the daemon
	Now     time.Time `json:"now"`               // the router's clock, for countdowns
	Clock   string    `json:"clock"`             // Synchronised or Free
	Problem string    `json:"problem,omitempty"` // why the last reload was refused
	Cut     string    `json:"cut,omitempty"`     // why sessions cannot be ended
	Packets uint64    `json:"packets"`           // that passed the kernel's filter
	Devices []Device  `json:"devices"`
	Doors   []Door    `json:"doors"`
	Clients []Client  `json:"clients"`
	Grants  int       `json:"grants"`           // how many there are
	Most    int       `json:"max_grants"`       // how many there can be
	Full    bool      `json:"nearly_full"`      // there is room for few more grants
	Last    uint64    `json:"last"`             // number of the newest event
	Counts  []Count   `json:"counts,omitempty"` // of attempts at log level debug only

	// Why the clock is right: "ntp", "kernel" or "given"; or why that is not known: "unset", "unsync",
	// "silent", "moved" or "given" (see package clock). And when NTP said something last.
	ClockReason string     `json:"clock_reason,omitempty"`
	ClockSince  *time.Time `json:"clock_since,omitempty"`

	Isolation *Isolation `json:"isolation,omitempty"`
}

// Isolation is what the daemon cannot do, whoever takes it over.
type Isolation struct {
	User   int    `json:"user"`         // that it works as; 0 = root
	Rights int    `json:"rights"`       // how many of root's capabilities it has: two are needed
	Calls  string `json:"system_calls"` // "limited", or why they are not
	Files  string `json:"files"`        // the same
}

// Device is a network device that is listened to.
type Device struct {
	Name    string    `json:"name"`
	State   string    `json:"state"` // "up", "down" or "missing"
	Since   time.Time `json:"since"`
	Problem string    `json:"problem,omitempty"` // why it is there but cannot be read from
	Coarse  string    `json:"coarse,omitempty"`  // "without ..., because ...": more packets are read than are wanted; knocks work
	Dropped uint64    `json:"dropped,omitempty"` // packets that came faster than they were read
}

// Door is a door's state.
type Door struct {
	Name    string  `json:"name"`
	Title   string  `json:"title,omitempty"`
	State   string  `json:"state"`            // DoorReady, ...
	Reason  string  `json:"reason,omitempty"` // of DoorBroken: a sentence for a person
	OpenFor int     `json:"open_for"`         // seconds
	MaxOpen int     `json:"max_open"`         // seconds
	Cut     bool    `json:"cut,omitempty"`    // sessions end with their grants
	Grants  []Grant `json:"grants"`
	More    int     `json:"more,omitempty"` // how many grants there are beside those that are listed
}

// Grant is the use of a door by one address, or by those of one network where the door is that wide.
type Grant struct {
	Address  string     `json:"address"`         // "203.0.113.7", or "203.0.113.0/24"
	Since    *time.Time `json:"since,omitempty"` // when it was opened first
	Until    time.Time  `json:"until"`
	Left     int        `json:"left"` // seconds
	Client   string     `json:"client,omitempty"`
	Knock    string     `json:"knock"`
	Pending  bool       `json:"pending,omitempty"`
	Sessions int        `json:"sessions,omitempty"` // in the answer to close: how many were ended
}

// Client is a client's state. It never holds a key.
type Client struct {
	Name    string     `json:"name"`
	Title   string     `json:"title,omitempty"`
	Kind    string     `json:"kind"`
	State   string     `json:"state"` // "ready", "expired" or "disabled"
	Doors   []string   `json:"doors"`
	More    int        `json:"more_doors,omitempty"` // how many it may open beside those that are listed
	Expires *time.Time `json:"expires,omitempty"`
	Last    *time.Time `json:"last,omitempty"` // last accepted knock since the daemon started
}

// Count is how many events of a kind there were since the daemon started: also those of which the list of
// events shows one for many, or none.
type Count struct {
	Kind   string `json:"kind"`
	Door   string `json:"door,omitempty"`
	Reason string `json:"reason,omitempty"`
	Count  uint64 `json:"count"`
}

// Closed is the answer to close: what was closed.
type Closed struct {
	Grants []Grant `json:"closed"`
	More   int     `json:"more,omitempty"` // how many there were beside those that are listed
}

// Forgotten is the answer to forget.
type Forgotten struct {
	Client string `json:"client"`
}

// Radar is the answer to radar: what strangers tried at closed ports. Where Samples is less than the number
// beside it, that is an estimate with a relative standard error of 1/√Samples. Senders can be forged.
type Radar struct {
	Now     time.Time     `json:"now"`
	Problem string        `json:"problem,omitempty"` // why strangers are not seen, or not all
	Hours   []RadarHour   `json:"hours"`             // oldest first, up to a week
	Ports   []RadarPort   `json:"ports"`             // of services that everybody knows, most asked for first, for six to seven days
	Others  int           `json:"others"`            // attempts at all other ports in that time, which are not shown: steps of knocks may be among them
	Senders []RadarSender `json:"senders"`           // most active first
}

// RadarHour is how much was tried from Time on, for an hour.
type RadarHour struct {
	Time    time.Time `json:"time"`
	TCP     int       `json:"tcp"`
	UDP     int       `json:"udp"`
	Samples int       `json:"samples"`
}

// RadarPort is how often a service was asked for.
type RadarPort struct {
	Proto    string `json:"proto"` // "tcp" or "udp"
	Port     int    `json:"port"`
	Service  string `json:"service"`
	Attempts int    `json:"attempts"`
}

// RadarSender is an address, of IPv6 the newest one of a network of 64 bits, that attempts claim to be from.
type RadarSender struct {
	Address  string    `json:"address"`
	Attempts int       `json:"attempts"`
	Samples  int       `json:"samples"`
	Ports    int       `json:"ports"`         // at least, with a relative standard error below 5 %
	Most     int       `json:"ports_at_most"` // with the same error; Ports where all attempts were looked at, else much more if it tried ports twice
	Hours    int       `json:"hours"`         // of the week in which it was seen
	First    time.Time `json:"first"`
	Last     time.Time `json:"last"`
	Scan     bool      `json:"scan,omitempty"` // it tried many ports
}

// Event is something the owner may want to know.
type Event struct {
	Number   uint64     `json:"number"`
	Time     time.Time  `json:"time"`
	Kind     string     `json:"kind"` // opened, extended, closed, expired, refused, inside, scan, pending, ready, broken, link, reload, started, trouble
	Door     string     `json:"door,omitempty"`
	Client   string     `json:"client,omitempty"`
	Address  string     `json:"address,omitempty"` // of a grant as in Grant, else the sender
	Until    *time.Time `json:"until,omitempty"`
	From     *time.Time `json:"from,omitempty"` // of closed and expired: when it was opened; none = nothing was open
	Knock    string     `json:"knock,omitempty"`
	Reason   string     `json:"reason,omitempty"`   // of refused: a word of knock.Reason
	Detail   string     `json:"detail,omitempty"`   // a sentence for a person
	Skew     int        `json:"skew,omitempty"`     // of stale: seconds by which the sender's clock is ahead
	Sessions int        `json:"sessions,omitempty"` // of closed and expired: how many were ended
	Usual    bool       `json:"usual,omitempty"`    // of refused: good knocks bring this about, too
	Also     string     `json:"also,omitempty"`     // of opened and extended: the other knock of the same press of a button
	Count    int        `json:"count,omitempty"`    // how many alike, or of one press, this one stands for, if more than one
	Hidden   int        `json:"hidden,omitempty"`   // how many refusals, or scans, before this one were too many to show
	Ports    int        `json:"ports,omitempty"`    // of scan: how many were tried, at least
}

// Shift moves the times of an event by as much as the clock was set. What shares them is not changed.
func (e *Event) Shift(by time.Duration) {
	e.Time = e.Time.Add(by)
	for _, t := range []**time.Time{&e.From, &e.Until} {
		if *t != nil {
			moved := (*t).Add(by)
			*t = &moved
		}
	}
}

// Problem is an error or a warning about a configuration.
type Problem struct {
	Text    string `json:"text"`
	Line    int    `json:"line"`
	Section string `json:"section,omitempty"` // its name, "" for anonymous ones
	Option  string `json:"option,omitempty"`
	Warning bool   `json:"warning,omitempty"`
}
