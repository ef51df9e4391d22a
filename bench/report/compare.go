package report

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"time"
)

// DefaultTolerance is how much a figure may change before it counts.
const DefaultTolerance = .05

// CompareOptions say how two reports are compared.
type CompareOptions struct {
	Tolerance float64 // share of the first report's value; 0: [DefaultTolerance]; negative: none
}

// Comparison is what changed from one report to another.
type Comparison struct {
	Schema    string               `json:"schema"` // [ComparisonSchema]
	A         Run                  `json:"a"`
	B         Run                  `json:"b"`
	Tolerance float64              `json:"tolerance"`
	Judged    bool                 `json:"judged"` // false: one of the runs has no result, so that nothing is better or worse
	Warnings  []string             `json:"warnings,omitempty"`
	Scenarios []ScenarioComparison `json:"scenarios"`
	Whole     []Change             `json:"whole,omitempty"`  // of the server and the search
	OnlyA     []string             `json:"only_a,omitempty"` // scenarios
	OnlyB     []string             `json:"only_b,omitempty"`
}

// ComparisonSchema names the JSON form of a [Comparison].
const ComparisonSchema = "carillon-bench-comparison/1"

// Run names a compared report.
type Run struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Started time.Time `json:"started"`
	Verdict Verdict   `json:"verdict"`
}

// ScenarioComparison is a scenario that both reports have.
type ScenarioComparison struct {
	Name    string   `json:"name"`
	Changes []Change `json:"changes"`
}

// Outcome is what a change means.
type Outcome string

// The outcomes.
const (
	Same   Outcome = "same"   // within noise or tolerance
	Better Outcome = "better" // beyond both
	Worse  Outcome = "worse"  // beyond both: a regression
	Shown  Outcome = "shown"  // not judged: there is nothing to tell it from noise, or the runs are not alike
)

// Change is one figure in both reports.
type Change struct {
	Metric  string   `json:"metric"` // as in a condition, see [Expr]
	Unit    string   `json:"unit"`   // ms, B, /s, "" (a share or a count)
	A       float64  `json:"a"`
	B       float64  `json:"b"`
	Ratio   *float64 `json:"ratio"`        // b/a; null when a is 0
	Noise   bool     `json:"within_noise"` // the difference may be chance
	Within  bool     `json:"within_tolerance"`
	Outcome Outcome  `json:"outcome"`
}

// Compare compares b with a. Scenarios are matched by name.
//
// A figure got better or worse when it changed beyond noise and beyond the
// tolerance. Noise is judged by tests at 1 %: latencies by the confidence
// intervals of the quantiles (order statistics of the histograms), those of the
// scenario's own latency also by the rank test of Mann and Whitney over the
// seconds of the measured period; rates and the server's CPU by that rank test;
// shares of faults and failures by Wilson's confidence intervals. The rank test
// is weakened by how much successive seconds are alike. The server's memory,
// the return times of storms and the result of a search are single values: they
// have to change by twice the tolerance.
//
// A maximum is shown and never judged. Nothing is judged when one of the runs
// has no result; latencies are not when the models differ.
func Compare(a, b *Report, opt CompareOptions) (*Comparison, error) {
	if opt.Tolerance == 0 {
		opt.Tolerance = DefaultTolerance
	}
	if math.IsNaN(opt.Tolerance) || opt.Tolerance >= 1 {
		return nil, fmt.Errorf("compare: tolerance %v: want below 1", opt.Tolerance)
	}
	c := &Comparison{
		Schema: ComparisonSchema, A: runOf(a), B: runOf(b), Tolerance: max(opt.Tolerance, 0),
		Judged: hasResult(a) && hasResult(b),
	}
	c.Warnings = differences(a, b)
	for i := range a.Scenarios {
		sa := &a.Scenarios[i]
		sb := b.scenario(sa.Name)
		switch {
		case a.scenario(sa.Name) != sa:
			return nil, fmt.Errorf("compare: %s has two scenarios %q", a.ID, sa.Name)
		case sb == nil:
			c.OnlyA = append(c.OnlyA, sa.Name)
		case sa.Kind != sb.Kind:
			return nil, fmt.Errorf("compare: scenario %q is %s in %s and %s in %s", sa.Name, sa.Kind, a.ID, sb.Kind, b.ID)
		default:
			c.Scenarios = append(c.Scenarios, ScenarioComparison{sa.Name, c.scenario(sa, sb)})
		}
	}
	for i := range b.Scenarios {
		if a.scenario(b.Scenarios[i].Name) == nil {
			c.OnlyB = append(c.OnlyB, b.Scenarios[i].Name)
		}
	}
	if len(c.Scenarios) == 0 {
		return nil, fmt.Errorf("compare: %s and %s have no scenario in common", a.ID, b.ID)
	}
	c.Whole = c.whole(a, b)
	return c, nil
}

func runOf(r *Report) Run { return Run{r.ID, r.Name, r.Started, r.Verdict} }

func hasResult(r *Report) bool {
	return r.Verdict != NoResult && r.Verdict != Errored && !r.Client.Bottleneck
}

func (r *Report) scenario(name string) *Scenario {
	for i := range r.Scenarios {
		if r.Scenarios[i].Name == name {
			return &r.Scenarios[i]
		}
	}
	return nil
}

// changes are all changes.
func (c *Comparison) changes() []Change {
	var all []Change
	for _, s := range c.Scenarios {
		all = append(all, s.Changes...)
	}
	return append(all, c.Whole...)
}

// Regressed says whether any figure got worse.
func (c *Comparison) Regressed() bool {
	for _, change := range c.changes() {
		if change.Outcome == Worse {
			return true
		}
	}
	return false
}

// ExitCode is the code of a command that fails on regressions: runs that cannot
// be judged, and scenarios that are missing from the second run, do not pass
// for runs without one.
func (c *Comparison) ExitCode() ExitCode {
	switch {
	case !c.Judged:
		return ExitNoResult
	case c.Regressed() || len(c.OnlyA) > 0:
		return ExitRegression
	default:
		return ExitPassed
	}
}

// JSON writes the comparison as JSON.
func (c *Comparison) JSON(w io.Writer) error {
	b, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return fmt.Errorf("comparison: %w", err)
	}
	_, err = w.Write(append(b, '\n'))
	return err
}
