package main

import (
	"bytes"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"carillon/cluster/services/crowd"
	"carillon/cluster/services/crowd/crowdtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestSoak runs for seconds, as the command does for an hour: once undisturbed, and with
// somebody kicked before and while is measured.
func TestSoak(t *testing.T) {
	// What a gateway that has just started needs in its first seconds is no leak.
	o := options{carillon: crowdtest.Build(t), connections: 50, settle: 2 * time.Second, duration: 3 * time.Second, beat: 500 * time.Millisecond,
		look: 500 * time.Millisecond, line: time.Second, growth: 1 << 20}
	var out crowdtest.Output
	if err := o.run(t.Context(), &out); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	settling, measured, _ := strings.Cut(out.String(), "settled")
	const line = "s        50 "
	if n, m := strings.Count(settling, line), strings.Count(measured, line); n < 2 || m < 3 {
		t.Errorf("%d and %d lines with 50 sessions in\n%s", n, m, &out)
	}
	if !strings.Contains(out.String(), "passed: nobody of 50 was lost, all 300 heartbeats were answered") {
		t.Errorf("got\n%s", &out)
	}

	for when, want := range map[string]string{
		"RSS":     "49 of 50 were there when measuring began",
		"settled": "50 of 50 were connected, 1 of them lost",
	} {
		var kick sync.Once
		out := crowdtest.Output{On: func(text string) {
			if !strings.Contains(text, when) {
				return
			}
			kick.Do(func() {
				var at string
				if _, err := fmt.Sscanf(text, "gateway at %s", &at); err != nil {
					t.Error(err)
				}
				res, err := http.Post("http://"+strings.TrimSuffix(at, ",")+"/websocket/kick/user/u7", "", nil)
				if err != nil {
					t.Error(err)
					return
				}
				if err := res.Body.Close(); err != nil || res.StatusCode != http.StatusOK {
					t.Error(res.Status, err)
				}
			})
		}}
		if err := o.run(t.Context(), &out); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("with somebody kicked after %q: %v, want %q\n%s", when, err, want, &out)
		}
	}
}

// TestJudge fails for memory that grows, and for those who were lost or not answered.
func TestJudge(t *testing.T) {
	o := options{connections: 1000, growth: 50}
	good := crowd.Result{Setup: crowd.Counts{Connected: 1000}, Measured: crowd.Counts{Expected: 9, OK: 9}}
	lost, silent, few, nothing := good, good, good, good
	lost.Measured.Closed = 1
	silent.Measured.OK = 8
	few.Setup.Connected = 999
	nothing.Measured = crowd.Counts{}
	for name, c := range map[string]struct {
		growth float64 // bytes a connection in an hour
		result crowd.Result
		want   string // "" is none
	}{
		"flat":          {0, good, ""},
		"a little":      {40, good, ""},
		"a leak":        {60, good, "memory grew by 6"},
		"shrinks":       {-1000, good, ""},
		"lost":          {0, lost, "1 of them lost"},
		"not answered":  {0, silent, "8 of 9 heartbeats answered"},
		"not connected": {0, few, "999 of 1000 were connected"},
		"no heartbeats": {0, nothing, "0 of 0 heartbeats"},
		"both":          {60, lost, "1 of them lost"},
	} {
		var samples []sample
		for at := time.Duration(0); at <= time.Hour; at += 10 * time.Second {
			breath := float64(at / time.Second % 60 * 100) // of a heap
			samples = append(samples, sample{at: at, sessions: 1000, memory: crowd.Resident{All: int64(60e6 + 1e6*at.Hours()), Own: int64(30e6 + c.growth*1000*at.Hours() + breath)}})
		}
		var out bytes.Buffer
		switch err := o.judge(samples, c.result, &out); {
		case c.want == "" && (err != nil || !strings.Contains(out.String(), "passed")):
			t.Errorf("%s: %v\n%s", name, err, &out)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(out.String(), "passed")):
			t.Errorf("%s: %v, want %q\n%s", name, err, c.want, &out)
		}
	}
}

// TestTenths takes the ends apart.
func TestTenths(t *testing.T) {
	var all []time.Duration
	for i := range 40 {
		all = append(all, time.Duration(i))
	}
	if first, last := tenths(all); first != 2 || last != 38 {
		t.Errorf("got %d and %d", first, last)
	}
	if first, last := tenths(nil); first != 0 || last != 0 {
		t.Errorf("of nothing %d and %d", first, last)
	}
}

// TestCannotStart says why.
func TestCannotStart(t *testing.T) {
	o := options{carillon: filepath.Join(t.TempDir(), "missing")}
	if err := o.run(t.Context(), &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), "make build") {
		t.Errorf("without the program: %v", err)
	}
	for _, args := range [][]string{{"--connections", "0"}, {"--duration", "0s"}, {"--settle", "-1s"}, {"--beat", "x"}} {
		if code := command(args); code != 2 {
			t.Errorf("%q: exit code %d", args, code)
		}
	}
}
