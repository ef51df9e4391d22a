package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"carillon/bench/stats"
)

// The elements of the JUnit format, as CI systems read them.
type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Name     string       `xml:"name,attr"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Errors   int          `xml:"errors,attr"`
	Skipped  int          `xml:"skipped,attr"`
	Time     string       `xml:"time,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name       string          `xml:"name,attr"`
	Tests      int             `xml:"tests,attr"`
	Failures   int             `xml:"failures,attr"`
	Errors     int             `xml:"errors,attr"`
	Skipped    int             `xml:"skipped,attr"`
	Time       string          `xml:"time,attr"`
	Timestamp  string          `xml:"timestamp,attr,omitempty"`
	Hostname   string          `xml:"hostname,attr,omitempty"`
	Properties []junitProperty `xml:"properties>property"`
	Cases      []junitCase     `xml:"testcase"`
}

type junitProperty struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

type junitCase struct {
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	Time    string        `xml:"time,attr"`
	Failure *junitProblem `xml:"failure,omitempty"`
	Error   *junitProblem `xml:"error,omitempty"`
	Skipped *junitProblem `xml:"skipped,omitempty"`
}

type junitProblem struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr,omitempty"`
	Text    string `xml:",chardata"`
}

// JUnit writes the report as JUnit XML: a suite for the run, with the verdict
// and the thresholds of the whole run, and one for each scenario, with its
// thresholds. A run without a result is an error, and its thresholds are
// skipped, since their values say nothing.
func JUnit(w io.Writer, r *Report) error {
	suites := []junitSuite{{
		Name: plain(r.Name), Time: junitTime(r.Seconds), Hostname: plain(r.Environment.Host),
		Properties: []junitProperty{
			{"verdict", string(r.Verdict)}, {"run", plain(r.ID)}, {"seed", strconv.FormatUint(r.Seed, 10)},
			{"command", plain(strings.Join(r.Command, " "))},
		},
		Cases: []junitCase{verdictCase(r)},
	}}
	for i := range r.Scenarios {
		suites = append(suites, scenarioSuite(&r.Scenarios[i]))
	}
	for _, c := range r.Checks {
		// A check of the whole run, or of a scenario that is not there, is the run's.
		at := 1 + slices.IndexFunc(r.Scenarios, func(s Scenario) bool { return s.Name == c.Scenario })
		suites[at].Cases = append(suites[at].Cases, checkCase(r, &c, suites[at].Name))
	}
	all := junitSuites{Name: "carillon bench", Time: junitTime(r.Seconds)}
	for _, s := range suites {
		if !r.Started.IsZero() {
			s.Timestamp = r.Started.UTC().Format("2006-01-02T15:04:05")
		}
		for _, c := range s.Cases {
			s.Tests++
			switch {
			case c.Failure != nil:
				s.Failures++
			case c.Error != nil:
				s.Errors++
			case c.Skipped != nil:
				s.Skipped++
			}
		}
		all.Tests += s.Tests
		all.Failures += s.Failures
		all.Errors += s.Errors
		all.Skipped += s.Skipped
		all.Suites = append(all.Suites, s)
	}
	b, err := xml.MarshalIndent(all, "", "  ")
	if err != nil {
		return fmt.Errorf("report as JUnit: %w", err)
	}
	_, err = io.WriteString(w, xml.Header+string(b)+"\n")
	return err
}

func junitTime(seconds float64) string { return strconv.FormatFloat(seconds, 'f', 3, 64) }

func verdictCase(r *Report) junitCase {
	c := junitCase{Class: plain(r.Name), Name: "verdict", Time: junitTime(r.Seconds)}
	reasons := plain(strings.Join(r.Reasons, "; "))
	p := &junitProblem{Message: reasons, Type: string(r.Verdict), Text: reasons}
	switch r.Verdict {
	case Passed:
	case Failed:
		c.Failure = p
	case Interrupted:
		c.Skipped = p
	default:
		c.Error = p
	}
	return c
}

func checkCase(r *Report, c *Check, class string) junitCase {
	j := junitCase{Class: class, Name: plain(c.Expression), Time: junitTime(0)}
	p := &junitProblem{Message: plain(c.Text), Type: "threshold", Text: plain(c.Text)}
	switch {
	case r.Verdict == NoResult || r.Verdict == Errored:
		p.Type = string(r.Verdict)
		j.Skipped = p
	case c.Failed:
		j.Failure = p
	}
	return j
}

// scenarioSuite has the main figures of a scenario as properties, in the units
// of the JSON report.
func scenarioSuite(s *Scenario) junitSuite {
	v := junitSuite{Name: plain(s.Name), Time: junitTime(s.Seconds)}
	add := func(name, value string) { v.Properties = append(v.Properties, junitProperty{name, value}) }
	plainNumber := func(f float64) string { return strconv.FormatFloat(f, 'g', 6, 64) }
	add("kind", plain(s.Kind))
	add("model", plain(s.Model))
	add("target", plain(s.Target))
	add("connections", strconv.FormatInt(s.Connections, 10))
	for _, m := range stats.Metrics() {
		if l, ok := s.Latency[m]; ok {
			add(m.String()+".p50_ms", plainNumber(l.P50))
			add(m.String()+".p99_ms", plainNumber(l.P99))
			add(m.String()+".max_ms", plainNumber(l.Max))
		}
	}
	for _, c := range counters {
		if n := c.of(s, byDefault); n > 0 {
			add(c.name, strconv.FormatInt(n, 10))
		}
	}
	return v
}
