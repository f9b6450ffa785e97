// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestQuantiles_are_samples(t *testing.T) {
	ten := newSamples([]int{9, 1, 2, 10, 4, 3, 6, 5, 8, 7})
	for _, test := range []struct {
		of   samples
		q    float64
		want float64
	}{
		{nil, 0.5, 0}, {samples{3}, 0, 3}, {samples{3}, 1, 3},
		{ten, 0, 1}, {ten, 0.1, 1}, {ten, 0.11, 2}, {ten, 0.5, 5}, {ten, 0.9, 9}, {ten, 1, 10},
	} {
		if got := test.of.quantile(test.q); got != test.want {
			t.Errorf("quantile %g of %v is %g, want %g", test.q, test.of, got, test.want)
		}
	}
	if got := seconds([]time.Duration{2 * time.Second, time.Millisecond}); !cmp.Equal(got, samples{0.001, 2}) {
		t.Errorf("seconds: %v", got)
	}
}

func TestNumbers_have_three_digits_and_a_unit_that_fits(t *testing.T) {
	for s, want := range map[float64]string{0: "0 ns", 12.3e-9: "12.3 ns", 999.7e-9: "1.00 µs", 46e-6: "46 µs", 0.24249e-3: "242 µs", 0.029: "29 ms", 0.11136: "111 ms", 1.5: "1.50 s"} {
		if got := show(s); got != want {
			t.Errorf("%g s is shown as %q, want %q", s, got, want)
		}
	}
}

func TestTime_is_kept_for_tasks_that_fit(t *testing.T) {
	b := newBudget(12 * time.Minute) // 10 for tasks
	if !b.grant(10*time.Minute) || b.grant(10*time.Minute+1) {
		t.Error("the whole time is not what can be granted")
	}
	b.spend(time.Minute, 4*time.Minute)
	if b.left != 6*time.Minute {
		t.Errorf("%s left, want 6 minutes", b.left)
	}
	if b.grant(4*time.Minute) || !b.grant(2*time.Minute) {
		t.Errorf("a machine that takes four times as long is taken for one that takes %.1f times as long", b.slow)
	}
	for range 20 {
		b.spend(time.Second, time.Second/2)
	}
	if b.slow != 1 {
		t.Errorf("a quick machine is taken for one that takes %.2f times as long", b.slow)
	}
}

func TestTasks_are_done_by_importance_and_what_was_not_is_named(t *testing.T) {
	var done []string
	r := &report{}
	do := func(rank int, name string, cost time.Duration, err error) task {
		return task{rank, name, cost, func() error { done = append(done, name); return err }}
	}
	newBudget(2*time.Minute).perform([]task{
		do(rankMicro, "micro", time.Second, nil),
		do(rankOf(1000, true), "usual flood", time.Second, nil),
		do(rankOf(1000, false), "flood", time.Second, errors.New("no sender")),
		do(rankLatency, "latency", time.Hour, nil),
	}, r)
	if diff := cmp.Diff([]string{"micro", "usual flood", "flood"}, done); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]missing{{"latency", errNoTime.Error()}, {"flood", "no sender"}}, r.Missing); diff != "" {
		t.Error(diff)
	}
}

// What is planned takes no longer than there is, on a machine that is quick enough.
func TestEverything_fits_into_its_time(t *testing.T) {
	for _, short := range []bool{false, true} {
		b := newBench(short)
		b.out = &report{}
		left := newBudget(b.whole - time.Minute/2).left // for compiling
		if short {
			left = newBudget(b.whole - 10*time.Second).left
		}
		tasks := b.tasks()
		for _, task := range tasks {
			left -= task.cost
		}
		t.Logf("short %v: %d tasks leave %s", short, len(tasks), left)
		if left < 0 {
			t.Errorf("short %v: %s too long", short, -left)
		}
	}
}

func TestRates_are_read_and_written_alike(t *testing.T) {
	var r rates
	if err := r.Set("500,10k,2.5k"); err != nil || !cmp.Equal(r, rates{500, 10_000, 2500}) || r.String() != "500,10k,2.5k" {
		t.Errorf("%v, %v", r, err)
	}
	for _, bad := range []string{"", "k", "-1", "0", "NaN", "1k,", "20000k", "Inf"} {
		if err := r.Set(bad); err == nil {
			t.Errorf("%q is taken for %v", bad, r)
		}
	}
}

// example is a report that has some of everything.
func example() *report {
	r := &report{Format: 1, Date: time.Date(2026, 11, 26, 6, 0, 0, 0, time.UTC), Took: 700, Machine: machine{Kernel: "6.18", CPUs: 2, Pinned: true},
		Versions: map[string]string{"knockd": "knockd 0.8"}}
	for i, c := range candidates {
		at := figure{Candidate: c.name, Knock: c.kind}
		at.Row = rowLatency
		r.count(at, whatOpened, "knocks", 5, 5)
		r.add(at, whatLatency, "s", samples{1e-6, 50e-6, 200e-6, 0.03, 2}) // the least and the most are off the axis
		if c.durable {
			r.add(at, whatDisk, "s", samples{1e-5})
		}
		at.Row = rowFloods
		for _, f := range c.floods {
			for _, rate := range []float64{1000, 10_000, 100_000, 250_000} {
				at.Flood, at.Rate = f.name, rate
				r.count(at, whatOpened, "knocks", i, 50)
				r.add(at, whatOffered, "packets/s", samples{rate / float64(i+1)})
				r.add(at, whatCPU, "s", samples{1e-6, 2e-6, 3e-6})
				r.add(at, whatCore, "CPUs", samples{0, float64(i) / 10})
				r.add(at, whatRest, "bytes", samples{5e6})
				r.add(at, whatAfter, "bytes", samples{7e6})
			}
		}
	}
	r.add(figure{Row: rowSize, Candidate: ours}, whatPacked, "bytes", samples{1.8e6})
	r.miss("a <peer> & another", errors.New("not\ninstalled"))
	r.Goals = goals(r)
	return r
}

// The shape of build/bench.json is a promise: see type report.
func TestJSON_keeps_its_shape(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bench.json")
	want := example()
	if err := want.save(path); err != nil {
		t.Fatal(err)
	}
	got, err := open(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	f := figure{Row: "floods", What: "opened", Candidate: "c", Knock: "k", Flood: "f", Rate: 1, Doors: 2, Grants: 3, Unit: "u", Value: 4, Low: 5, High: 6, Of: 7, Samples: samples{4}, Load: 8}
	b, err := json.Marshal(f)
	const fields = `{"row":"floods","what":"opened","candidate":"c","knock":"k","flood":"f","rate_pps":1,"doors":2,"grants":3,"unit":"u","value":4,"p10":5,"p90":6,"of":7,"samples":[4],"load":8}`
	if err != nil || string(b) != fields {
		t.Errorf("a figure is\n%s (%v), want\n%s", b, err, fields)
	}
}

func TestGoals_say_by_how_much(t *testing.T) {
	for want, g := range map[string]goal{
		"not measured":                     {Limit: 1},
		"met by 50 %":                      {Limit: 2, Known: true, Value: 1},
		"**missed** by 50 %":               {Limit: 2, Known: true, Value: 3},
		"**missed** by 25 %":               {Limit: 100, AtLeast: true, Known: true, Value: 75},
		"met":                              {Known: true},
		"met by 0 %":                       {Limit: 100, AtLeast: true, Known: true, Value: 100},
		"**missed**":                       {Known: true, Value: 3},
		"**missed** by 50 %: it is asleep": {Limit: 2, Known: true, Value: 3, Why: "it is asleep"},
		"met by 25 %":                      {Limit: 2, Known: true, Value: 1.5, Why: "it is asleep"},
		"**missed** by 300 %":              {Limit: 1, Known: true, Value: 4},
	} {
		if got := g.verdict(); got != want {
			t.Errorf("%+v is %q, want %q", g, got, want)
		}
	}
	for _, g := range goals(&report{}) {
		if g.Known || math.IsNaN(g.Value) {
			t.Errorf("of nothing: %+v", g)
		}
	}
	known := 0
	for _, g := range example().Goals {
		if g.Known {
			known++
		}
	}
	if known < 12 {
		t.Errorf("only %d goals are known of a report that has latencies, floods and memory", known)
	}
}

// Every plot is whole XML, whose marks lie on the page.
func TestPlots_lie_on_their_page(t *testing.T) {
	list := plots(example())
	if len(list) != 4 {
		t.Errorf("%d plots, want 4", len(list))
	}
	for name, svg := range list {
		if strings.Contains(svg, "NaN") || strings.Contains(svg, "Inf") || strings.Contains(svg, "%!") {
			t.Errorf("%s has what is no number", name)
		}
		var width, height float64
		for d := xml.NewDecoder(strings.NewReader(svg)); ; {
			token, err := d.Token()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			e, ok := token.(xml.StartElement)
			if !ok {
				continue
			}
			for _, a := range e.Attr {
				v, err := strconv.ParseFloat(a.Value, 64)
				if err != nil {
					continue
				}
				most := 0.0
				switch a.Name.Local {
				case "width", "height":
					if e.Name.Local == "svg" {
						width, height = max(width, v), max(height, v)
					}
					continue
				case "x", "x1", "x2", "cx":
					most = plotWidth
				case "y", "y1", "y2", "cy":
					most = height
				default:
					continue
				}
				if v < 0 || v > most {
					t.Errorf("%s: %s of <%s> is %g, the page ends at %g", name, a.Name.Local, e.Name.Local, v, most)
				}
			}
		}
	}
}

func TestPlots_of_what_was_not_measured_are_not_drawn(t *testing.T) {
	r := example()
	r.Figures = slices.DeleteFunc(r.Figures, func(f figure) bool { return f.Flood != "" && !(flood{name: f.Flood}).blind() })
	list := plots(r)
	if _, drawn := list["aimed"]; drawn || len(list) != 3 {
		t.Errorf("%d plots, want 3; that of aimed floods is drawn: %v", len(list), drawn)
	}
}

func TestTables_have_as_many_cells_as_columns(t *testing.T) {
	r := example()
	for _, text := range []string{r.markdown(), r.summary()} {
		columns := 0
		for line := range strings.Lines(text) {
			if !strings.HasPrefix(line, "|") {
				columns = 0
				continue
			}
			n := strings.Count(line, "|")
			if columns == 0 {
				columns = n
			}
			if n != columns {
				t.Errorf("%d bars, the heading has %d: %s", n, columns, line)
			}
		}
		if strings.Contains(text, "%!") {
			t.Errorf("a format is wrong in\n%s", text)
		}
	}
}

func TestPublishing_replaces_its_own_block_only(t *testing.T) {
	text := "before\n" + beginMark + "\nold\n" + endMark + "\nafter\n"
	got, err := replaceBlock(text, "new\n")
	if want := "before\n" + beginMark + "\nnew\n" + endMark + "\nafter\n"; err != nil || got != want {
		t.Errorf("%q, %v", got, err)
	}
	for _, bad := range []string{"", beginMark + "\n", endMark + "\n", endMark + "\n" + beginMark + "\n"} {
		if got, err := replaceBlock(bad, "new\n"); err == nil {
			t.Errorf("%q became %q", bad, got)
		}
	}
}

func TestPublishing_takes_whole_runs_only(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, folder := range []string{"build", filepath.Dir(published)} {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(readme, []byte(beginMark+"\n"+endMark+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	r := example()
	for _, r.Short = range []bool{true, false} {
		r.Partial = !r.Short
		if err := r.save(jsonFile); err != nil {
			t.Fatal(err)
		}
		if err := publish(); err == nil {
			t.Errorf("short %v, partial %v: it was published", r.Short, r.Partial)
		}
	}
	r.Partial = false
	if err := r.save(jsonFile); err != nil {
		t.Fatal(err)
	}
	if err := publish(); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{readme: "26 November 2026", filepath.Join(published, "README.md"): "**Goals**", filepath.Join(published, "cpu.svg"): "<svg"} {
		if text, err := os.ReadFile(file); err != nil || !strings.Contains(string(text), want) {
			t.Errorf("%s has no %q (%v)", file, want, err)
		}
	}
}
