package watch

import (
	"context"
	"sync"
	"time"

	"carillon/bench/report"
)

// Servers says which servers a Watcher watches, and how.
type Servers struct {
	PIDs        []int    // processes of this machine, one server each
	Descendants bool     // the descendants of each belong to it, those that are listed too
	MetricsURLs []string // Prometheus endpoints, one server each
}

// Watcher looks at servers about once a second while a run lasts. The order of
// calls is Begin, MeasureFrom, MeasureTo, Server, Close; each but Progress and
// Server looks at every server and returns when all have been looked at, which
// an endpoint that does not answer delays by two seconds. Any goroutine.
type Watcher struct {
	groups [][]*target // each has a goroutine of its own, so that a slow one delays no other
	cancel context.CancelFunc
	wg     sync.WaitGroup
	begin  sync.Once
}

// Watch makes a Watcher. What can not be watched is no error: the report of
// the server says so.
func Watch(s Servers) *Watcher { return watch("", s) }

// WatchPID watches processes.
func WatchPID(pids ...int) *Watcher { return Watch(Servers{PIDs: pids}) }

// WatchTree watches processes with their descendants: a supervisor and its
// workers are one server.
func WatchTree(pids ...int) *Watcher { return Watch(Servers{PIDs: pids, Descendants: true}) }

// WatchMetrics watches servers by the process metrics of their Prometheus
// endpoints. User and password in a URL are sent, and masked in reports.
func WatchMetrics(urls ...string) *Watcher { return Watch(Servers{MetricsURLs: urls}) }

func watch(r root, s Servers) *Watcher {
	w := &Watcher{cancel: func() {}}
	var processes []*target
	var tree *table
	pids := s.PIDs
	if s.Descendants {
		tree = &table{reader: newProcReader(r)}
		pids = tree.roots(pids)
	}
	for _, pid := range pids {
		processes = append(processes, newTarget(newProcessProbe(r, pid, tree), deepShare/float64(len(pids))))
	}
	if len(processes) > 0 {
		w.groups = append(w.groups, processes)
	}
	for _, u := range s.MetricsURLs {
		w.groups = append(w.groups, []*target{newTarget(newMetricsProbe(u), deepShare)})
	}
	return w
}

// Begin takes the first look, before the first connection, and goes on looking
// until Close. T of all series counts from here. Later calls do nothing.
func (w *Watcher) Begin() {
	w.begin.Do(func() {
		w.mark(atBegin)
		ctx, cancel := context.WithCancel(context.Background())
		w.cancel = cancel
		for _, g := range w.groups {
			w.wg.Go(func() { sample(ctx, g) })
		}
	})
}

// sample looks at a group of servers again and again.
func sample(ctx context.Context, group []*target) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			for _, t := range group {
				t.look(between)
			}
		}
	}
}

// MeasureFrom begins the measured period.
func (w *Watcher) MeasureFrom() { w.mark(atFrom) }

// MeasureTo ends the measured period, while the connections are still open.
func (w *Watcher) MeasureTo() { w.mark(atTo) }

// mark looks at all servers, the groups at the same time.
func (w *Watcher) mark(m mark) {
	var wg sync.WaitGroup
	for _, g := range w.groups {
		wg.Go(func() {
			for _, t := range g {
				t.look(m)
			}
		})
	}
	wg.Wait()
}

// Progress returns the last look at each server. It does not wait for a look.
func (w *Watcher) Progress() []report.ServerProgress {
	var all []report.ServerProgress
	for _, g := range w.groups {
		for _, t := range g {
			t.mu.Lock()
			all = append(all, report.ServerProgress{Source: t.source, Last: t.progress.last})
			t.mu.Unlock()
		}
	}
	return all
}

// Server returns what was seen of each server. open is how many connections
// were open at MeasureTo; sent and received are the messages of the measured
// period, all as the client counts. Without MeasureFrom the measured period
// begins at Begin, without MeasureTo it ends at the last look.
func (w *Watcher) Server(open, sent, received int64) []report.Server {
	var all []report.Server
	for _, g := range w.groups {
		for _, t := range g {
			all = append(all, t.server(open, sent, received))
		}
	}
	return all
}

// Close stops looking; marks do nothing afterwards, and Server says what was
// seen until then.
func (w *Watcher) Close() {
	w.begin.Do(func() {})
	w.cancel()
	w.wg.Wait()
	for _, g := range w.groups {
		for _, t := range g {
			t.close()
		}
	}
}
