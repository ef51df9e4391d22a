package engine

import (
	"context"
	"errors"
	"net"
	"net/url"
	"sync"
	"sync/atomic"

	"carillon/bench/plan"
	"carillon/bench/stats"
)

// publishing has a scenario's messages published: each publisher does one after
// the other, so that their order is known.
type publishing struct {
	e  *Engine
	sc *scenario

	newLine func() *line   // via http; nil: via client
	host    string         // via http
	path    *plan.Template // via http
	to      endpoint       // via client
	body    *plan.Template

	// Under director.mu.
	sched schedule
	stage Stage
	turn  uint64

	pubs []*publisher
	wg   sync.WaitGroup
	busy atomic.Int64 // publishes due and not yet done
}

// backlog is how many due publishes may wait for a publisher.
const backlog = 1 << 16

func newPublishing(e *Engine, sc *scenario) (*publishing, error) {
	pl, t := sc.Publish, sc.templates
	p := &publishing{e: e, sc: sc, body: t.Body}
	if pl.Via == plan.ViaClient {
		to, err := newEndpoint(pl.URL, t.PublishHeaders, e.job.Pins)
		if err != nil {
			return nil, err
		}
		p.to = to
	} else {
		u, err := url.Parse(originOf(pl.URL))
		if err != nil {
			return nil, err
		}
		h, err := newHostport(u, e.job.Pins)
		if err != nil {
			return nil, err
		}
		if p.path, err = plan.CompileURL(targetOf(pl.URL), plan.FieldID, plan.FieldUser); err != nil {
			return nil, err
		}
		var n atomic.Uint64
		p.host = h.host
		p.newLine = func() *line {
			l := &line{dial: func(ctx context.Context) (*net.TCPConn, error) {
				nc, err := new(net.Dialer).DialContext(ctx, "tcp", h.tcp(n.Add(1)-1).String())
				if err != nil {
					return nil, err
				}
				return nc.(*net.TCPConn), nil
			}}
			if u.Scheme == "https" {
				l.tls = e.tlsConfig(h.name)
			}
			return l
		}
	}
	for k := range pl.Publishers {
		pub := &publisher{p: p, stream: uint32(k), due: make(chan job, backlog), tmp: &shard{e: e}}
		if p.newLine != nil {
			pub.line = p.newLine()
		}
		if sc.Kind == plan.Push && k < sc.share.Count {
			pub.pushed = make([]uint32, (sc.share.Count-k-1)/pl.Publishers+1)
		}
		p.pubs = append(p.pubs, pub)
		p.wg.Add(1)
		go pub.run()
	}
	return p, nil
}

// begin starts a stage. Any goroutine.
func (p *publishing) begin(st Stage) {
	for _, pub := range p.pubs {
		pub.begin(warmupOf(st)) // the first message of the measured period begins the next
	}
	own := stretch{}
	switch {
	case p.sc.Kind == plan.Push:
		own = p.sc.own
	case p.sc.share.Publish:
		own = whole
	}
	d := p.e.director
	d.mu.Lock()
	defer d.mu.Unlock()
	defer d.wake()
	p.stage, p.turn = st, 0
	seed := [2]uint64{p.e.job.Plan.Seed, uint64(p.sc.idx)<<48 | uint64(st.Number)<<32 | uint64(p.e.job.Worker)}
	p.sched = newSchedule(p.sc.Arrival, p.sc.rate(st.Scale), st.At, st.To, own, seed)
	for _, other := range d.publish {
		if other == p {
			return
		}
	}
	if !d.off {
		d.publish = append(d.publish, p)
	}
}

// warmupOf is the epoch of a stage's warm-up; that of its measured period is the next.
func warmupOf(st Stage) uint8 { return uint8(2*st.Number + 1) }

// epochOf is the epoch of what is due at t.
func epochOf(st Stage, t int64) uint8 {
	if t < st.From {
		return warmupOf(st)
	}
	return warmupOf(st) + 1
}

// fire gives what is due to publishers; director.mu is held.
func (p *publishing) fire(now int64) int64 {
	for p.sched.next <= now {
		due := p.sched.next
		p.sched.take()
		p.sc.lateness(due, now)
		p.sc.count(due, func(t *stats.Totals) { t.Counts.Arrivals++ })
		p.hand(due)
	}
	return p.sched.next
}

// hand queues the publish that is due; director.mu is held.
func (p *publishing) hand(due int64) {
	j := job{due: due, epoch: epochOf(p.stage, due)}
	n := p.turn
	p.turn++
	if p.sc.Kind == plan.Push {
		j.conn = int(n % uint64(p.sc.share.Count))
		n = uint64(j.conn) // a user's messages all go through one publisher, which keeps their order
	}
	p.busy.Add(1)
	select {
	case p.pubs[n%uint64(len(p.pubs))].due <- j:
	default:
		p.refuse(j)
	}
}

// refuse counts a publish that no publisher began.
func (p *publishing) refuse(j job) {
	p.busy.Add(-1)
	p.sc.count(j.due, func(t *stats.Totals) { t.Counts.Refused++ })
}

// resting tells whether no publish is due or under way.
func (p *publishing) resting() bool {
	p.e.director.mu.Lock()
	defer p.e.director.mu.Unlock()
	return p.busy.Load() == 0 && p.sched.next > p.e.clock.now()
}

// finish ends a stage: it refuses what still waits for a publisher, gives up what
// has not begun, and returns how far the publishers have come.
// Scenarios that do not broadcast have no heads.
func (p *publishing) finish() (h []Head) {
	p.e.director.mu.Lock()
	from := p.stage.From
	early, late := p.sched.skip(from), p.sched.skip(p.e.clock.now())
	p.sched = schedule{next: never}
	p.e.director.mu.Unlock()
	p.giveUp(from-1, early)
	p.giveUp(from, late)
	for _, pub := range p.pubs {
		pub.drain()
	}
	if p.sc.Kind == plan.Push || !p.sc.share.Publish {
		return nil
	}
	for _, pub := range p.pubs {
		h = append(h, pub.head())
	}
	return h
}

// giveUp counts n publishes, one of which was due at the time due, that did not
// begin.
func (p *publishing) giveUp(due, n int64) {
	p.sc.count(due, func(t *stats.Totals) {
		t.Counts.Arrivals += n
		t.Counts.Dropped += n
	})
}

// pushesTo is how many messages the i-th connection of the share was sent in an
// epoch. Any goroutine.
func (p *publishing) pushesTo(i int, epoch uint8) Head {
	if i < 0 || i >= p.sc.share.Count {
		return Head{}
	}
	return p.pubs[i%len(p.pubs)].headOf(i/len(p.pubs), epoch)
}

// connect opens the connections of publishers via client, from at on, once.
func (p *publishing) connect(at int64) {
	if p.newLine != nil || !p.sc.share.Publish && p.sc.Kind != plan.Push || p.sc.extra.Load() > 0 {
		return
	}
	for k := range p.pubs {
		p.sc.extra.Add(1)
		d := &dial{sc: p.sc, to: &p.to, id: p.sc.Connections + k, role: rolePublisher, due: at}
		d.ended = func(*dial, *conn, string) { p.sc.attempted.Add(1) }
		p.e.director.at(d)
	}
}

// opened takes a publisher's connection. Loop only.
func (p *publishing) opened(c *conn) {
	p.pubs[int(c.id)-p.sc.Connections].conn.Store(c)
}

// closed forgets it. Loop only.
func (p *publishing) closed(c *conn) {
	p.pubs[int(c.id)-p.sc.Connections].conn.CompareAndSwap(c, nil)
}

// stop ends the publishers. Nothing is handed to them any more.
func (p *publishing) stop() {
	for _, pub := range p.pubs {
		pub.drain()
		close(pub.due)
		if pub.line != nil {
			pub.line.cutOff()
		}
	}
	p.wg.Wait()
}

var (
	errNoPublisher = errors.New("the publishing connection is gone")
	errNotTaken    = errors.New("the server does not read what is published")
)
