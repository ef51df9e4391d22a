package fleet

import (
	"time"

	"carillon/bench/report"
	"carillon/bench/watch"
)

// clientNow is what the workers of this machine use at the moment.
type clientNow struct {
	at  time.Time
	cpu float64 // seconds so far
}

// enter begins a phase.
func (r *run) enter(p phase, length time.Duration) {
	r.mu.Lock()
	r.phase, r.phaseAt, r.phaseFor = p, time.Now(), length
	r.mu.Unlock()
	r.tell()
}

// tell shows those who watch where the run is.
func (r *run) tell() {
	r.mu.Lock()
	now := time.Now()
	p := report.Progress{
		Name: r.p.Name, Elapsed: now.Sub(r.started).Seconds(), Phase: string(r.phase),
		In: now.Sub(r.phaseAt).Seconds(), Of: r.phaseFor.Seconds(), Step: r.step,
		Warnings: append([]string(nil), r.warnings...),
	}
	r.mu.Unlock()
	p.Client = report.ClientProgress{Workers: len(r.links)}
	for i := range r.machines {
		p.Client.Cores += r.machines[i].place.Cores
	}
	cpu, rss := r.spent()
	r.mu.Lock()
	if dt := now.Sub(r.usage.at).Seconds(); !r.usage.at.IsZero() && dt > 0 {
		p.Client.CPU = max(cpu-r.usage.cpu, 0) / dt
	}
	r.usage = clientNow{now, cpu}
	r.mu.Unlock()
	p.Client.RSS = rss
	if r.tally != nil {
		p.Scenario, p.Client.LateP99, p.Client.LagP99, p.Client.Dropped = r.tally.progress()
	}
	if r.watcher != nil {
		p.Servers = r.watcher.Progress()
	}
	r.opt.Progress(p)
}

// spent is what this process and the workers of this machine have used.
func (r *run) spent() (cpu float64, rss int64) {
	cpu, rss = watch.Spent(0)
	for _, p := range r.local {
		c, m := watch.Spent(p.pid())
		cpu, rss = cpu+c, rss+m
	}
	return cpu, rss
}
