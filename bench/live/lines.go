package live

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"carillon/bench/report"
)

// lineWriter writes a run as lines of key=value pairs: how it stands every so
// often, and at once what is new (a phase, a step of a search, a warning, the
// verdict).
type lineWriter struct {
	out   io.Writer
	every time.Duration

	last     float64 // Elapsed when it last said how the run stands
	phase    string
	step     string
	warnings int // how many are written
	verdict  report.Verdict
	strained bool
}

func (w *lineWriter) show(p report.Progress) error {
	var b strings.Builder
	if p.Phase != w.phase || p.Step != w.step {
		l := at(p).add("phase", p.Phase)
		if p.Of > 0 {
			l.add("of", seconds(p.Of))
		}
		if p.Step != "" {
			l.add("step", p.Step)
		}
		l.add("run", p.Name)
		l.end(&b)
		w.phase, w.step = p.Phase, p.Step
		w.stand(&b, p)
	}
	// A shorter list is that of another run; it is written from its start.
	if len(p.Warnings) < w.warnings {
		w.warnings = 0
	}
	for _, text := range p.Warnings[w.warnings:] {
		at(p).add("warning", text).end(&b)
	}
	w.warnings = len(p.Warnings)
	w.strain(&b, p)
	if p.Verdict != "" && p.Verdict != w.verdict {
		if w.last != p.Elapsed {
			w.stand(&b, p)
		}
		at(p).add("verdict", string(p.Verdict)).end(&b)
	} else if p.Elapsed-w.last >= w.every.Seconds() {
		w.stand(&b, p)
	}
	w.verdict = p.Verdict
	if b.Len() == 0 {
		return nil
	}
	_, err := io.WriteString(w.out, b.String())
	return err
}

// strain warns when the client begins to be the bottleneck, not again while it
// is.
func (w *lineWriter) strain(b *strings.Builder, p report.Progress) {
	texts := strain(p.Client)
	if len(texts) > 0 && !w.strained {
		for _, text := range texts {
			at(p).add("warning", text).end(b)
		}
	}
	w.strained = len(texts) > 0
}

// stand writes how the run stands.
func (w *lineWriter) stand(b *strings.Builder, p report.Progress) {
	w.last = p.Elapsed
	for i := range p.Scenario {
		standOf(b, p, &p.Scenario[i])
	}
	c := &p.Client
	at(p).add("client", strconv.Itoa(c.Workers)).
		add("cpu", cores(c.CPU)).add("cores", strconv.Itoa(c.Cores)).add("rss", byteCount(c.RSS)).
		add("late_p99", ms(c.LateP99)).add("lag_p99", ms(c.LagP99)).add("dropped", strconv.FormatInt(c.Dropped, 10)).end(b)
	for _, s := range p.Servers {
		at(p).add("server", s.Source).add("cpu", cores(s.Last.CPU)).add("rss", byteCount(s.Last.RSS)).end(b)
	}
}

func standOf(b *strings.Builder, p report.Progress, s *report.ScenarioProgress) {
	l := at(p).add("scenario", s.Name).add("in", p.Phase).
		add("open", fmt.Sprintf("%d/%d", s.Last.Open, s.Wanted)).add("connects", rate(s.Last.Connects)).
		add("sent", rate(s.Last.Sent)).add("received", rate(s.Last.Received)).add("published", rate(s.Last.Published))
	if s.Latency.Count > 0 {
		l.add("p50", ms(s.Latency.P50)).add("p99", ms(s.Latency.P99)).add("p99.9", ms(s.Latency.P999)).add("max", ms(s.Latency.Max))
	}
	l.add("last_p99", ms(s.Last.P99)).
		add("faults", strconv.FormatInt(s.Faults, 10)).
		add("connect_failed", strconv.FormatInt(s.ConnectFailed, 10)).
		add("closed", strconv.FormatInt(s.Closed, 10))
	if len(s.TopCauses) > 0 {
		l.add("cause", fmt.Sprintf("%d x %s", s.TopCauses[0].Count, s.TopCauses[0].Text))
	}
	l.end(b)
}

// line is one line in the making.
type line struct{ strings.Builder }

func at(p report.Progress) *line {
	l := new(line)
	return l.add("t", strconv.FormatFloat(p.Elapsed, 'f', 1, 64)+"s")
}

func (l *line) add(key, value string) *line {
	if l.Len() > 0 {
		l.WriteByte(' ')
	}
	l.WriteString(key)
	l.WriteByte('=')
	if plain := clean(value); plain != value || value == "" || strings.ContainsAny(value, ` "=\`) {
		value = strconv.Quote(value)
	}
	l.WriteString(value)
	return l
}

func (l *line) end(b *strings.Builder) {
	b.WriteString(l.String())
	b.WriteByte('\n')
}

func seconds(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) + "s" }
func ms(v float64) string      { return strconv.FormatFloat(v, 'f', 3, 64) + "ms" }
func rate(v float64) string    { return strconv.FormatFloat(v, 'f', 0, 64) + "/s" }
func cores(v float64) string   { return strconv.FormatFloat(v, 'f', 2, 64) }
func byteCount(n int64) string { return strconv.FormatInt(n, 10) + "B" }
