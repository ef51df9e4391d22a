package stats

import (
	"maps"
	"time"
)

// Metric names a latency.
type Metric uint8

const (
	// Latency is the scenario's own: from the time an operation was due (open
	// model) or sent (closed model) to its reply, or to the delivery of the
	// published message at one receiver.
	Latency Metric = iota
	// TCP is one connect(2), from the call to the established connection.
	TCP
	// TLS is the TLS handshake.
	TLS
	// Upgrade is from the request to the 101.
	Upgrade
	// FirstMessage is from the 101 to the first message that the server sends by
	// itself, before the run has traffic. What only answers or delivers is none.
	FirstMessage
	// Connect is from the time a connection was due to its 101.
	Connect
	// Publish is one publish, from the time it was due to the server's answer.
	Publish
	// Lateness is how long after it was due the client began an operation: the
	// client's own fault, and part of Latency in the open model.
	Lateness
	// LoopLag is how long an event loop of the client took to look at a wake-up:
	// what the client adds to everything it measures.
	LoopLag

	metrics
)

var metricNames = [metrics]string{
	"latency", "tcp", "tls", "upgrade", "first_message", "connect", "publish", "lateness", "loop_lag",
}

// String returns the name as it stands in reports.
func (m Metric) String() string {
	if m < metrics {
		return metricNames[m]
	}
	return "metric?"
}

// MarshalText makes Metric a key of JSON objects.
func (m Metric) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads what MarshalText wrote; an unknown name is metric 255,
// which Metrics never lists.
func (m *Metric) UnmarshalText(b []byte) error {
	*m = 255
	for i, name := range metricNames {
		if name == string(b) {
			*m = Metric(i)
		}
	}
	return nil
}

// Metrics lists all metrics in the order reports show them.
func Metrics() []Metric {
	all := make([]Metric, metrics)
	for i := range all {
		all[i] = Metric(i)
	}
	return all
}

// Cause is one reason why something failed, with the kind of failure it
// belongs to.
type Cause struct {
	Kind CauseKind
	Text string // "connection refused", "HTTP 503", "close 1013 slow consumer", "reset by peer"
}

// CauseKind is what a cause is the cause of: the counters of the same names.
type CauseKind string

// The kinds of causes.
const (
	ConnectFailed CauseKind = "connect_failed"
	Closed        CauseKind = "closed"
	PublishFailed CauseKind = "publish_failed"
	Wrong         CauseKind = "wrong"
)

// MarshalText makes Cause a key of JSON objects: "kind: text".
func (c Cause) MarshalText() ([]byte, error) { return []byte(string(c.Kind) + ": " + c.Text), nil }

// UnmarshalText reads what MarshalText wrote.
func (c *Cause) UnmarshalText(b []byte) error {
	s := string(b)
	for i := range s {
		if s[i] == ':' && i+2 <= len(s) {
			c.Kind, c.Text = CauseKind(s[:i]), s[i+2:]
			return nil
		}
	}
	c.Text = s
	return nil
}

// Totals is what was counted and timed over some period.
type Totals struct {
	Counts Counts           `json:"counts"`
	Causes map[Cause]int64  `json:"causes,omitempty"`
	Hists  map[Metric]*Hist `json:"hists,omitempty"` // absent: nothing recorded
}

// Add adds o to t. o is not changed; t shares nothing with it afterwards.
func (t *Totals) Add(o *Totals) {
	t.Counts.Add(&o.Counts)
	for c, n := range o.Causes {
		t.Cause(c.Kind, c.Text, n)
	}
	for m, h := range o.Hists {
		if h.Count() > 0 {
			t.Hist(m).Merge(h)
		}
	}
}

// Hist returns the histogram of m, a new one when there is none.
func (t *Totals) Hist(m Metric) *Hist {
	h := t.Hists[m]
	if h == nil {
		if t.Hists == nil {
			t.Hists = make(map[Metric]*Hist)
		}
		h = new(Hist)
		t.Hists[m] = h
	}
	return h
}

// Reset empties t and keeps the memory of its histograms.
func (t *Totals) Reset() {
	t.Counts = Counts{}
	clear(t.Causes)
	for _, h := range t.Hists {
		h.Reset()
	}
}

// maxCauses bounds the distinct causes; servers can invent close reasons.
const maxCauses = 200

// Cause counts n failures of a kind. Beyond a bound of distinct texts they are
// counted as "other".
func (t *Totals) Cause(kind CauseKind, text string, n int64) {
	if t.Causes == nil {
		t.Causes = make(map[Cause]int64)
	}
	c := Cause{kind, text}
	if _, ok := t.Causes[c]; !ok && len(t.Causes) >= maxCauses {
		c.Text = "other"
	}
	t.Causes[c] += n
}

// Clone returns a copy that shares nothing with t.
func (t *Totals) Clone() *Totals {
	c := new(Totals)
	c.Add(t)
	c.Causes = maps.Clone(t.Causes)
	return c
}

// Sample is what one load generator counted for one scenario since its last
// sample. Operations belong to the period in which they were due, wherever
// their reply falls: those due in the measured period are in Measured, all else
// (ramp, warm-up, what was due before) in Other.
type Sample struct {
	Scenario int           `json:"scenario"` // index in the plan
	At       time.Duration `json:"at_ns"`    // since the run's start, by the coordinator's clock
	Open     int64         `json:"open"`     // connections established now
	Measured Totals        `json:"measured"`
	Other    Totals        `json:"other"`
}
