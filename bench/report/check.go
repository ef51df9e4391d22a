package report

import (
	"fmt"
	"strconv"
	"strings"
)

// Expr is one condition on the figures of a run, such as "p99>50ms". As a
// threshold it says when a run failed, as the goal of a search what has to hold.
//
// The grammar, where blanks may stand between all parts:
//
//	condition = [ scenario ":" ] metric op value
//	scenario  = name | quoted Go string
//	op        = "<" | "<=" | ">" | ">=" | "==" | "!="
//	value     = number [ unit ]
//
// The metrics, with p99 standing for any percentile above 0 and below 100
// (p50, p99.9, p99.99), mean, min or max:
//
//	p99                     latency of the scenario; the same as latency.p99
//	upgrade.p99             one of latency, tcp, tls, upgrade, first_message,
//	                        connect, publish, lateness, loop_lag
//	back.p99                storm: until half (p50), 99 % or all (max) are back;
//	                        the slowest of its cycles
//	lost                    a counter, named as in the JSON report
//	lost+wrong              a sum of counters
//	failures                connect_failed + closed + publish_failed
//	faults                  lost + cut + duplicate + out_of_order + wrong
//	received_rate           a counter per second of the measured period
//	rss, rss_per_conn       the server's memory
//	cpu                     the server's cores in use
//	cpu_per_m_sent          its CPU seconds per million messages sent to it
//	cpu_per_m_recv          … per million received from it
//	leak                    its growth of memory per hour, as far as a soak proved it
//
// A latency or counter may say which part of the run it means: p99.setup,
// lost.all, lost.measured. Counters of connections and their failures are of
// the whole run unless it says otherwise, all else of the measured period, as
// in the report.
//
// Units: ns, us, ms, s, m, h · k, M for counts · /s, k/s, M/s, /min for rates ·
// B, KiB, MiB, GiB, kB, MB, GB, and the same per hour (MiB/h) · % for the share
// of a counter: of the connects, publishes, arrivals or expected messages it is
// a part of (failures>0.1%).
type Expr struct {
	text     string
	scenario string // "": every scenario
	quantity quantity
	op       op
	value    float64 // in unit
	unit     unit
}

// op compares.
type op string

func (o op) holds(a, b float64) bool {
	switch o {
	case "<":
		return a < b
	case "<=":
		return a <= b
	case ">":
		return a > b
	case ">=":
		return a >= b
	case "==":
		return a == b
	default:
		return a != b
	}
}

// words are the operators in a sentence.
var words = map[op]string{
	"<": "below", "<=": "at most", ">": "above", ">=": "at least", "==": "equal to", "!=": "other than",
}

// String returns the condition without blanks; ParseCheck reads it.
func (e *Expr) String() string {
	var prefix string
	if e.scenario != "" {
		prefix = e.scenario + ":"
		if !plainName(e.scenario) {
			prefix = strconv.Quote(e.scenario) + ":"
		}
	}
	return prefix + e.quantity.name() + string(e.op) + e.bound()
}

// Scenario is the name of the scenario that the condition is restricted to; ""
// for all.
func (e *Expr) Scenario() string { return e.scenario }

// Metric is the metric, without scenario, operator and value.
func (e *Expr) Metric() string { return e.quantity.name() }

// Unit is the unit in which the value was given; [Check].Value and what
// [Expr.Holds] returns are in it.
func (e *Expr) Unit() string { return e.unit.name }

// Bound is the value the metric is compared with, in [Expr.Unit].
func (e *Expr) Bound() float64 { return e.value }

func (e *Expr) bound() string { return strconv.FormatFloat(e.value, 'f', -1, 64) + e.unit.name }

// compare returns whether the condition is true of a value in the base unit,
// and the value in the condition's unit.
func (e *Expr) compare(base float64) (bool, float64) {
	v := base / e.unit.factor
	return e.op.holds(base, e.value*e.unit.factor), v
}

// Eval looks at the figures as a threshold does: a check failed when the
// condition is true, and also when there is nothing to compare. There is one
// check for each scenario that has such a figure by its kind, and exactly one
// for a figure of the server.
func (e *Expr) Eval(r *Report) []Check {
	if e.quantity.ofServer() {
		return []Check{e.check(r, nil, "")}
	}
	var all []Check
	for i := range r.Scenarios {
		s := &r.Scenarios[i]
		if e.scenario == s.Name || e.scenario == "" && e.quantity.applies(s) {
			all = append(all, e.check(r, s, s.Name))
		}
	}
	if len(all) > 0 {
		return all
	}
	c := Check{Expression: e.text, Scenario: e.scenario, Unit: e.unit.name, Failed: true, NoData: true}
	if e.scenario != "" {
		c.Text = fmt.Sprintf("the run has no scenario %q, so %s cannot be checked", e.scenario, e.quantity.name())
	} else {
		c.Text = fmt.Sprintf("no scenario of the run has %s, so it cannot be checked", e.quantity.name())
	}
	return []Check{c}
}

func (e *Expr) check(r *Report, s *Scenario, where string) Check {
	c := Check{Expression: e.text, Scenario: where, Unit: e.unit.name}
	subject := e.quantity.name()
	if where != "" {
		subject += " of " + where
	}
	base, err := e.quantity.value(s, r)
	if err != nil {
		c.Failed, c.NoData, c.Text = true, true, fmt.Sprintf("%s cannot be checked: %v", subject, err)
		return c
	}
	c.Failed, c.Value = e.compare(base)
	not := "not "
	if c.Failed {
		not = ""
	}
	c.Text = fmt.Sprintf("%s is %s, %s%s %s", subject, e.shown(c.Value), not, words[e.op], figure(e.value, e.unit.name))
	return c
}

// shown writes a value with as many digits as tell it from the bound.
func (e *Expr) shown(v float64) string {
	s := figure(v, e.unit.name)
	if v != e.value && s == figure(e.value, e.unit.name) {
		return strconv.FormatFloat(v, 'g', -1, 64) + strings.TrimPrefix(figure(0, e.unit.name), "0")
	}
	return s
}

// Holds looks at the figures of one scenario as a search does: the condition is
// a goal that has to be true. servers and their seconds are those of r; a goal
// on the server's figures needs them. The value is in [Expr.Unit]. It is an
// error when there is nothing to compare; the goal does not hold then.
func (e *Expr) Holds(s *Scenario, servers []Server) (holds bool, value float64, err error) {
	base, err := e.quantity.value(s, &Report{Servers: servers, Scenarios: []Scenario{*s}})
	if err != nil {
		return false, 0, fmt.Errorf("%s of %s: %w", e.quantity.name(), s.Name, err)
	}
	holds, value = e.compare(base)
	return holds, value, nil
}

// plainName says whether a scenario's name needs no quotes in a condition.
func plainName(s string) bool {
	return s != "" && strings.TrimSpace(s) == s && !strings.ContainsAny(s, "\"`:<>=!\n\r") && strconv.Quote(s) == `"`+s+`"`
}
