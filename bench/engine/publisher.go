package engine

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/valyala/fasthttp"

	"carillon/bench/plan"
	"carillon/bench/stats"
	"carillon/codec"
)

// publisher is one of a scenario's publishers.
type publisher struct {
	p      *publishing
	stream uint32
	due    chan job
	conn   atomic.Pointer[conn] // via client
	line   *line                // via http

	mu     sync.Mutex
	epoch  uint8
	given  Head           // in this epoch; of broadcasts
	pushed []uint32       // in this epoch, by connection: every len(pubs)-th of the share
	failed map[int]uint32 // of them, those that the server may not have taken

	text, body, target []byte
	tmp                *shard // scratch of appendText
}

// job is one message to publish.
type job struct {
	due   int64
	epoch uint8
	conn  int // push: for the n-th connection of the share
}

// begin starts an epoch, in which numbers start from 0.
func (pub *publisher) begin(epoch uint8) {
	pub.mu.Lock()
	defer pub.mu.Unlock()
	pub.reset(epoch)
}

// reset is begin with pub.mu held.
func (pub *publisher) reset(epoch uint8) {
	pub.epoch, pub.given = epoch, Head{}
	clear(pub.pushed)
	clear(pub.failed)
}

// drain refuses what waits.
func (pub *publisher) drain() {
	for {
		select {
		case j := <-pub.due:
			pub.p.refuse(j)
		default:
			return
		}
	}
}

// head is how far the publisher has come in its epoch, if that is a measured one.
// What is under way may not be taken any more.
func (pub *publisher) head() Head {
	pub.mu.Lock()
	defer pub.mu.Unlock()
	if pub.epoch%2 != 0 {
		return Head{}
	}
	return pub.given
}

// headOf is head for the i-th of the connections that the publisher has.
func (pub *publisher) headOf(i int, epoch uint8) Head {
	pub.mu.Lock()
	defer pub.mu.Unlock()
	if pub.epoch != epoch || i >= len(pub.pushed) {
		return Head{}
	}
	return Head{Published: pub.pushed[i], Failed: pub.failed[i]}
}

// number gives the message of j its number. It counts as failed until settled.
func (pub *publisher) number(j job) mark {
	pub.mu.Lock()
	defer pub.mu.Unlock()
	if j.epoch != pub.epoch {
		pub.reset(j.epoch)
	}
	sc := pub.p.sc
	m := mark{scenario: uint8(sc.idx), epoch: j.epoch, stream: pub.stream, due: j.due}
	if sc.Kind != plan.Push {
		m.seq = pub.given.Published
		pub.given.Published++
		pub.given.Failed++
		return m
	}
	i := j.conn / len(pub.p.pubs)
	m.stream, m.seq = uint32(sc.share.First+j.conn), pub.pushed[i]
	pub.pushed[i]++
	if pub.failed == nil {
		pub.failed = make(map[int]uint32)
	}
	pub.failed[i]++
	return m
}

// settle notes that the server has taken the message of j.
func (pub *publisher) settle(j job) {
	pub.mu.Lock()
	defer pub.mu.Unlock()
	if j.epoch != pub.epoch {
		return
	}
	if pub.p.sc.Kind != plan.Push {
		pub.given.Failed--
		return
	}
	i := j.conn / len(pub.p.pubs)
	if pub.failed[i]--; pub.failed[i] == 0 {
		delete(pub.failed, i)
	}
}

// run publishes what is due, one after the other.
func (pub *publisher) run() {
	defer pub.p.wg.Done()
	if pub.line != nil {
		defer pub.line.close()
	}
	for j := range pub.due {
		pub.publish(j)
		pub.p.busy.Add(-1)
	}
}

// publish publishes one message.
func (pub *publisher) publish(j job) {
	p, sc := pub.p, pub.p.sc
	m := pub.number(j)
	id := 0
	if sc.Kind == plan.Push {
		id = int(m.stream)
	}
	v := plan.Values{ID: id + sc.FirstID, Seq: uint64(m.seq)}
	pub.text = sc.appendText(pub.text[:0], sc.message, &v, &m, pub.tmp)
	v.User = string(sc.user.Append(nil, &v))
	v.Message = pub.text
	pub.body = p.body.Append(pub.body[:0], &v)
	var err error
	if pub.line != nil {
		err = pub.post(&v)
	} else {
		err = pub.say()
	}
	end := p.e.clock.now()
	if err == nil {
		pub.settle(j)
	}
	sc.count(j.due, func(t *stats.Totals) {
		if err != nil {
			t.Counts.PublishFailed++
			t.Cause(stats.PublishFailed, dialCause(err), 1)
			return
		}
		t.Counts.Published++
		t.Hist(stats.Publish).Record(durationOf(end - j.due))
	})
}

// post sends the message to the server's HTTP interface.
func (pub *publisher) post(v *plan.Values) error {
	p := pub.p
	req, res := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(req)
	defer fasthttp.ReleaseResponse(res)
	pub.target = p.path.Append(pub.target[:0], v)
	req.Header.SetRequestURIBytes(pub.target)
	req.Header.SetHost(p.host)
	req.Header.SetUserAgent(userAgent + p.e.job.Version)
	req.Header.SetMethod(p.sc.Publish.Method)
	for _, h := range p.sc.templates.PublishHeaders {
		req.Header.SetBytesV(h.Name, h.Value.Append(nil, v))
	}
	req.SetBodyRaw(pub.body)
	if err := pub.line.do(req, res, p.sc.Publish.Timeout); err != nil {
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
