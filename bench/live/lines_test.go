package live

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"carillon/bench/report"
)

// buffer is an output that may be read while it is written to.
type buffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func TestGoldenLines(t *testing.T) {
	out := new(buffer)
	d, err := New(Options{Out: out}) // Auto: not a terminal
	if err != nil {
		t.Fatal(err)
	}
	for n := 1; n <= 24; n++ {
		p := heartbeatRun(n)
		switch {
		case n >= 24:
			p = troubledRun(n)
			p.Phase, p.In, p.Of, p.Verdict = "done", 0, 0, report.Failed
		case n >= 18:
			p = troubledRun(n)
		}
		d.Show(p)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	got := out.String()
	file := filepath.Join("testdata", "lines.txt")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	if strings.Contains(got, "\x1b") {
		t.Error("an escape sequence among the lines")
	}
}

// How often lines come goes by the clock of the run.
func TestLinesEvery(t *testing.T) {
	for every, want := range map[time.Duration]int{time.Second: 20, 5 * time.Second: 4, time.Minute: 1} {
		out := new(buffer)
		d, err := New(Options{Out: out, Mode: Lines, Every: every})
		if err != nil {
			t.Fatal(err)
		}
		for n := 12; n < 32; n++ {
			d.Show(heartbeatRun(n))
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		if got := strings.Count(out.String(), "scenario="); got != want {
			t.Errorf("every %v: %d lines of the scenario, want %d", every, got, want)
		}
	}
}

func TestJSONLines(t *testing.T) {
	out := new(buffer)
	d, err := New(Options{Out: out, Mode: JSONLines})
	if err != nil {
		t.Fatal(err)
	}
	var want []report.Progress
	for n := 1; n <= 20; n++ {
		want = append(want, troubledRun(n))
		d.Show(want[n-1])
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	var got []report.Progress
	for l := range strings.Lines(out.String()) {
		var p report.Progress
		if err := json.Unmarshal([]byte(l), &p); err != nil {
			t.Fatalf("%q: %v", l, err)
		}
		got = append(got, p)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

func TestQuiet(t *testing.T) {
	out := new(buffer)
	d, err := New(Options{Out: out, Mode: Quiet})
	if err != nil {
		t.Fatal(err)
	}
	d.Show(heartbeatRun(40))
	if err := d.Close(); err != nil || out.String() != "" {
		t.Errorf("Close: %v, wrote %q", err, out.String())
	}
}

// brokenPipe is an output that nobody reads any more.
type brokenPipe struct{ writes int }

var errBroken = errors.New("broken pipe")

func (b *brokenPipe) Write([]byte) (int, error) { b.writes++; return 0, errBroken }

func TestErrorOfWriting(t *testing.T) {
	for _, mode := range []Mode{Lines, JSONLines} {
		out := new(brokenPipe)
		d, err := New(Options{Out: out, Mode: mode})
		if err != nil {
			t.Fatal(err)
		}
		for n := range 100 {
			d.Show(heartbeatRun(n))
		}
		if err := d.Close(); !errors.Is(err, errBroken) {
			t.Errorf("%v: Close: %v, want %v", mode, err, errBroken)
		}
		if out.writes != 1 {
			t.Errorf("%v: %d writes, want none after the first error", mode, out.writes)
		}
		d.Show(heartbeatRun(1))
		if err := d.Close(); err != nil {
			t.Errorf("%v: second Close: %v", mode, err)
		}
	}
}

// An output that takes nothing costs the oldest states, not the run's time.
func TestStuckOutput(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	d, err := New(Options{Out: w, Mode: JSONLines})
	if err != nil {
		t.Fatal(err)
	}
	const last = 3000
	for n := 1; n <= last; n++ {
		d.Show(heartbeatRun(n))
	}
	var got []float64
	var reading sync.WaitGroup
	reading.Go(func() {
		dec := json.NewDecoder(r)
		for {
			var p report.Progress
			if dec.Decode(&p) != nil {
				return
			}
			got = append(got, p.Elapsed)
		}
	})
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	reading.Wait()
	if n := len(got); n < feedLength || n == last || got[n-1] != last {
		t.Errorf("%d states came, the last of second %v", n, got[n-1])
	}
}

func TestModes(t *testing.T) {
	if _, err := New(Options{Out: new(buffer), Mode: Screen}); !errors.Is(err, ErrNoTerminal) {
		t.Errorf("screen without terminal: %v", err)
	}
	if _, err := New(Options{Out: new(buffer), Mode: 17}); err == nil || !strings.Contains(err.Error(), "17") {
		t.Errorf("mode 17: %v", err)
	}
	for m := Auto; m <= JSONLines; m++ {
		if got, err := ParseMode(m.String()); got != m || err != nil {
			t.Errorf("%v: %v, %v", m, got, err)
		}
	}
	for c := ColorAuto; c <= ColorNever; c++ {
		if got, err := ParseColor(c.String()); got != c || err != nil {
			t.Errorf("%v: %v, %v", c, got, err)
		}
	}
	if _, err := ParseMode("loud"); err == nil || err.Error() != `display "loud": want one of auto, screen, lines, quiet, json` {
		t.Errorf("got %v", err)
	}
}

func TestAutoOnTerminal(t *testing.T) {
	for value, want := range map[string]bool{"xterm": true, "dumb": false} {
		t.Setenv("TERM", value)
		e := newTerminal(t, 80, 24)
		d, err := New(Options{Out: e.tty, In: e.tty})
		if err != nil {
			t.Fatal(err)
		}
		d.Show(heartbeatRun(40))
		e.until("something is shown", func() bool { return strings.Contains(e.text(), "40") })
		if _, got := d.(*screen); got != want {
			t.Errorf("TERM=%s: a screen %t, want %t", value, got, want)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestMulti(t *testing.T) {
	a, b := new(buffer), new(buffer)
	one, err := New(Options{Out: a, Mode: JSONLines})
	if err != nil {
		t.Fatal(err)
	}
	two, err := New(Options{Out: b, Mode: JSONLines})
	if err != nil {
		t.Fatal(err)
	}
	d := Multi(one, two)
	d.Show(heartbeatRun(7))
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if a.String() == "" || a.String() != b.String() {
		t.Errorf("got %q and %q", a.String(), b.String())
	}
}
