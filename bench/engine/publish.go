package engine

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/valyala/fasthttp"

	"carillon/bench/plan"
	"carillon/bench/stats"
	"carillon/codec"
)

// publishing has a scenario's messages published: each publisher does one after
// the other, so that their order is known.
type publishing struct {
	e  *Engine
	sc *scenario

	http    *fasthttp.HostClient // via http
	url     *plan.Template
	body    *plan.Template
	headers []headerTemplate

	sched schedule // under director.mu
	stage Stage
	epoch uint8
	turn  uint64

	pubs []*publisher
	wg   sync.WaitGroup
	busy atomic.Int64 // publishes due and not yet done
}

// publisher is one of the scenario's publishers.
type publisher struct {
	p      *publishing
	stream uint32
	due    chan job
	head   Head
	seq    uint32 // in this epoch
	epoch  uint8
	seqs   []uint32             // push: numbers used, by connection of the share
	failed map[int]uint32       // push: of them, those the server may not have taken
	conn   atomic.Pointer[conn] // via client

	text, body, target []byte
	tmp                *shard // scratch of appendText
}

// job is one message to publish.
type job struct {
	due   int64
	epoch uint8
	conn  int // push: for the n-th connection of the share
}

// backlog is how many due publishes may wait for a publisher.
const backlog = 1 << 16

func newPublishing(e *Engine, sc *scenario) (*publishing, error) {
	p := &publishing{e: e, sc: sc}
	pl := sc.Publish
	fields := []plan.Field{plan.FieldID, plan.FieldUser, plan.FieldMessage, plan.FieldRaw, plan.FieldMark, plan.FieldSeq}
	var errs [2]error
	p.body, errs[0] = plan.Compile(pl.Body, fields...)
	p.url, errs[1] = plan.Compile(pl.URL, plan.FieldID, plan.FieldUser)
	if err := errors.Join(errs[:]...); err != nil {
		return nil, fmt.Errorf("scenario %s: publish: %w", sc.Name, err)
	}
	for name, value := range pl.Headers {
		t, err := plan.Compile(value, plan.FieldID, plan.FieldUser)
		if err != nil {
			return nil, fmt.Errorf("scenario %s: publish header %s: %w", sc.Name, name, err)
		}
		p.headers = append(p.headers, headerTemplate{name, t})
	}
	if pl.Via != "client" {
		u, err := url.Parse(pl.URL)
		if err != nil {
			return nil, err
		}
		h, err := newHostport(u, e.job.Pins)
		if err != nil {
			return nil, err
		}
		var n atomic.Uint32
		p.http = &fasthttp.HostClient{
			Addr:  net.JoinHostPort(h.name, strconv.Itoa(int(h.port))),
			IsTLS: u.Scheme == "https", TLSConfig: e.tlsConfig(h.name),
			MaxConns: pl.Publishers, ReadTimeout: pl.Timeout, WriteTimeout: pl.Timeout,
			MaxIdemponentCallAttempts: 1, NoDefaultUserAgentHeader: true,
			DisablePathNormalizing: true,
			Dial: func(string) (net.Conn, error) {
				return net.DialTimeout("tcp", h.tcp(int(n.Add(1))).String(), pl.Timeout)
			},
		}
	}
	for k := range pl.Publishers {
		pub := &publisher{p: p, stream: uint32(k), due: make(chan job, backlog), tmp: &shard{e: e}}
		if sc.Kind == plan.Push {
			pub.seqs = make([]uint32, sc.share.Count)
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
		pub.head, pub.epoch = Head{}, 0 // at rest; the first message of the stage empties the rest
	}
	p.e.director.mu.Lock()
	defer p.e.director.mu.Unlock()
	p.stage, p.epoch = st, uint8(2*st.Number+2)
	p.sched = newSchedule(p.sc.Arrival, p.sc.rateOf(st.Scale), st.At, st.To, p.e.job.Worker, p.e.job.Workers, p.e.director.rng)
	if p.sc.Model == plan.Closed && p.sc.rateOf(1) == 0 && (p.sc.share.Publish || p.sc.Kind == plan.Push) {
		p.sched = schedule{next: never}
		for _, pub := range p.pubs {
			p.busy.Add(1)
			p.hand(pub, st.At)
		}
	}
	if !slices.Contains(p.e.director.publish, p) {
		p.e.director.publish = append(p.e.director.publish, p)
	}
}

// fire gives what is due to publishers; director.mu is held.
func (p *publishing) fire(now int64) int64 {
	for p.sched.next <= now {
		due := p.sched.next
		p.sched.take()
		p.sc.lateness(due, now)
		p.sc.count(due, func(t *stats.Totals) { t.Counts.Arrivals++ })
		p.busy.Add(1)
		if !p.hand(p.next(), due) {
			p.busy.Add(-1)
			p.sc.count(due, func(t *stats.Totals) { t.Counts.Refused++ })
		}
	}
	return p.sched.next
}

// next is whose turn it is. A push for one user always goes through the same
// publisher, which keeps its order.
func (p *publishing) next() *publisher {
	n := uint64(len(p.pubs))
	if p.sc.Kind == plan.Push {
		return p.pubs[p.turn%uint64(max(p.sc.share.Count, 1))%n]
	}
	return p.pubs[p.turn%n]
}

// hand queues a publish; director.mu is held.
func (p *publishing) hand(pub *publisher, due int64) bool {
	j := job{due: due, epoch: p.epoch - 1}
	if due >= p.stage.From {
		j.epoch = p.epoch
	}
	if p.sc.share.Count > 0 {
		j.conn = int(p.turn % uint64(p.sc.share.Count))
	}
	p.turn++
	select {
	case pub.due <- j:
		return true
	default:
		return false
	}
}

// run publishes what is due, one after the other.
func (pub *publisher) run() {
	defer pub.p.wg.Done()
	for j := range pub.due {
		pub.publish(j)
		pub.p.more(pub)
		pub.p.busy.Add(-1)
	}
}

// more gives a publisher of the closed model its next message.
func (p *publishing) more(pub *publisher) {
	if p.sc.Model != plan.Closed {
		return
	}
	p.e.director.mu.Lock()
	defer p.e.director.mu.Unlock()
	if now := p.e.clock.now(); now < p.stage.To && p.hand(pub, now) {
		p.busy.Add(1)
		p.sc.count(now, func(t *stats.Totals) { t.Counts.Arrivals++ })
	}
}

// publish publishes one message.
func (pub *publisher) publish(j job) {
	p, sc := pub.p, pub.p.sc
	if j.epoch != pub.epoch {
		pub.epoch, pub.seq = j.epoch, 0
		clear(pub.seqs)
		clear(pub.failed)
	}
	m := mark{scenario: uint8(sc.idx), epoch: j.epoch, stream: pub.stream, seq: pub.seq, due: j.due}
	id := -1
	if sc.Kind == plan.Push {
		id = sc.share.First + j.conn
		m.stream, m.seq = uint32(id), pub.seqs[j.conn]
		pub.seqs[j.conn]++
	} else {
		pub.seq++
	}
	v := plan.Values{ID: id + sc.FirstID, Seq: uint64(m.seq)}
	pub.text = sc.appendText(pub.text[:0], sc.message, &v, &m, pub.tmp)
	v.User = string(sc.user.Append(nil, &v))
	v.Message = pub.text
	pub.body = p.body.Append(pub.body[:0], &v)
	var err error
	if p.http != nil {
		err = pub.post(&v)
	} else {
		err = pub.say()
	}
	end := p.e.clock.now()
	measuring := j.epoch%2 == 0
	sc.count(j.due, func(t *stats.Totals) {
		if err != nil {
			t.Counts.PublishFailed++
			t.Cause(stats.PublishFailed, dialCause(err), 1)
			return
		}
		t.Counts.Published++
		t.Hist(stats.Publish).Record(durationOf(end - j.due))
	})
	if err != nil && sc.Kind == plan.Push {
		if pub.failed == nil {
			pub.failed = make(map[int]uint32)
		}
		pub.failed[j.conn]++
	}
	if measuring && sc.Kind != plan.Push {
		pub.head.Published = pub.seq
		if err != nil {
			pub.head.Failed++
		}
	}
}

// failedAt is how many pushes for a connection may not have been taken.
func (pub *publisher) failedAt(i int) uint32 { return pub.failed[i] }

// post sends the message to the server's HTTP interface.
func (pub *publisher) post(v *plan.Values) error {
	p := pub.p
	req, res := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(req)
	defer fasthttp.ReleaseResponse(res)
	w := *v
	w.User = url.PathEscape(v.User)
	pub.target = p.url.Append(pub.target[:0], &w)
	req.SetRequestURIBytes(pub.target)
	req.Header.SetMethod(p.sc.Publish.Method)
	for _, h := range p.headers {
		req.Header.SetBytesV(h.name, h.value.Append(nil, v))
	}
	req.SetBodyRaw(pub.body)
	if err := p.http.DoTimeout(req, res, p.sc.Publish.Timeout); err != nil {
		if errors.Is(err, fasthttp.ErrTimeout) {
			return errors.New("timeout")
		}
		return err
	}
	code := res.StatusCode()
	ok := code >= 200 && code < 300
	if want := p.sc.Publish.Status; len(want) > 0 {
		ok = slices.Contains(want, code)
	}
	if !ok {
		return fmt.Errorf("HTTP %d %s", code, fasthttp.StatusMessage(code))
	}
	return nil
}

var (
	errNoPublisher = errors.New("the publishing connection is gone")
	errNotTaken    = errors.New("the server does not read what is published")
)

// say sends the message over the publisher's own connection.
func (pub *publisher) say() error {
	c := pub.conn.Load()
	if c == nil {
		return errNoPublisher
	}
	s := c.g.s
	var sent bool
	if !s.call(func() {
		s.frame = codec.AppendMasked(s.frame[:0], pub.p.sc.op, pub.body, s.key())
		if sent = c.state == stateOpen && s.send(c, s.frame); sent {
			n := c.g.in(s.now)
			n.Counts.Sent++
			n.Counts.SentBytes += int64(len(s.frame))
		}
	}) {
		return errNoPublisher
	}
	if !sent {
		return errNotTaken
	}
	return nil
}

// connect opens the connections of publishers via client, from at on.
func (p *publishing) connect(at int64) {
	if p.http != nil || !p.sc.share.Publish && p.sc.Kind != plan.Push {
		return
	}
	for k := range p.pubs {
		p.sc.extra.Add(1)
		d := &dial{sc: p.sc, id: p.sc.Connections + k, role: rolePublisher, due: at}
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

// heads is how far the publishers have come. They are at rest.
func (p *publishing) heads() (h []Head) {
	if p.sc.Kind == plan.Push || !p.sc.share.Publish {
		return nil
	}
	for _, pub := range p.pubs {
		h = append(h, pub.head)
	}
	return h
}

// stop ends the publishers.
func (p *publishing) stop() {
	for _, pub := range p.pubs {
		close(pub.due)
	}
	p.wg.Wait()
	if p.http != nil {
		p.http.CloseIdleConnections()
	}
}
