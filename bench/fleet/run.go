package fleet

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"carillon/bench/engine"
	"carillon/bench/plan"
	"carillon/bench/report"
	"carillon/bench/watch"
)

// Options is what a run is given beside its plan.
type Options struct {
	Spawn   Spawn
	Command []string // as typed, secrets masked; for the report
	Version string   // of carillon
	// Progress hears about the run about once a second and whenever its phase
	// changes. It is called by one goroutine at a time and must not block.
	Progress func(report.Progress)
	// Judge decides whether the client was the bottleneck: one sentence for each
	// reason. nil: [watch.Judge].
	Judge func(*report.Client, []report.Scenario) []string
}

// Run carries out a complete plan. When ctx ends, the run ends early and the
// report covers what had run. An error means that there is nothing to report:
// the target is not allowed, the machine can not do it, a worker did not start.
func Run(ctx context.Context, p *plan.Plan, opt Options) (*report.Report, error) {
	r := &run{p: p, opt: opt, started: time.Now(), phase: preflight}
	if r.p.Seed == 0 {
		r.p = p.Clone()
		r.p.Seed = uint64(random()) | 1
	}
	if opt.Progress == nil {
		r.opt.Progress = func(report.Progress) {}
	}
	if opt.Judge == nil {
		r.opt.Judge = watch.Judge
	}
	limited, cancel := context.WithTimeout(ctx, p.Limit)
	defer cancel()
	r.wish = limited
	// What is under way is brought to its end when ctx is over; hurry bounds that.
	r.work, r.abort = context.WithCancelCause(context.WithoutCancel(ctx))
	defer r.abort(nil)
	stop := context.AfterFunc(limited, func() {
		late := time.AfterFunc(p.Settle+hurry, func() { r.abort(errSilent) })
		context.AfterFunc(r.work, func() { late.Stop() })
	})
	defer stop()
	defer r.close()
	if err := r.prepare(); err != nil {
		return nil, err
	}
	err := r.lead()
	return r.report(err), nil
}

// hurry is how long workers have, beyond the plan's settling, to answer when the
// run should end.
const hurry = 30 * time.Second

// errSilent says that they did not.
var errSilent = errors.New("a worker does not answer")

// random is a number nobody else is likely to have.
func random() uint32 {
	var b [4]byte
	_, _ = rand.Read(b[:])
	return binary.BigEndian.Uint32(b[:])
}

// run is a run under way. The goroutine of Run owns it, but what mu guards.
type run struct {
	p     *plan.Plan
	opt   Options
	id    string
	run   uint32
	wish  context.Context // ends when the run should
	work  context.Context // ends when it must
	abort context.CancelCauseFunc

	started  time.Time
	pins     map[string][]netip.Addr
	machines []machine
	links    []*link
	local    []*process
	tally    *tally
	watcher  *watch.Watcher
	stages   int

	ramp    ramp
	results []*stageResult
	search  *report.Search
	best    *stageResult
	storms  []engine.StormCycle
	slow    []engine.SlowSeen
	failed  error // a worker ended

	mu       sync.Mutex
	phase    phase
	phaseAt  time.Time
	phaseFor time.Duration
	step     string
	warnings []string
	usage    clientNow
}

// ramp is what the ramp came to.
type ramp struct {
	before, after int64 // resident memory of the workers
	open          int64 // connections after it
}

// machine is a machine with workers of the run.
type machine struct {
	name  string
	agent int // -1: this one
	place place
	env   report.Environment
}

// prepare does everything that can fail before the first connection.
func (r *run) prepare() error {
	var raw [6]byte
	_, _ = rand.Read(raw[:])
	r.id, r.run = hex.EncodeToString(raw[:]), random()
	r.enter(preflight, 0)
	pins, err := plan.CheckTargets(r.wish, r.p, net.DefaultResolver)
	if err != nil {
		return err
	}
	r.pins = pins
	if err := r.place(); err != nil {
		return err
	}
	return r.hire()
}

// place finds out how many workers each machine needs, and what caps them.
func (r *run) place() error {
	err := r.placeAll()
	if most := r.most(); most > 0 && r.p.FindMax != "" && r.p.FindOf == plan.OfConnections && float64(most) < r.p.FindTop {
		r.p = r.p.Clone()
		r.p.FindTop = float64(most)
		r.warn(fmt.Sprintf("the search ends at %d connections, which is what can be had here", most))
		err = r.placeAll()
	}
	return r.judgePlaces(err)
}

// most is the largest number of connections that works, if that is fewer than
// the run wants; else 0.
func (r *run) most() (most int64) {
	for i := range r.machines {
		for _, f := range r.machines[i].place.Findings {
			if f.Level == watch.Blocks && f.Most > 0 && (most == 0 || f.Most < most) {
				most = f.Most
			}
		}
	}
	return most * int64(len(r.machines))
}

// placeAll asks all machines.
func (r *run) placeAll() error {
	machines := max(len(r.p.Agents), 1)
	need := needOf(r.p, r.pins, machines)
	if len(r.p.Agents) == 0 {
		p, err := placeHere(need)
		r.machines = []machine{{name: "this machine", agent: -1, place: p, env: watch.Environment()}}
		return err
	}
	r.machines = make([]machine, machines)
	g, ctx := errgroup.WithContext(r.wish)
	for i, addr := range r.p.Agents {
		g.Go(func() error {
			nc, w, err := greet(ctx, addr, r.p.AgentToken, "info", need)
			if err != nil {
				return err
			}
			_ = nc.Close()
			r.machines[i] = machine{name: addr, agent: i, place: w.Place, env: w.Environment}
			return nil
		})
	}
	return g.Wait()
}

// judgePlaces turns findings into warnings, and those that block into an error.
func (r *run) judgePlaces(err error) error {
	var blocks []error
	for i := range r.machines {
		m := &r.machines[i]
		for _, f := range m.place.Findings {
			text := f.Text
			if f.Most > 0 {
				text += fmt.Sprintf("; at most %d connections would work", f.Most)
			}
			if f.Fix != "" {
				text += " (" + f.Fix + ")"
			}
			if m.agent >= 0 {
				text = m.name + ": " + text
			}
			switch f.Level {
			case watch.Blocks:
				blocks = append(blocks, errors.New(text))
			case watch.Warning:
				r.warn(text)
			}
		}
	}
	if len(blocks) > 0 {
		return fmt.Errorf("this run can not work:\n%w", errors.Join(blocks...))
	}
	return err
}

// hire starts the workers of all machines and gives them their clocks.
func (r *run) hire() error {
	for i := range r.machines {
		m := &r.machines[i]
		for w := range m.place.Workers {
			name := fmt.Sprintf("worker %d", w+1)
			if m.agent >= 0 {
				nc, _, err := greet(r.wish, m.name, r.p.AgentToken, "worker", watch.Need{})
				if err != nil {
					return err
				}
				r.links = append(r.links, newLink(name+" of "+m.name, i, nc))
				continue
			}
			p, err := r.opt.Spawn.start()
			if err != nil {
				return err
			}
			r.local = append(r.local, p)
			r.links = append(r.links, newLink(name, i, p))
		}
	}
	return r.each(func(_ int, l *link) error {
		if r.machines[l.machine].agent < 0 {
			return nil
		}
		return l.sync(r.work)
	})
}

// each does fn for all workers at once and returns what went wrong.
func (r *run) each(fn func(i int, l *link) error) error {
	var g errgroup.Group
	for i, l := range r.links {
		g.Go(func() error { return fn(i, l) })
	}
	return g.Wait()
}

// all asks all workers the same.
func (r *run) all(q request) ([]reply, error) {
	replies := make([]reply, len(r.links))
	err := r.each(func(i int, l *link) (err error) {
		replies[i], err = l.ask(r.work, q)
		return err
	})
	return replies, err
}

// give starts the engines for a plan.
func (r *run) give(p *plan.Plan) error {
	shares := split(p, len(r.links))
	at := make(map[int]int) // workers of each machine so far
	index := make([]int, len(r.links))
	for i, l := range r.links {
		index[i] = at[l.machine]
		at[l.machine]++
	}
	return r.each(func(i int, l *link) error {
		m := &r.machines[l.machine]
		_, err := l.ask(r.work, request{Op: opJob, Job: &engine.Job{
			Plan: p, Run: r.run, Worker: i, Workers: len(r.links), Shares: shares[i],
			Sources: sourcesOf(m.place.Sources, index[i], m.place.Workers), Pins: r.pins,
			Offset: l.offset, Loops: r.loopsOf(m), Version: r.opt.Version,
		}})
		return err
	})
}

// mostLoops is how many event loops a worker has at most by itself.
const mostLoops = 8

// loopsOf is how many event loops each worker of a machine has: half of the
// cores together, because the server may be on the same machine and the kernel
// works on the caller's time.
func (r *run) loopsOf(m *machine) int {
	if r.p.Loops > 0 {
		return r.p.Loops
	}
	return min(max(m.place.Cores/2/max(m.place.Workers, 1), 1), mostLoops)
}

// lead takes the workers through the phases. The error is why it could not go on.
func (r *run) lead() error {
	r.tally = newTally(r.p, r.started)
	r.watcher = watch.Watch(watch.Servers{PIDs: r.p.PIDs, Descendants: true, MetricsURLs: r.p.MetricsURL})
	defer r.watcher.Close()
	r.watcher.Begin()
	var err error
	if r.p.FindMax != "" {
		err = r.find()
	} else {
		err = r.once()
	}
	if err == nil || isNobody(err) {
		if derr := r.disconnect(); err == nil {
			err = derr
		}
	}
	r.enter(done, 0)
	return err
}

// disconnect closes all connections.
func (r *run) disconnect() error {
	r.enter(disconnect, 0)
	err := r.during(func() error { _, e := r.all(request{Op: opDisconnect}); return e })
	r.collect()
	return err
}

// once is a run without a search.
func (r *run) once() error {
	if err := r.give(r.p); err != nil {
		return err
	}
	if err := r.connect(r.p); err != nil {
		return err
	}
	if r.ended() {
		return nil
	}
	res, err := r.stage(r.p, 1)
	r.best = res
	return err
}

// There is nobody to send anything to.
var (
	errNobody     = errors.New("no connection could be made")
	errNobodyLeft = errors.New("no connection is left")
)

func isNobody(err error) bool { return errors.Is(err, errNobody) || errors.Is(err, errNobodyLeft) }

// lead-in of everything that is to happen at the same time everywhere.
const stepAhead = 250 * time.Millisecond

// connect ramps to the plan's connections.
func (r *run) connect(p *plan.Plan) error {
	r.ramp = ramp{before: r.memory()}
	want := make([]int, len(p.Scenarios))
	ramps, longest := false, time.Duration(0)
	for i := range p.Scenarios {
		s := &p.Scenarios[i]
		want[i] = s.Connections
		if s.Kind != plan.Connect {
			ramps = true
			longest = max(longest, time.Duration(float64(s.Connections)/s.ConnectRate*float64(time.Second)))
		}
	}
	if !ramps {
		return nil
	}
	r.enter(connect, longest)
	began := time.Now()
	if _, err := r.all(request{Op: opRamp, At: engine.Now() + int64(stepAhead), Want: want}); err != nil {
		return err
	}
	var failure error
	r.wait(50*time.Millisecond, func() bool {
		replies, err := r.all(request{Op: opState})
		if err != nil {
			failure = err
			return true
		}
		var tried, wanted int64
		for _, a := range replies {
			tried, wanted = tried+a.Tried, wanted+a.Wanted
		}
		return tried >= wanted
	})
	r.collect()
	if failure != nil || r.ended() {
		return failure
	}
	if took := time.Since(began) - stepAhead; took > 2*time.Second && took > longest*3/2 {
		r.warn(fmt.Sprintf("the ramp took %.1f s instead of %.1f s: connects waited for their turn, and for the server", took.Seconds(), longest.Seconds()))
	}
	r.ramp.open = r.tally.opened()
	r.ramp.after = r.memory()
	switch {
	case r.ramp.open > 0 || r.anySlow():
		return nil
	case r.tally.connected() > 0:
		return errNobodyLeft
	}
	return errNobody
}

// anySlow tells whether slow clients may be the only ones connected.
func (r *run) anySlow() bool {
	return slices.ContainsFunc(r.p.Scenarios, func(s plan.Scenario) bool {
		return s.Kind == plan.Connect || s.Slow != nil && s.Slow.Share >= 1
	})
}

// memory is what the workers have resident, together.
func (r *run) memory() (sum int64) {
	replies, err := r.all(request{Op: opMemory})
	if err != nil {
		return 0
	}
	for _, a := range replies {
		sum += a.RSS
	}
	return sum
}

// ended tells whether the run should come to its end: somebody wants it to, its
// time is over, or a worker has gone.
func (r *run) ended() bool { return r.wish.Err() != nil || r.failed != nil }

// wait polls until until is true or the run should end, and collects once a second.
func (r *run) wait(every time.Duration, until func() bool) {
	poll, second := time.NewTicker(every), time.NewTicker(time.Second)
	defer poll.Stop()
	defer second.Stop()
	for !r.ended() && !until() {
		select {
		case <-r.wish.Done():
			return
		case <-r.work.Done():
			return
		case <-second.C:
			r.collect()
		case <-poll.C:
		}
	}
}

// during collects once a second while fn runs, and returns its error.
func (r *run) during(fn func() error) error {
	out := make(chan error, 1)
	go func() { out <- fn() }()
	second := time.NewTicker(time.Second)
	defer second.Stop()
	for {
		select {
		case err := <-out:
			return err
		case <-second.C:
			r.collect()
		}
	}
}

// close ends all workers.
func (r *run) close() {
	r.abort(errWorkerGone)
	var g errgroup.Group
	for _, l := range r.links {
		g.Go(func() error { l.close(); return nil })
	}
	_ = g.Wait()
}

// warn notes something a reader of the figures should know, once.
func (r *run) warn(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Contains(r.warnings, text) {
		r.warnings = append(r.warnings, text)
	}
}
