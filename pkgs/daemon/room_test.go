// SPDX-License-Identifier: Apache-2.0

package daemon_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/latchkey/latchkey/pkgs/config"
	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/daemon"
)

// A status has room for so many grants; of more, each door that is open lists its share and says how many there are.
func TestStatusOfManyGrantsIsBounded(t *testing.T) {
	const most = 2 * control.MaxListed
	r := newRig(t, home)
	daemon.Refill(r.Daemon, most, "", "control", map[string]int{"nas": control.MaxListed})
	s := r.Status()
	if n := len(s.Doors[0].Grants); n != control.MaxListed || s.Doors[0].More != 0 || s.Grants != control.MaxListed || s.Most != most {
		t.Errorf("%d are listed, %d more, %d of %d in all", n, s.Doors[0].More, s.Grants, s.Most)
	}
	daemon.Refill(r.Daemon, most, "", "control", map[string]int{"nas": most - 7, "web": 7})
	s = r.Status()
	if n := len(s.Doors[0].Grants); n != control.MaxListed/2 || n+s.Doors[0].More != most-7 {
		t.Errorf("%d of nas are listed and %d more", n, s.Doors[0].More)
	}
	if n := len(s.Doors[1].Grants); n != 7 || s.Doors[1].More != 0 || s.Grants != most {
		t.Errorf("%d of web are listed, %d more, %d in all", n, s.Doors[1].More, s.Grants)
	}
}

// An answer to close lists so many, counts the others, and closes all.
func TestCloseOfManyGrantsIsBounded(t *testing.T) {
	const most = 2 * control.MaxListed
	for grants, more := range map[int]int{control.MaxListed: 0, control.MaxListed + 1: 1, most: control.MaxListed} {
		r := newRig(t, home)
		daemon.Refill(r.Daemon, most, "", "control", map[string]int{"nas": grants})
		closed := r.ask(t, control.Request{Method: "close", Door: "nas"}).(control.Closed)
		if len(closed.Grants) != control.MaxListed || closed.More != more || r.Status().Grants != 0 {
			t.Errorf("of %d it lists %d and counts %d more; %d are left", grants, len(closed.Grants), closed.More, r.Status().Grants)
		}
	}
}

// The owner hears of it before there is no room: once, and again after half was free.
func TestOwnerIsToldBeforeTheBookIsFull(t *testing.T) {
	r := newRig(t, home)
	for _, step := range []struct{ grants, reported int }{{79, 0}, {80, 1}, {90, 1}, {50, 1}, {90, 1}, {49, 1}, {80, 2}} {
		daemon.Refill(r.Daemon, 100, "", "control", map[string]int{"nas": step.grants})
		r.Tick()
		reported := 0
		for _, e := range r.Events(0) {
			if e.Kind == "trouble" && strings.Contains(e.Detail, "of 100 grants are in use") {
				reported += max(e.Count, 1)
			}
		}
		if reported != step.reported {
			t.Errorf("with %d of 100 it was reported %d times, want %d", step.grants, reported, step.reported)
		}
	}
}

// ubusMost is UBUS_MAX_MSGLEN of libubus, and what the plugin of rpcd reads.
const ubusMost = 1 << 20

// TestLongestStatusGoesThroughUbus has as much of everything as there can be, with the longest names and titles.
func TestLongestStatusGoesThroughUbus(t *testing.T) {
	var text strings.Builder
	text.WriteString("config latchkey 'main'\n\toption enabled '1'\n\tlist device 'wan'\n\toption stun_port '41641'\n")
	name := func(kind string, i int) string { return fmt.Sprintf("%s%0*d", kind, config.MaxName-len(kind), i) }
	title := strings.Repeat(`"`, config.MaxTitle) // longest as JSON
	const each = 60                               // doors of a client: with more, the configuration would be too long
	all := "\toption door '"
	grants := map[string]int{}
	for i := range config.MaxDoors {
		fmt.Fprintf(&text, "config door '%s'\n\toption title '%s'\n\toption port '%d'\n", name("door", i), title, 1000+i)
		if i < each {
			all += name("door", i) + " "
		}
		grants[name("door", i)] = 40
	}
	for i := range config.MaxClients {
		key := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{1, byte(i)}, 16))
		fmt.Fprintf(&text, "config client '%s'\n\toption title '%s'\n\toption key '%s'\n\toption expires '2099-12-31'\n%s'\n", name("client", i), title, key, all)
	}
	r := newRig(t, text.String())
	daemon.Refill(r.Daemon, 10240, name("client", 7), "sequence "+name("sequence", 7), grants)
	s := r.Status()
	listed, may := 0, 0
	for _, d := range s.Doors {
		listed += len(d.Grants)
		if len(d.Grants)+d.More != 40 {
			t.Fatalf("%d of %s are listed, and %d more", len(d.Grants), d.Name, d.More)
		}
	}
	for i, c := range s.Clients {
		may += len(c.Doors)
		if len(c.Doors)+c.More != each {
			t.Fatalf("%d doors of %s are listed, and %d more", len(c.Doors), c.Name, c.More)
		}
		s.Clients[i].Last = &s.Now
	}
	if listed != control.MaxListed || may != control.MaxMay {
		t.Errorf("%d grants and %d doors of clients are listed", listed, may)
	}
	// What a test had to bring about by thousands of knocks, faults and floods.
	s.Problem = strings.Repeat(strings.Repeat("x", 350)+"\n", config.MaxProblems)
	for i := range 1024 + 16 {
		s.Counts = append(s.Counts, control.Count{Kind: "refused", Door: name("door", i), Reason: "wrong-order", Count: 1 << 30})
	}
	for i := range config.MaxInterfaces {
		s.Devices = append(s.Devices, control.Device{Name: fmt.Sprintf("%0*d", config.MaxInterfaceName, i), State: "missing", Problem: strings.Repeat("x", 200), Coarse: strings.Repeat("x", 200), Dropped: 1 << 40})
	}
	b := control.Marshal(control.Response{Result: control.Marshal(s)})
	var v any
	if err := json.Unmarshal(control.Marshal(s), &v); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes as JSON, %d on ubus", len(b), blobSize(v))
	if most := ubusMost - 64<<10; len(b) > most || blobSize(v) > most { // what rpcd adds is short
		t.Errorf("%d bytes as JSON, %d on ubus: %d are the limit", len(b), blobSize(v), most)
	}
}

// blobSize is how many bytes a value of JSON takes as a message of ubus (blobmsg.h of libubox): each has a header of 4
// bytes, its name with 3 more, and itself, each of the two filled up to 4 bytes.
func blobSize(v any) int {
	full := func(n int) int { return (n + 3) &^ 3 }
	attribute := func(name string, v any) int { return 4 + full(2+len(name)+1) + blobSize(v) }
	n := 0
	switch v := v.(type) {
	case map[string]any:
		for name, x := range v {
			n += attribute(name, x)
		}
	case []any:
		for _, x := range v {
			n += attribute("", x)
		}
	case string:
		n = full(len(v) + 1)
	case float64:
		n = 8
	case bool:
		n = 4
	}
	return n
}
