package deploy

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/VictoriaMetrics/metricsql"
	dto "github.com/prometheus/client_model/go"
)

// The functions that queries may use. The parser knows many that Prometheus does not.
var (
	overTime = []string{"changes", "increase", "rate"}
	instant  = []string{"time"}
	folds    = []string{"count", "max", "min", "sum"}
)

// query checks one query against what a gateway exports.
type query struct {
	exported exported
	faults   []string
	names    []string // metrics used
}

// checkQuery parses text and returns the labels of its result, in order, the metrics
// that it uses, and what is wrong with it.
func checkQuery(e exported, text string) (labels, names, faults []string) {
	expr, err := metricsql.Parse(strings.ReplaceAll(text, "$__rate_interval", "5m"))
	if err != nil {
		return nil, nil, []string{err.Error()}
	}
	q := &query{exported: e}
	labels = q.labels(expr)
	return labels, q.names, q.faults
}

func (q *query) fault(format string, args ...any) {
	q.faults = append(q.faults, fmt.Sprintf(format, args...))
}

// labels goes through a query and returns the labels of its result; nil is those of a
// number.
func (q *query) labels(e metricsql.Expr) []string {
	switch e := e.(type) {
	case *metricsql.NumberExpr:
		return nil
	case *metricsql.MetricExpr:
		return q.selector(e)
	case *metricsql.RollupExpr:
		if e.Window != nil || e.Step != nil || e.At != nil {
			q.fault("%s: a range outside of %v", e.AppendString(nil), overTime)
		}
		return q.labels(e.Expr)
	case *metricsql.FuncExpr:
		return q.call(e)
	case *metricsql.AggrFuncExpr:
		return q.fold(e)
	case *metricsql.BinaryOpExpr:
		return q.operation(e)
	}
	q.fault("%s: not understood", e.AppendString(nil))
	return nil
}

func (q *query) selector(e *metricsql.MetricExpr) []string {
	if len(e.LabelFilterss) != 1 || len(e.LabelFilterss[0]) == 0 || e.LabelFilterss[0][0].Label != "__name__" {
		q.fault("%s: no name", e.AppendString(nil))
		return nil
	}
	filters := e.LabelFilterss[0]
	name := filters[0].Value
	if q.exported[name] == nil {
		q.fault("%s is not exported", name)
		return nil
	}
	q.names = append(q.names, name)
	labels := q.exported.labels(name)
	for _, f := range filters[1:] {
		if !slices.Contains(labels, f.Label) {
			q.fault("%s has no label %s", name, f.Label)
		} else if !slices.Contains(ownLabels, f.Label) && !f.IsRegexp && !slices.Contains(q.exported.values(name, f.Label), f.Value) {
			q.fault("%s is never %q in %s", f.Label, f.Value, name)
		}
	}
	return labels
}

func (q *query) isCounter(name string) bool {
	return q.exported[name].GetType() == dto.MetricType_COUNTER
}

// call is a function of a metric's past, or one without arguments.
func (q *query) call(e *metricsql.FuncExpr) []string {
	switch {
	case slices.Contains(instant, e.Name) && len(e.Args) == 0:
		return nil
	case !slices.Contains(overTime, e.Name) || len(e.Args) != 1:
		q.fault("%s: not a function that is used here", e.AppendString(nil))
		return nil
	}
	r, ok := e.Args[0].(*metricsql.RollupExpr)
	if !ok || r.Window == nil || r.Step != nil {
		q.fault("%s: no range", e.AppendString(nil))
		return nil
	}
	m, ok := r.Expr.(*metricsql.MetricExpr)
	if !ok {
		q.fault("%s: not of a metric", e.AppendString(nil))
		return nil
	}
	labels := q.selector(m)
	if name := m.LabelFilterss[0][0].Value; e.Name != "changes" && labels != nil && !q.isCounter(name) {
		q.fault("%s of %s, which is no counter", e.Name, name)
	}
	return labels
}

func (q *query) fold(e *metricsql.AggrFuncExpr) []string {
	if !slices.Contains(folds, e.Name) || len(e.Args) != 1 || e.Modifier.Op == "without" {
		q.fault("%s: not a function that is used here", e.AppendString(nil))
		return nil
	}
	inner := q.labels(e.Args[0])
	for _, l := range e.Modifier.Args {
		if !slices.Contains(inner, l) {
			q.fault("%s: there is no %s", e.AppendString(nil), l)
		}
	}
	return slices.Sorted(slices.Values(append([]string{}, e.Modifier.Args...)))
}

// operation finds operands that can never meet, because their labels differ.
func (q *query) operation(e *metricsql.BinaryOpExpr) []string {
	left, right := q.labels(e.Left), q.labels(e.Right)
	on := e.GroupModifier.Args
	switch {
	case e.JoinModifier.Op != "" || e.GroupModifier.Op == "ignoring":
		q.fault("%s: not an operation that is used here", e.AppendString(nil))
	case left == nil || right == nil:
		if e.GroupModifier.Op != "" {
			q.fault("%s: a number matches nothing", e.AppendString(nil))
		}
		if left == nil {
			return right
		}
	case e.GroupModifier.Op == "on":
		for _, l := range on {
			if !slices.Contains(left, l) || !slices.Contains(right, l) {
				q.fault("%s: %s is not on both sides", e.AppendString(nil), l)
			}
		}
		if strings.Contains("+-*/%", e.Op) {
			return slices.Sorted(slices.Values(on))
		}
	case !slices.Equal(left, right):
		q.fault("%s: labels are %v and %v", e.AppendString(nil), left, right)
	}
	return left
}

// TestCheckQuery shows that what would never match is noticed.
func TestCheckQuery(t *testing.T) {
	e := scrape(t)
	for text, want := range map[string]string{
		`carillon_sessions`:                             "",
		`carillon_sesions`:                              "not exported",
		`rate(carillon_sessions[5m])`:                   "no counter",
		`rate(carillon_upgraded_total)`:                 "no range",
		`carillon_sessions[5m]`:                         "a range",
		`median_over_time(carillon_sessions[5m])`:       "not a function",
		`carillon_sessions{loop="0"}`:                   "no label loop",
		`carillon_closed_total{cause="slow-consumer"}`:  "is never",
		`sum by (loop) (carillon_sessions)`:             "there is no loop",
		`carillon_push_queue_depth / carillon_sessions`: "labels are",
		`0.5 * on (job) carillon_sessions`:              "a number matches nothing",
		`carillon_sessions >`:                           "parse",
		`sum by (job, instance) (rate(carillon_closed_total{cause="eof"}[5m])) > 0.1 * carillon_sessions`: "",
	} {
		_, _, faults := checkQuery(e, text)
		if got := strings.Join(faults, "; "); (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%s: faults are %q, want %q", text, got, want)
		}
	}
	if labels, _, _ := checkQuery(e, "max by (job) (carillon_push_queue_depth)"); !slices.Equal(labels, []string{"job"}) {
		t.Errorf("labels are %v", labels)
	}
}
