// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"encoding/json"
	"math"
	"os"
	"slices"
	"time"
)

// report is the shape of build/bench.json. Its Format grows when a field gets another meaning or goes;
// fields that are added change nothing. Times are in seconds, memory and sizes in bytes.
type report struct {
	Format   int               `json:"format"` // 1
	Date     time.Time         `json:"date"`
	Short    bool              `json:"short"`   // BENCH=short
	Partial  bool              `json:"partial"` // single rows, candidates, ... were asked for
	Took     float64           `json:"took_s"`
	Machine  machine           `json:"machine"`
	Versions map[string]string `json:"versions"` // by candidate
	Figures  []figure          `json:"figures"`
	Goals    []goal            `json:"goals"`
	Missing  []missing         `json:"missing"`
}

// figure is one that was measured: what of, under which circumstances, and its value.
type figure struct {
	Row       string  `json:"row"`
	What      string  `json:"what"`
	Candidate string  `json:"candidate"`
	Knock     string  `json:"knock,omitempty"`
	Flood     string  `json:"flood,omitempty"`
	Rate      float64 `json:"rate_pps,omitempty"` // of the flood, as it was asked for: "offered" is what came
	Doors     int     `json:"doors,omitempty"`    // and as many clients; 1 where it is not said
	Grants    int     `json:"grants,omitempty"`
	Unit      string  `json:"unit"`
	Value     float64 `json:"value"`        // the median of the samples
	Low       float64 `json:"p10"`          // the 10th percentile of them
	High      float64 `json:"p90"`          // the 90th
	Of        float64 `json:"of,omitempty"` // what the value would be at best, of things that are counted
	Samples   samples `json:"samples"`      // sorted
	Load      float64 `json:"load"`         // average of the machine in the minute before
}

// The rows.
const (
	rowLatency   = "latency"
	rowFloods    = "floods"
	rowUnrelated = "unrelated" // of latchkeyd: with the radar switched off
	rowRadar     = "radar"     // the same with it
	rowGrowth    = "growth"
	rowStart     = "start"
	rowSize      = "size"
	rowMicro     = "micro"
)

var rows = []string{rowLatency, rowFloods, rowUnrelated, rowRadar, rowGrowth, rowStart, rowSize, rowMicro}

// What figures are of, with their units.
const (
	whatLatency  = "latency"          // s, of knocks that opened: last packet to the first SYN that is let in
	whatDisk     = "disk"             // s, to replace a small file durably, between these knocks and measured as they are
	whatBeyond   = "beyond the disk"  // s, of a knock and the disk just after it: the difference
	whatOpened   = "opened"           // knocks
	whatCPU      = "cpu per packet"   // s, of all threads of the daemon
	whatCore     = "share of a cpu"   // 1 = all of it
	whatWakes    = "wake-ups"         // for each packet
	whatOffered  = "offered"          // packets per second
	whatIdle     = "wake-ups at rest" // in a second
	whatIdleCore = "share of a cpu at rest"
	whatRest     = "memory at rest" // bytes, resident
	whatPeak     = "memory in it"
	whatAfter    = "memory after it"
	whatOwn      = "own memory at rest" // bytes, of it not shared with other programs (RssAnon)
	whatOwnPeak  = "own memory in it"
	whatPath     = "path of a SYN" // s of the sender and the kernel, from sending to the drop
	whatReady    = "ready"         // s from its start until it listens to packets
	whatStart    = "cpu to start"  // s
	whatProgram  = "program"       // bytes, with the libraries that it needs besides libc
	whatPacked   = "compressed"    // bytes, gzip -9
	whatMicro    = "time"          // s
	whatAllocs   = "allocations"

	whatInstructions = "instructions" // of a MIPS processor
)

// samples are measurements of one thing.
type samples []float64

// newSamples sorts them.
func newSamples[T ~int64 | ~int | ~float64](list []T) samples {
	s := make(samples, len(list))
	for i, v := range list {
		s[i] = float64(v)
	}
	slices.Sort(s)
	return s
}

// seconds are samples of times.
func seconds(list []time.Duration) samples {
	s := newSamples(list)
	for i := range s {
		s[i] /= float64(time.Second)
	}
	return s
}

// quantile is the smallest that a share q of them does not exceed; 0 of none.
func (s samples) quantile(q float64) float64 {
	if len(s) == 0 {
		return 0
	}
	i := int(q*float64(len(s))+0.999999) - 1
	return s[max(0, min(i, len(s)-1))]
}

func (s samples) median() float64 { return s.quantile(0.5) }

// add notes a figure that was measured.
func (r *report) add(f figure, what, unit string, s samples) {
	if len(s) == 0 {
		return
	}
	f.What, f.Unit, f.Samples, f.Load = what, unit, s, load()[0]
	f.Value, f.Low, f.High = s.median(), s.quantile(0.1), s.quantile(0.9)
	r.Figures = append(r.Figures, f)
}

// count notes how many of some things.
func (r *report) count(f figure, what, unit string, n, of int) {
	f.Of = float64(of)
	r.add(f, what, unit, samples{float64(n)})
}

// find returns the first figure that agrees with all that a pattern says: what is zero in it may be
// anything, but for the number of doors and grants, which is 1 then.
func (r *report) find(p figure) (f figure, ok bool) {
	same := func(want, is string) bool { return want == "" || want == is }
	for _, f := range r.Figures {
		if same(p.Row, f.Row) && same(p.What, f.What) && same(p.Candidate, f.Candidate) && same(p.Knock, f.Knock) &&
			same(p.Flood, f.Flood) && (p.Rate == 0 || p.Rate == f.Rate) &&
			cmp.Or(p.Doors, 1) == cmp.Or(f.Doors, 1) && cmp.Or(p.Grants, 1) == cmp.Or(f.Grants, 1) {
			return f, true
		}
	}
	return figure{}, false
}

// reached is the rate of a flood that the sender reached, of what was asked for.
func (r *report) reached(at figure) float64 {
	if f, ok := r.find(at.of(whatOffered)); ok && f.Value < 0.95*at.Rate {
		return math.Round(f.Value/1000) * 1000
	}
	return at.Rate
}

// missing is what was not measured, or not as it was meant.
type missing struct {
	What string `json:"what"`
	Why  string `json:"why"`
}

func (r *report) miss(what string, why error) {
	r.Missing = append(r.Missing, missing{what, why.Error()})
	progress("  " + what + ": " + why.Error())
}

// save writes a report to a file.
func (r *report) save(path string) error {
	b, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o644)
}

// open reads what save wrote.
func open(path string) (*report, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	r := &report{}
	return r, json.Unmarshal(b, r)
}
