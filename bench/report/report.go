package report

import (
	"encoding/json"
	"time"

	"carillon/bench/stats"
)

// Schema names the JSON form. Members may be added under the same number; a
// member that changes its meaning or goes raises it.
const Schema = "carillon-bench/1"

// Verdict is how a run ended. There is exactly one.
type Verdict string

// The verdicts, from best to worst; a report has the worst that applies.
const (
	// Passed: it ran to its end and every threshold held.
	Passed Verdict = "passed"
	// Interrupted: somebody ended it early; the figures cover what had run.
	Interrupted Verdict = "interrupted"
	// Failed: a threshold did not hold.
	Failed Verdict = "failed"
	// NoResult: the client, not the server, was the bottleneck, so that the
	// figures say nothing about the server. Reasons tells what it lacked.
	NoResult Verdict = "no_result"
	// Errored: the run could not be carried out.
	Errored Verdict = "error"
)

// Report is one run, whole.
type Report struct {
	Schema   string          `json:"schema"` // [Schema]
	ID       string          `json:"id"`
	Name     string          `json:"name"`
	Started  time.Time       `json:"started"`
	Seconds  float64         `json:"seconds"` // from the first connect to the last answer
	Command  []string        `json:"command"` // as typed, secrets masked
	Seed     uint64          `json:"seed"`
	Verdict  Verdict         `json:"verdict"`
	Reasons  []string        `json:"reasons,omitempty"`  // of a verdict other than passed
	Warnings []string        `json:"warnings,omitempty"` // what a reader of the figures should know
	Plan     json.RawMessage `json:"plan"`               // as it was run, defaults filled in, secrets masked

	Scenarios   []Scenario  `json:"scenarios"`
	Checks      []Check     `json:"checks,omitempty"` // thresholds
	Search      *Search     `json:"search,omitempty"` // with --find-max
	Client      Client      `json:"client"`
	Servers     []Server    `json:"servers,omitempty"` // with --pid or --metrics-url
	Environment Environment `json:"environment"`
}

// Scenario is one scenario of a run.
type Scenario struct {
	Name        string  `json:"name"`
	Kind        string  `json:"kind"`   // connect, heartbeat, echo, broadcast, push, churn, storm, slow, soak
	Model       string  `json:"model"`  // open or closed
	Target      string  `json:"target"` // URL as given, secrets masked
	Connections int64   `json:"connections"`
	Rate        float64 `json:"rate_asked,omitempty"` // operations per second; 0 in the closed model
	Seconds     float64 `json:"measured_seconds"`

	// Measured covers the measured period only; Setup all else: ramp, warm-up,
	// disconnect. Connection figures of scenarios that connect in their ramp
	// (all but connect, churn and storm) are in Setup.
	Measured stats.Totals `json:"measured"`
	Setup    stats.Totals `json:"setup"`

	// Latency has the percentiles of Measured.Hists and, for those of connecting
	// that Measured lacks, of Setup.Hists. Made by [Scenario.Summarise].
	Latency map[stats.Metric]Latency `json:"latency"`

	Series []Point `json:"series"` // one a second, ramp included
	Storms []Storm `json:"storms,omitempty"`
	Slow   *Slow   `json:"slow,omitempty"`
	Leak   []Slope `json:"leak,omitempty"` // soak
}

// Latency summarises a histogram. All but Count in milliseconds.
type Latency struct {
	Count int64   `json:"count"`
	Mean  float64 `json:"mean_ms"`
	Min   float64 `json:"min_ms"`
	P50   float64 `json:"p50_ms"`
	P75   float64 `json:"p75_ms"`
	P90   float64 `json:"p90_ms"`
	P95   float64 `json:"p95_ms"`
	P99   float64 `json:"p99_ms"`
	P999  float64 `json:"p99_9_ms"`
	P9999 float64 `json:"p99_99_ms"`
	Max   float64 `json:"max_ms"`
}

// Summary returns the percentiles of h.
func Summary(h *stats.Hist) Latency {
	ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	q := func(p float64) float64 { return ms(h.Quantile(p)) }
	return Latency{
		Count: h.Count(), Mean: ms(h.Mean()), Min: ms(h.Min()),
		P50: q(.50), P75: q(.75), P90: q(.90), P95: q(.95), P99: q(.99), P999: q(.999), P9999: q(.9999),
		Max: ms(h.Max()),
	}
}

// Summarise fills Latency from the histograms.
func (s *Scenario) Summarise() {
	s.Latency = make(map[stats.Metric]Latency)
	for _, m := range stats.Metrics() {
		if h := s.hist(m); h.Count() > 0 {
			s.Latency[m] = Summary(h)
		}
	}
}

// hist is what a report shows of a metric: the measured period, or else the ramp
// of what belongs there. The rest of the set-up never stands for what was to be
// measured.
func (s *Scenario) hist(m stats.Metric) *stats.Hist {
	h := s.Measured.Hists[m]
	switch m {
	case stats.TCP, stats.TLS, stats.Upgrade, stats.FirstMessage, stats.Connect:
		if h.Count() == 0 {
			return s.Setup.Hists[m]
		}
	}
	return h
}

// Point is one second of a scenario. Rates are per second.
type Point struct {
	T         float64 `json:"t"`     // seconds since the run's start, at the end of the period
	Phase     string  `json:"phase"` // connect, warmup, measure, settle, disconnect
	Open      int64   `json:"open"`  // connections
	Connects  float64 `json:"connects"`
	Failures  float64 `json:"failures"` // failed connects, connections lost, failed publishes
	Arrivals  float64 `json:"arrivals"`
	Sent      float64 `json:"sent"`
	Received  float64 `json:"received"`
	Published float64 `json:"published"`
	P50       float64 `json:"p50_ms"` // of what was answered or delivered in this second
	P99       float64 `json:"p99_ms"`
	Max       float64 `json:"max_ms"`
}

// Storm is one cycle of a storm: all connections drop and come back.
type Storm struct {
	T         float64 `json:"t"`
	Dropped   int64   `json:"dropped"`
	Back      int64   `json:"back"`
	Attempts  int64   `json:"attempts"`
	Failures  int64   `json:"failures"`
	Half      float64 `json:"half_back_seconds"` // 0: never
	P99       float64 `json:"p99_back_seconds"`
	All       float64 `json:"all_back_seconds"`
	PeakRate  float64 `json:"peak_connects_per_second"`
	Backoff   string  `json:"backoff"`
	Abandoned int64   `json:"abandoned"` // not back within the time the plan gives
}

// Slow is what became of the clients that read slowly or not at all.
type Slow struct {
	Clients int64                 `json:"clients"`
	Rate    float64               `json:"bytes_per_second"` // each; 0: they do not read
	Read    int64                 `json:"read_bytes"`       // all of them together
	Closed  int64                 `json:"closed"`
	Causes  map[stats.Cause]int64 `json:"causes,omitempty"`
	Left    int64                 `json:"left"` // still connected at the end
}

// Slope is the line through a series, by least squares over the measured period.
type Slope struct {
	What    string  `json:"what"`     // "rss", "pss", "open connections", "p99 latency", …
	Unit    string  `json:"unit"`     // of the slope, per hour: "KiB/h"
	PerHour float64 `json:"per_hour"` // the slope
	Low     float64 `json:"low"`      // bounds of its 95 % confidence interval
	High    float64 `json:"high"`
	First   float64 `json:"first"` // the line at the beginning and the end of the period
	Last    float64 `json:"last"`
	Samples int     `json:"samples"`
	Leak    bool    `json:"leak"` // the interval lies above 0 and the growth above noise
}

// Check is a threshold and how it came out.
type Check struct {
	Expression string  `json:"expression"` // as given: "p99>50ms"
	Scenario   string  `json:"scenario"`   // where it was looked at; "" for the whole run
	Value      float64 `json:"value"`      // in Unit
	Unit       string  `json:"unit"`
	Failed     bool    `json:"failed"`
	NoData     bool    `json:"no_data,omitempty"` // there was nothing to look at; it failed for that
	Text       string  `json:"text"`              // one sentence
}

// Search is what --find-max found.
type Search struct {
	Goal   string  `json:"goal"`   // "p99<50ms"
	Of     string  `json:"of"`     // "rate" or "connections"
	Best   float64 `json:"best"`   // highest that held; 0: none did
	Bound  string  `json:"bound"`  // "server": the next step failed the goal; "limit": the search's own end was reached; "client": the client could not go on; "": it was ended early
	Steps  []Step  `json:"steps"`  // in the order they were tried
	Reason string  `json:"reason"` // one sentence
}

// Step is one step of a search.
type Step struct {
	Asked   float64 `json:"asked"`
	Reached float64 `json:"reached"`
	Held    bool    `json:"held"`
	Value   float64 `json:"value"` // of the goal's metric, in the goal's unit
	P50     float64 `json:"p50_ms"`
	P99     float64 `json:"p99_ms"`
	Note    string  `json:"note,omitempty"` // why it does not count, or did not hold
}

// Client is the load generator watching itself, over the measured period.
type Client struct {
	Workers     int     `json:"workers"` // processes
	Loops       int     `json:"loops"`   // event loops, all together
	Agents      int     `json:"agents"`  // machines; 0: this one alone
	CPUSeconds  float64 `json:"cpu_seconds"`
	CPUShare    float64 `json:"cpu_share"` // of the cores it may use, 0 to 1
	MachineBusy float64 `json:"machine_busy"`
	RSS         int64   `json:"rss_bytes"`        // all processes, highest
	PerConn     float64 `json:"bytes_per_conn"`   // growth of RSS per connection, user space
	CPUPerMSent float64 `json:"cpu_per_m_sent"`   // CPU seconds per million messages sent; 0: none sent
	CPUPerMRecv float64 `json:"cpu_per_m_recv"`   // … received
	Late        Latency `json:"late"`             // how late operations began
	Lag         Latency `json:"lag"`              // how late its event loops were
	Ticks       int64   `json:"ticks"`            // wake-ups of its pacers
	DroppedTick int64   `json:"dropped_ticks"`    // over 10 ms late
	Dropped     int64   `json:"dropped_arrivals"` // operations given up
	GCPause     float64 `json:"gc_pause_ms"`      // longest
	ClockError  float64 `json:"clock_error_ms"`   // bound of the clock difference between machines; 0 on one machine
	Bottleneck  bool    `json:"bottleneck"`       // hence no result
}

// Server is what was seen of the server's processes, over the measured period.
type Server struct {
	Source      string        `json:"source"` // "pid 4711 carillon" or a metrics URL without its secrets
	CPUSeconds  float64       `json:"cpu_seconds"`
	UserSeconds float64       `json:"user_seconds"`
	SysSeconds  float64       `json:"sys_seconds"`
	RSSBefore   int64         `json:"rss_before_bytes"` // before the first connection
	RSS         int64         `json:"rss_bytes"`        // at the end of the measured period
	RSSMax      int64         `json:"rss_max_bytes"`
	PSS         int64         `json:"pss_bytes"`
	PerConn     float64       `json:"rss_bytes_per_conn"` // growth of RSS over the connections open
	CPUPerMSent float64       `json:"cpu_per_m_sent"`     // its CPU seconds per million messages we sent
	CPUPerMRecv float64       `json:"cpu_per_m_recv"`     // … per million frames we received
	Threads     int           `json:"threads"`
	FDs         int           `json:"fds"`
	Series      []ServerPoint `json:"series"`
	Missing     []string      `json:"missing,omitempty"` // what could not be read, and why
}

// ServerPoint is one look at a server.
type ServerPoint struct {
	T   float64 `json:"t"`
	CPU float64 `json:"cpu"` // cores in use since the last look
	RSS int64   `json:"rss_bytes"`
	PSS int64   `json:"pss_bytes"`
	FDs int     `json:"fds"`
}

// Environment is where the run took place.
type Environment struct {
	Host     string            `json:"host"`
	OS       string            `json:"os"`
	Kernel   string            `json:"kernel"`
	CPU      string            `json:"cpu"`
	Cores    int               `json:"cores"` // this process may run on
	Memory   int64             `json:"memory_bytes"`
	Go       string            `json:"go"`
	Versions map[string]string `json:"versions"` // carillon and the modules that matter
	Limits   map[string]string `json:"limits"`   // RLIMIT_NOFILE and its like, cgroup limits
	Sysctls  map[string]string `json:"sysctls"`
	Agents   []Environment     `json:"agents,omitempty"`
}
