package watch

import (
	"sync"
	"time"

	"carillon/bench/report"
)

// probe looks at one server. One goroutine at a time.
type probe interface {
	source() string
	look(deep bool) reading // deep: what is expensive too
	missing() []string
	close()
}

// target is one server that is watched: its probe and what the looks came to.
type target struct {
	looking sync.Mutex // one look at a time
	closed  bool       // no more looks
	probe   probe
	deepAt  time.Time // when the next deep look is due
	share   float64   // of the time that deep looks may take

	mu       sync.Mutex // what follows
	start    time.Time
	first    *reading
	from     *reading
	to       *reading
	last     *reading
	rssMax   int64
	source   string
	missing  []string
	progress series
}

func newTarget(p probe, share float64) *target {
	return &target{probe: p, share: share, source: p.source()}
}

// How often servers are looked at.
const (
	interval     = time.Second
	deepInterval = 10 * time.Second

	// deepShare bounds what the deep looks at all processes together may cost,
	// as a share of the time: one that takes 50 ms comes every three minutes. With 54 processes the other
	// looks take 0.0005.
	deepShare = 0.0003
)

// mark is a moment of the run that a look belongs to.
type mark uint8

const (
	between mark = iota
	atBegin
	atFrom
	atTo
)

// look has the probe look, and files what it saw.
func (t *target) look(m mark) {
	t.looking.Lock()
	defer t.looking.Unlock()
	if t.closed {
		return
	}
	began := time.Now()
	deep := m != between || !began.Before(t.deepAt)
	r := t.probe.look(deep)
	if deep {
		cost := time.Since(began)
		t.deepAt = began.Add(max(deepInterval, time.Duration(float64(cost)/t.share)))
	}
	source, missing := t.probe.source(), append([]string(nil), t.probe.missing()...)

	t.mu.Lock()
	defer t.mu.Unlock()
	t.source, t.missing = source, missing
	if m == atBegin {
		t.start = r.at
	}
	before := t.last
	if before != nil {
		r.inherit(before)
	}
	if t.to == nil {
		t.rssMax = max(t.rssMax, r.rss, r.exact)
	}
	t.last = &r
	switch m {
	case atBegin:
		t.first = &r
	case atFrom:
		t.from = &r
	case atTo:
		t.to = &r
	}
	if before != nil && r.at.After(before.at) {
		p := report.ServerPoint{
			T:   r.at.Sub(t.start).Seconds(),
			CPU: max(0, r.cpu-before.cpu) / r.at.Sub(before.at).Seconds(),
			RSS: max(0, r.rss), PSS: max(0, r.pss), FDs: max(0, r.fds),
		}
		if before.cpu == unknown {
			p.CPU = 0
		}
		t.progress.add(p)
	}
}

// close ends the looks.
func (t *target) close() {
	t.looking.Lock()
	defer t.looking.Unlock()
	if !t.closed {
		t.closed = true
		t.probe.close()
	}
}

// server says what became of the server.
func (t *target) server(open, sent, received int64) report.Server {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := report.Server{Source: t.source, Missing: t.missing, Series: append([]report.ServerPoint(nil), t.progress.points...)}
	if t.first == nil {
		return s
	}
	from, to := t.from, t.to
	if from == nil {
		from = t.first
	}
	if to == nil {
		to = t.last
	}
	s.CPUSeconds = since(from.cpu, to.cpu)
	s.UserSeconds = since(from.user, to.user)
	s.SysSeconds = since(from.sys, to.sys)

	before, at := t.first.rss, to.rss
	if t.first.exact != unknown && to.exact != unknown {
		before, at = t.first.exact, to.exact
	}
	s.RSSBefore, s.RSS, s.PSS = max(0, before), max(0, at), max(0, to.pss)
	s.RSSMax = max(t.rssMax, s.RSS)
	if to.peak > t.first.peak && t.first.peak != unknown {
		s.RSSMax = max(s.RSSMax, to.peak) // reached after Begin, perhaps between two looks
	}
	s.Threads, s.FDs = max(0, to.threads), max(0, to.fds)
	if open > 0 && before != unknown && at != unknown {
		s.PerConn = float64(at-before) / float64(open)
	}
	s.CPUPerMSent = perMillion(s.CPUSeconds, sent)
	s.CPUPerMRecv = perMillion(s.CPUSeconds, received)
	return s
}

// since is the growth of a figure that may be unknown.
func since(from, to float64) float64 {
	if from == unknown || to == unknown {
		return 0
	}
	return max(0, to-from)
}

func perMillion(seconds float64, n int64) float64 {
	if n <= 0 {
		return 0
	}
	return seconds / float64(n) * 1e6
}
