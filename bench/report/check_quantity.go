package report

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"carillon/bench/stats"
)

// quantity is what stands on the left of a condition.
type quantity interface {
	name() string
	dimension() dimension
	// ofServer says that it is one figure of the run, not one per scenario.
	ofServer() bool
	// applies says whether s should have it: by its kind, or because it has.
	applies(s *Scenario) bool
	// value is in the base unit of the dimension. s is nil when ofServer.
	value(s *Scenario, r *Report) (float64, error)
}

// part is the part of a run that a figure is taken from.
type part uint8

const (
	byDefault part = iota
	measured
	setup
	whole
)

var partNames = map[string]part{"measured": measured, "setup": setup, "all": whole}

func (p part) suffix() string {
	for name, q := range partNames {
		if p == q {
			return "." + name
		}
	}
	return ""
}

// quantityOf finds what a name of a condition means. reason says why it means
// nothing.
func quantityOf(name string, percent bool) (q quantity, reason string) {
	words := joinPercentile(strings.Split(name, "."))
	of := byDefault
	if p, ok := partNames[words[len(words)-1]]; ok && len(words) > 1 {
		of, words = p, words[:len(words)-1]
	}
	noPart := func(q quantity) (quantity, string) {
		if of != byDefault {
			return nil, fmt.Sprintf("%s has no part %q", strings.Join(words, "."), strings.TrimPrefix(of.suffix(), "."))
		}
		return q, ""
	}
	first := words[0]
	if len(words) == 1 {
		if st, ok := statisticOf(first); ok {
			return latencyOf{stats.Latency, st, of}, ""
		}
		if q, ok := serverQuantities[first]; ok {
			return noPart(q)
		}
		if c, ok := countersOf(first); ok {
			if percent {
				return ratioOf(c, of)
			}
			return countOf{names: []string{first}, counters: c, of: of}, ""
		}
		if counter, ok := strings.CutSuffix(first, "_rate"); ok {
			if c, ok := countersOf(counter); ok {
				return noPart(rateOf{counter, c})
			}
		}
		if m, ok := metricOf(first); ok {
			return nil, fmt.Sprintf("%s is a latency: say which figure of it, such as %s.p99", m, m)
		}
	}
	if len(words) == 2 {
		st, ok := statisticOf(words[1])
		if m, known := metricOf(first); known && ok {
			return latencyOf{m, st, of}, ""
		} else if known {
			return nil, fmt.Sprintf("unknown figure %q of %s: use p50, p99, p99.9 or another percentile, mean, min or max", words[1], first)
		}
		if first == "back" {
			if b, ok := backQuantities[words[1]]; ok {
				return noPart(b)
			}
			return nil, fmt.Sprintf("unknown figure %q of back: use p50, p99 or max", words[1])
		}
		if _, known := statisticOf(first); known {
			if _, known := metricOf(words[1]); known {
				return nil, fmt.Sprintf("unknown metric %q; did you mean %q?", name, words[1]+"."+first)
			}
		}
	}
	return nil, fmt.Sprintf("unknown metric %q%s", name, suggestion(name))
}

// joinPercentile puts p99.9 together again.
func joinPercentile(words []string) []string {
	var joined []string
	for _, w := range words {
		last := len(joined) - 1
		if last >= 0 && len(joined[last]) > 1 && joined[last][0] == 'p' && allDigits(joined[last][1:]) && w != "" && allDigits(w) {
			joined[last] += "." + w
		} else {
			joined = append(joined, w)
		}
	}
	return joined
}

func allDigits(s string) bool {
	return strings.Trim(s, "0123456789") == ""
}

func metricOf(name string) (stats.Metric, bool) {
	var m stats.Metric
	_ = m.UnmarshalText([]byte(name)) // an unknown name is no error but no listed metric
	return m, slices.Contains(stats.Metrics(), m)
}

// statistic is one figure of a latency: "mean", "min", "max" or a percentile.
type statistic struct {
	text    string
	percent float64 // of a percentile, else 0
}

func statisticOf(s string) (statistic, bool) {
	switch s {
	case "mean", "min", "max":
		return statistic{text: s}, true
	}
	digits, ok := strings.CutPrefix(s, "p")
	if !ok || digits == "" || !allDigits(strings.Replace(digits, ".", "", 1)) {
		return statistic{}, false
	}
	p, err := strconv.ParseFloat(digits, 64)
	return statistic{s, p}, err == nil && p > 0 && p < 100
}

// from takes the figure, in ms, from a histogram, or from a summary where a
// report keeps no histogram.
func (st statistic) from(h *stats.Hist, l Latency) (float64, error) {
	ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	if h.Count() > 0 {
		if st.percent > 0 {
			return ms(h.Quantile(st.percent / 100)), nil
		}
		l = Summary(h)
	}
	if l.Count == 0 {
		return 0, errNoData
	}
	switch st.text {
	case "mean":
		return l.Mean, nil
	case "min":
		return l.Min, nil
	case "max":
		return l.Max, nil
	}
	for _, k := range l.percentiles() {
		if k.percent == st.percent {
			return k.value, nil
		}
	}
	return 0, fmt.Errorf("the report has no histogram to take %s from", st.text)
}

// percentile is one percentile of a summary.
type percentile struct {
	percent float64
	value   float64 // ms
}

func (l *Latency) percentiles() []percentile {
	return []percentile{
		{50, l.P50}, {75, l.P75}, {90, l.P90}, {95, l.P95}, {99, l.P99}, {99.9, l.P999}, {99.99, l.P9999},
	}
}

// errNoData says that nothing of the kind was recorded.
var errNoData = errors.New("nothing was recorded")

// latencyOf is a figure of a latency.
type latencyOf struct {
	metric stats.Metric
	stat   statistic
	of     part
}

func (q latencyOf) name() string {
	if q.metric == stats.Latency {
		return q.stat.text + q.of.suffix()
	}
	return q.metric.String() + "." + q.stat.text + q.of.suffix()
}

func (q latencyOf) dimension() dimension { return duration }
func (q latencyOf) ofServer() bool       { return false }

func (q latencyOf) applies(s *Scenario) bool {
	_, err := q.value(s, nil)
	return err == nil || mustHave(s, q.metric)
}

// mustHave says whether a scenario of this kind times m whatever happens.
func mustHave(s *Scenario, m stats.Metric) bool {
	switch m {
	case stats.TCP, stats.Upgrade, stats.Connect:
		return true
	case stats.TLS:
		return strings.HasPrefix(s.Target, "wss:")
	case stats.Publish:
		return publishes(s)
	case stats.Latency:
		return exchanges(s)
	default:
		return false
	}
}

// publishes and exchanges tell the kinds apart by what they do: publish
// messages, and expect any.
func publishes(s *Scenario) bool {
	return slices.Contains([]string{"broadcast", "push", "slow"}, s.Kind)
}
func exchanges(s *Scenario) bool { return s.Kind != "connect" && s.Kind != "storm" }

func (q latencyOf) value(s *Scenario, _ *Report) (float64, error) {
	switch q.of {
	case measured:
		return q.stat.from(s.Measured.Hists[q.metric], Latency{})
	case setup:
		return q.stat.from(s.Setup.Hists[q.metric], Latency{})
	case whole:
		var h stats.Hist
		h.Merge(s.Measured.Hists[q.metric])
		h.Merge(s.Setup.Hists[q.metric])
		return q.stat.from(&h, Latency{})
	}
	return q.stat.from(s.hist(q.metric), s.Latency[q.metric])
}

// backOf is how long the connections of a storm took to come back, in the
// slowest of its cycles.
type backOf struct {
	stat string
	of   func(*Storm) float64 // seconds; 0: not all of that share came back
}

var backQuantities = map[string]backOf{
	"p50": {"p50", func(s *Storm) float64 { return s.Half }},
	"p99": {"p99", func(s *Storm) float64 { return s.P99 }},
	"max": {"max", func(s *Storm) float64 { return s.All }},
}

func (q backOf) name() string             { return "back." + q.stat }
func (q backOf) dimension() dimension     { return duration }
func (q backOf) ofServer() bool           { return false }
func (q backOf) applies(s *Scenario) bool { return s.Kind == "storm" || len(s.Storms) > 0 }

func (q backOf) value(s *Scenario, _ *Report) (float64, error) {
	if len(s.Storms) == 0 {
		return 0, errNoData
	}
	var slowest float64
	for i := range s.Storms {
		seconds := q.of(&s.Storms[i])
		switch {
		case s.Storms[i].Dropped == 0:
			return 0, fmt.Errorf("in cycle %d nobody was connected", i+1)
		case seconds == 0:
			return 0, fmt.Errorf("in cycle %d too few connections came back", i+1)
		}
		slowest = max(slowest, seconds*1000)
	}
	return slowest, nil
}
