//go:build linux

package engine

import (
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"carillon/bench/internal/faulty"
	"carillon/bench/plan"
	"carillon/bench/stats"
)

// witness is what a server saw of messages with marks: when they were due, and
// when they came.
type witness struct {
	mu   sync.Mutex
	due  []int64
	came []int64
}

func (w *witness) see(_ string, payload []byte) {
	now := Now()
	m, _, is := findMark(payload, markPrefix(testRun))
	if is != wholeMark {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.due = append(w.due, m.due)
	w.came = append(w.came, now)
}

// metronome wakes a thread of its own at a pace, until it is stopped, and returns
// the gaps it managed, sorted, in ns.
func metronome(pace time.Duration) (stop func() []float64) {
	end, gaps := make(chan struct{}), make(chan []float64)
	go func() {
		sl := newSleeper()
		var all []float64
		for at, last := Now()+int64(pace), Now(); ; at += int64(pace) {
			select {
			case <-end:
				slices.Sort(all)
				gaps <- all
				return
			default:
			}
			sl.sleep(time.Duration(at - Now()))
			now := Now()
			all = append(all, float64(now-last))
			last = now
		}
	}()
	return func() []float64 { close(end); return <-gaps }
}

// gapsOf are the differences of rising numbers, sorted.
func gapsOf(at []int64) []float64 {
	gaps := make([]float64, len(at)-1)
	for i := range gaps {
		gaps[i] = float64(at[i+1] - at[i])
	}
	slices.Sort(gaps)
	return gaps
}

// over is the share of sorted numbers beyond a limit.
func over(sorted []float64, limit float64) float64 {
	i, _ := slices.BinarySearch(sorted, limit)
	return float64(len(sorted)-i) / float64(len(sorted))
}

// arrive runs an echo at a rate and returns when its messages were due and came.
// quiet tells that the machine had time for a thread whenever it wanted one: else
// the times at which messages came tell nothing.
func arrive(t *testing.T, sc plan.Scenario, seconds int) (r *rig, w *witness, quiet bool) {
	t.Helper()
	w = new(witness)
	srv := faulty.Start(t, faulty.Options{OnMessage: w.see, RecordArrivals: 2 * int(sc.Rate) * seconds})
	sc.Kind, sc.URL, sc.Connections = plan.Echo, srv.URL(), 51
	r = newRig(t, sc)
	r.srv = srv
	r.connect()
	pace := time.Duration(1e9 / sc.Rate)
	stop := metronome(pace)
	r.run(time.Duration(seconds) * time.Second)
	gaps := stop()
	r.disconnect()
	slices.Sort(w.due)
	slices.Sort(w.came)
	if n := len(srv.Arrivals()); n != len(w.came) {
		t.Errorf("%d messages with a mark came, %d in all", len(w.came), n)
	}
	median := gaps[len(gaps)/2]
	return r, w, over(gaps, 10*float64(pace)) < .002 && median > .8*float64(pace) && median < 1.2*float64(pace)
}

// What is asked for is sent: not about as much, but all of it, at the time when it
// is due. An odd number of connections does not divide evenly between two loops.
func TestRateIsWhatWasAsked(t *testing.T) {
	const rate, seconds = 10_000, 2
	r, w, quiet := arrive(t, plan.Scenario{Rate: rate}, seconds)
	c := r.total[0].Measured.Counts
	if c.Arrivals != rate*seconds || c.Sent != rate*seconds || c.OK != rate*seconds || len(w.came) != rate*seconds {
		t.Fatalf("got %+v, want %d of everything; %d came", c, rate*seconds, len(w.came))
	}
	const nominal = 1e9 / rate
	for i := range w.due {
		if d := w.due[i] - w.due[0] - int64(i)*nominal; d < -1 || d > 1 {
			t.Fatalf("message %d was due %d ns off", i, d)
		}
		if w.came[i] < w.due[i]-int64(time.Millisecond) {
			t.Fatalf("message %d came %d ns before it was due", i, w.due[i]-w.came[i])
		}
	}
	if !quiet {
		t.Log("the machine is too busy to tell when messages leave")
		return
	}
	gaps := gapsOf(w.came)
	if median := gaps[len(gaps)/2]; median < .2*nominal || median > 2*nominal {
		t.Errorf("median gap %v us, want about %v us", median/1e3, nominal/1e3)
	}
	if share := over(gaps, 10*nominal); share > .01 {
		t.Errorf("%.2f %% of the gaps are over ten times as long as they should be", 100*share)
	}
	if took := w.came[len(w.came)-1] - w.came[0]; math.Abs(float64(took)/1e9-seconds) > .01*seconds {
		t.Errorf("all came within %v ms, want %d s", took/1e6, seconds)
	}
}

func TestPoissonArrivals(t *testing.T) {
	const rate, seconds = 1500, 2
	r, w, quiet := arrive(t, plan.Scenario{Rate: rate, Arrival: plan.Poisson}, seconds)
	if n := float64(len(w.due)); math.Abs(n-rate*seconds) > 5*math.Sqrt(rate*seconds) || r.total[0].Measured.Counts.OK != int64(n) {
		t.Errorf("%v came, want about %d: %+v", n, rate*seconds, r.total[0].Measured.Counts)
	}
	checkExponential(t, w.due)
	if !quiet {
		t.Log("the machine is too busy to tell when messages leave")
		return
	}
	gaps := gapsOf(w.came)
	mean, square := 0.0, 0.0
	for _, g := range gaps {
		mean += g / float64(len(gaps))
		square += g * g / float64(len(gaps))
	}
	if cv := math.Sqrt(square-mean*mean) / mean; cv < .8 || cv > 1.4 {
		t.Errorf("coefficient of variation %.2f, want about 1", cv)
	}
	worst := 0.0
	for i, g := range gaps {
		worst = max(worst, math.Abs(1-math.Exp(-g/mean)-float64(i)/float64(len(gaps))))
	}
	if worst > .15 { // evenly spaced ones are .63 away
		t.Errorf("gaps are %.2f from exponential", worst)
	}
}

// Each connection once in the time given.
func TestEvery(t *testing.T) {
	t.Parallel()
	srv := faulty.Start(t, faulty.Options{})
	r := newRig(t, plan.Scenario{Kind: plan.Soak, URL: srv.URL(), Connections: 100, Every: 500 * time.Millisecond, ConnectRate: 5000})
	r.srv = srv
	r.connect()
	r.run(time.Second)
	r.disconnect()
	if c := r.total[0].Measured.Counts; c.Sent != 200 || c.OK != 200 {
		t.Errorf("got %+v, want two of each of 100 connections", c)
	}
}

// A server that stands still for a while hurts everybody who asks meanwhile. The
// open model has them all; the closed one asks no more, and hides it.
func TestStallShowsInTheOpenModel(t *testing.T) {
	const connections, stalls, length = 4, 2, 200 * time.Millisecond
	stall := faulty.Faults{Stall: faulty.Stall{Every: time.Second, For: length}}
	asking := plan.Scenario{Model: plan.Closed, Think: time.Millisecond}
	measure := func(t *testing.T, into **stats.Hist, sc plan.Scenario, faults faulty.Faults) {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			srv := faulty.Start(t, faulty.Options{})
			sc.Kind, sc.URL, sc.Connections = plan.Echo, srv.URL(), connections
			r := newRig(t, sc)
			r.srv = srv
			r.connect()
			srv.SetFaults(faults)
			r.run(stalls * time.Second)
			r.disconnect()
			*into = r.total[0].Measured.Hists[stats.Latency]
		})
	}
	for try := 1; ; try++ {
		var open, closed, idle *stats.Hist
		t.Run("models", func(t *testing.T) {
			measure(t, &open, plan.Scenario{Rate: 1000}, stall)
			measure(t, &closed, asking, stall)
		})
		// Due in the first half of a stall: half its length times the rate.
		if n := open.Above(length / 2); n < stalls*50 || open.Max() < length*3/4 || closed.Max() < length*3/4 {
			t.Fatalf("open model: %d over %v, longest %v; closed model: longest %v", n, length/2, open.Max(), closed.Max())
		}
		p99, hidden, hurt := open.Quantile(.99), closed.Quantile(.99), closed.Above(length/2)
		if p99 >= 20*hidden && hurt <= 2*stalls*connections {
			return
		}
		// A machine that is busy with other things stalls as well, and everybody.
		if try < 2 {
			continue
		}
		t.Run("without a stall", func(t *testing.T) { measure(t, &idle, asking, faulty.Faults{}) })
		if noise := idle.Quantile(.99); noise <= length/50 {
			t.Fatalf("p99 %v in the open model, %v in the closed one: want it at least 20 times as long. %d of %d of the closed one over %v",
				p99, hidden, hurt, closed.Count(), length/2)
		}
		t.Log("the machine is too busy to tell: the closed model is slow without a stall, too")
		return
	}
}
