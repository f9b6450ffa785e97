// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey/latchkey/pkgs/lab"
	"github.com/latchkey/latchkey/pkgs/seal"
)

// readsStamps has knock.py read files of used stamps: both programs have the same ones.
const readsStamps = `
import json, sys
sys.dont_write_bytecode = True
sys.path.insert(0, "../knock")
import knock
print('"ready"', flush=True)
for line in sys.stdin:
    try:
        said = knock.read_stamps(json.loads(line)[0])
    except ValueError:
        said = "damaged"
    print(json.dumps(said), flush=True)
`

// FuzzStamps compares what the program and knock.py read in a file of used stamps, of which the fuzzer writes
// the first lines: the others are empty, unless it writes more.
func FuzzStamps(f *testing.F) {
	empty := fmt.Sprintf(stampLine, 0, 0)
	for _, spans := range [][]seal.Span{{{First: 1, Last: 4}}, {{First: 1, Last: seal.MaxStamp}}, {{First: 5, Last: 4}}, {{First: 1, Last: 4}, {First: 4, Last: 9}},
		{{First: 9, Last: 9}, {}, {First: 20, Last: 21}}, {{First: seal.MaxStamp + 1, Last: seal.MaxStamp + 1}}} {
		var text string
		for _, s := range spans {
			text += fmt.Sprintf(stampLine, s.First, s.Last)
		}
		f.Add(text)
	}
	f.Add("")
	f.Add(strings.Repeat(empty, stampLines+1))
	py := lab.NewOracle(f, "python3", "-c", readsStamps)
	f.Fuzz(func(t *testing.T, text string) {
		for _, c := range []byte(text) {
			if c >= 0x80 {
				return // knock.py has put other letters in their place
			}
		}
		if text != "" && len(text) < stampLines*stampBytes {
			text = (text + strings.Repeat(empty, stampLines))[:stampLines*stampBytes]
		}
		var theirs any
		py.Ask(t, &theirs, text)
		sent, err := readStamps(strings.NewReader(text))
		if err != nil {
			if theirs != "damaged" {
				t.Errorf("%q is damaged, but knock.py reads %v", text, theirs)
			}
			return
		}
		ours := []any{}
		for _, s := range sent.Used() {
			ours = append(ours, []any{float64(s.First), float64(s.Last)})
		}
		if diff := cmp.Diff(any(ours), theirs); diff != "" {
			t.Errorf("%q (-ours +knock.py's):\n%s", text, diff)
		}
		if p := sent.Press(time.UnixMilli(1), 4); len(p.Starts) == 0 {
			t.Errorf("%q: no stamp is left", text)
		}
	})
}
