// SPDX-License-Identifier: Apache-2.0

// Package knock_test tests the clients that are one file each, and are copied to where no program of
// ours runs. The shell script's tests are in pkgs/seal.
package knock_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey/latchkey/pkgs/lab"
	"github.com/latchkey/latchkey/pkgs/link"
	"github.com/latchkey/latchkey/pkgs/seal"
	"github.com/latchkey/latchkey/pkgs/seal/sealtest"
	"github.com/latchkey/latchkey/pkgs/wire"
)

// driver answers questions, one a line, with functions of knock.py.
const driver = `
import ipaddress, json, sys
sys.dont_write_bytecode = True
sys.path.insert(0, ".")
import knock
spans = []
def link(text):
    try:
        l = knock.parse_link(text)
    except knock.Problem as e:
        return "bad"
    return ["good", "[%s]" % " ".join(map(str, l.stun))] + [d + (":%(port)d:%(service)s:%(title)s" % l.about[d] + "".join(":" + "+".join(map(str, l.about[d].get(p, []))) for p in ("tcp", "udp")) if d in l.about else "") for d in l.doors]
def read(text):
    try:
        l = knock.parse_link(text)
    except knock.Problem as e:
        return {"wrong": str(e)}
    return {"n": l.name, "h": l.host or "", "a": [str(a) for a in l.addresses], "u": l.stun, "p": l.ports, "k": l.key.hex(),
        "g": l.ordered and l.ordered.ports, "gh": l.ordered and l.ordered.header, "gf": l.ordered and l.ordered.footer,
        "doors": l.doors, "about": list(l.about.values())}
def pickup(code, answer):
    try:
        return knock.open_pickup(knock.decode(code), answer)
    except knock.Problem:
        return "-"
calls = {
    "seal": lambda key, stamp, door, close, minutes, address: knock.seal(bytes.fromhex(key), stamp, door, close, minutes,
        ipaddress.ip_address(address) if address else None).hex(),
    "username": lambda m: knock.username(bytes.fromhex(m)),
    "slots": lambda m, base: knock.slots(bytes.fromhex(m), base),
    "digits": lambda m, ports, header, footer: knock.digits(bytes.fromhex(m), knock.Ordered(ports, header or [], footer or [])),
    "request": lambda m, random: knock.binding_request(bytes.fromhex(m), bytes.fromhex(random)).hex(),
    "press": lambda now, n: [knock.press(spans, now, n), spans],
    "link": link, "read": read, "pickup": pickup,
    "name": lambda code: knock.pickup_name(knock.decode(code)),
    "judge": knock.judge,
}
print('"ready"', flush=True)
for line in sys.stdin:
    name, *args = json.loads(line)
    print(json.dumps(calls[name](*args)), flush=True)
`

// question is a function of knock.py and its arguments.
type question []any

// check asks, and compares the answers.
func check(t *testing.T, questions []question, want []any) {
	t.Helper()
	py := lab.NewOracle(t, "python3", "-c", driver)
	for i, q := range questions {
		var answer any
		py.Ask(t, &answer, q...)
		text, err := json.Marshal(want[i])
		if err != nil {
			t.Fatal(err)
		}
		var expected any
		if err := json.Unmarshal(text, &expected); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(expected, answer); diff != "" {
			t.Errorf("%.200v (-want +got):\n%s", q, diff)
		}
	}
}

func TestPythonMakesTheVectors(t *testing.T) {
	vectors, err := sealtest.Load(os.DirFS("../../testdata/vectors"))
	if err != nil {
		t.Fatal(err)
	}
	var questions []question
	var want []any
	for _, v := range vectors {
		message := fmt.Sprintf("%x", v.Message)
		i := slices.IndexFunc(v.Clients, func(c sealtest.Client) bool { return c.Name == v.By })
		ring := seal.NewRing([]seal.Key{{1}})
		if i >= 0 {
			ring = seal.NewRing([]seal.Key{v.Clients[i].Key})
		}
		if _, body, err := ring.Open(v.Message); err == nil && i >= 0 {
			name, known := doorName(v, body.Door)
			address := ""
			if body.Address.IsValid() {
				address = body.Address.String()
			}
			if known {
				key := v.Clients[i].Key
				questions = append(questions, question{"seal", fmt.Sprintf("%x", key[:]), body.Stamp, name, body.Close, body.Minutes, address})
				want = append(want, message)
			}
		}
		if v.Username != "" {
			questions, want = append(questions, question{"username", message}), append(want, v.Username)
		}
		if v.Slots.Ports != nil {
			questions, want = append(questions, question{"slots", message, v.Slots.Base}), append(want, v.Slots.Ports)
		}
		for _, o := range v.Ordered {
			var ports []int
			for _, g := range o.Groups {
				for p := int(g[0]); p <= int(g[1]); p++ {
					ports = append(ports, p)
				}
			}
			questions, want = append(questions, question{"digits", message, ports, o.Header, o.Footer}), append(want, o.Ports)
		}
	}
	if len(questions) < 30 {
		t.Errorf("%d questions, there should be more", len(questions))
	}
	check(t, questions, want)
}

func doorName(v sealtest.Vector, tag seal.DoorTag) (string, bool) {
	if tag == (seal.DoorTag{}) {
		return "", true
	}
	for _, d := range v.Doors {
		if seal.Tag(d.Name) == tag {
			return d.Name, true
		}
	}
	return "", false
}

func TestPythonMakesBindingRequestsAsTheClientDoes(t *testing.T) {
	text := base64.RawStdEncoding.EncodeToString
	var questions []question
	var want []any
	for size := range 2 {
		message := bytes.Repeat([]byte{0x5a}, 24+16*size)
		random := bytes.Repeat([]byte{1, 2, 3, 250}, 9)[:33]
		questions = append(questions, question{"request", fmt.Sprintf("%x", message), fmt.Sprintf("%x", random)})
		want = append(want, fmt.Sprintf("%x", wire.AppendBindingRequest(nil, [12]byte(random[:12]), text(message)+":"+text(random[12:15]), text(random[15:]))))
	}
	check(t, questions, want)
}

// lines returns the fields of a file of vectors.
func lines(t *testing.T, name string) (all [][]string) {
	t.Helper()
	text, err := os.ReadFile("../../testdata/vectors/" + name)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		all = append(all, strings.Split(strings.TrimSuffix(line, "\n"), "\t"))
	}
	return all
}

// joinFirst writes the first port of each range.
func joinFirst(ranges []wire.PortRange) string {
	var texts []string
	for _, r := range ranges {
		texts = append(texts, fmt.Sprint(r.First))
	}
	return strings.Join(texts, "+")
}

func TestPythonReadsLinks(t *testing.T) {
	var questions []question
	var want []any
	texts := []string{}
	for _, field := range lines(t, "links.tsv") {
		texts = append(texts, field[2])
	}
	for _, field := range slices.Concat(lines(t, "doors.tsv"), lines(t, "ports.tsv"), lines(t, "stun.tsv")) {
		texts = append(texts, field[1])
	}
	for _, text := range texts {
		questions = append(questions, question{"link", text})
		l, err := link.Parse(text)
		if err != nil {
			want = append(want, "bad")
			continue
		}
		answer := []string{"good", fmt.Sprint(l.STUNPorts)}
		for _, name := range l.Doors {
			if d, ok := l.Door(name); ok {
				name += fmt.Sprintf(":%d:%s:%s:%s:%s", d.Ports[0].First, d.Service, d.Title, joinFirst(d.Of(wire.TCP)), joinFirst(d.Of(wire.UDP)))
			}
			answer = append(answer, name)
		}
		want = append(want, answer)
	}
	check(t, questions, want)
}

func TestPythonPicksUp(t *testing.T) {
	var questions []question
	var want []any
	for _, field := range lines(t, "pickup.tsv") {
		questions = append(questions, question{"pickup", field[2], field[4]}, question{"name", field[2]})
		want = append(want, field[5], field[3])
	}
	check(t, questions, want)
}

// It takes the stamps that the client takes, also when the clock jumps.
func TestPythonTakesTheStampsOfTheClient(t *testing.T) {
	const seed = 7
	r := rand.New(rand.NewPCG(seed, seed))
	sent := new(seal.Sent)
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	var questions []question
	var want []any
	for range 3000 {
		switch r.IntN(10) {
		case 0:
			now = now.Add(time.Duration(r.IntN(400_000)-200_000) * time.Millisecond)
		case 1:
			now = now.Add(time.Duration(r.IntN(200)-100) * time.Hour)
		default:
			now = now.Add(time.Duration(r.IntN(300)) * time.Millisecond)
		}
		n := 1 + r.IntN(4)
		press := sent.Press(now, n)
		var spans [][2]uint64
		for _, s := range sent.Used() {
			spans = append(spans, [2]uint64{s.First, s.Last})
		}
		questions = append(questions, question{"press", now.UnixMilli(), n})
		want = append(want, []any{press.Starts, spans})
	}
	check(t, questions, want)
}

func TestPythonJudgesAsTheClientDoes(t *testing.T) {
	check(t, []question{
		{"judge", "silent", "accepted"}, {"judge", "refused", "accepted"}, {"judge", "silent", "silent"}, {"judge", "silent", "refused"},
		{"judge", "refused", "refused"}, {"judge", "accepted", "silent"}, {"judge", "unsent", "unsent"}, {"judge", "unsent", "accepted"},
		{"judge", "silent", "late"}, {"judge", "refused", "late"}, {"judge", "accepted", "late"}, {"judge", "unsent", "late"},
	}, []any{"open", "open", "no-answer", "refused", "cannot-tell", "answered-before", "offline", "cannot-tell",
		"cannot-tell", "open", "answered-before", "cannot-tell"})
}

// Phones have old versions of Python.
func TestPythonNeedsNoNewerThan38(t *testing.T) {
	lab.Need(t, "python3")
	out, err := exec.Command("python3", "-c", "import ast; ast.parse(open('knock.py').read(), feature_version=(3, 8))").CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
