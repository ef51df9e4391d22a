package report

import (
	"fmt"
	"strings"

	"carillon/bench/stats"
)

// MetricNames lists the metrics a condition can name, for help texts and
// completion. Percentiles are shown as examples.
func MetricNames() []string {
	names := []string{"p50", "p90", "p95", "p99", "p99.9", "p99.99", "mean", "min", "max"}
	for _, m := range stats.Metrics() {
		names = append(names, m.String()+".p99")
	}
	names = append(names, "back.p99", "failures", "faults")
	for _, c := range counters {
		names = append(names, c.name)
	}
	for _, c := range counters {
		names = append(names, c.name+"_rate")
	}
	return append(names, "rss", "rss_max", "rss_per_conn", "cpu", "cpu_per_m_sent", "cpu_per_m_recv", "leak")
}

// suggestion names the metric that is most like name, if one is like it.
func suggestion(name string) string {
	folded := strings.ToLower(strings.ReplaceAll(name, "-", "_"))
	best, distance := "", len(folded)/3+1
	for _, candidate := range MetricNames() {
		if d := editDistance(folded, candidate); d < distance || d == distance && best == "" {
			best, distance = candidate, d
		}
	}
	if best == "" {
		return "; see bench --help for the metrics"
	}
	return fmt.Sprintf("; did you mean %q?", best)
}

// editDistance counts the bytes to insert, remove or replace to get from a to b.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
