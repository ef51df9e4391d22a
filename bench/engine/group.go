package engine

import (
	"math"
	"time"
	"unsafe"

	"github.com/gobwas/ws"

	"carillon/bench/plan"
	"carillon/bench/stats"
	"carillon/codec"
)

// group is a scenario's connections on one loop, with what was counted about
// them. Loop only.
type group struct {
	sc *scenario
	s  *shard

	live []*conn     // established, roleMember
	at   int         // modeEcho: whose turn it is
	idle ring[*conn] // modeRequest: those that may be asked

	stage Stage
	epoch uint8 // of the measured period; the warm-up's is one less
	on    bool  // between Traffic and Settle
	sched schedule
	freed int64 // since when there has been an idle connection

	pending  ring[request] // modeRequest: requests under way, oldest first; answered ones are skipped
	thinking ring[waiting] // closed model: connections that pause
	churn    ring[waiting] // churners, by the time they leave

	premade   []byte  // the masked frame, when all messages are the same
	gone      []ended // by stream
	cutPushes []cutPush

	acc   [2]*stats.Totals // [measured], [other]
	lat   [2]*stats.Hist   // their latencies
	spare [2]*stats.Totals // what Collect has emptied
}

// request is a request under way.
type request struct {
	c   *conn
	due int64
}

// ended adds up the connections that ended in the measured period, by stream.
type ended struct {
	conns uint32
	next  uint64 // sum of the numbers they had come to
}

func newGroup(s *shard, sc *scenario) *group {
	g := &group{sc: sc, s: s}
	for w := range g.acc {
		g.acc[w] = new(stats.Totals)
		g.lat[w] = g.acc[w].Hist(stats.Latency)
	}
	if sc.message != nil && sc.message.Constant() {
		g.premade = codec.AppendMasked(nil, sc.op, sc.message.Append(nil, &plan.Values{}), s.key())
	}
	g.sched.next = math.MaxInt64
	return g
}

// key is a fresh mask. Prediction is no danger here, so a fast generator will do.
func (s *shard) key() (k [4]byte) {
	v := s.rng.Uint32()
	return *(*[4]byte)(unsafe.Pointer(&v))
}

// in returns what operations that were due at t are counted in.
func (g *group) in(t int64) *stats.Totals {
	if g.measuring(t) {
		return g.acc[measured]
	}
	return g.acc[other]
}

// measuring tells whether t lies in the measured period.
func (g *group) measuring(t int64) bool { return t >= g.stage.From && t < g.stage.To }

// latency records one.
func (g *group) latency(due, end int64) {
	w := other
	if g.measuring(due) {
		w = measured
	}
	g.lat[w].Record(durationOf(end - due))
}

func durationOf(ns int64) time.Duration { return time.Duration(max(ns, 0)) }

// begin starts a stage.
func (g *group) begin(st Stage) {
	g.stage, g.on = st, true
	g.epoch = uint8(2*st.Number + 2)
	g.gone, g.cutPushes = g.gone[:0], g.cutPushes[:0]
	g.freed = st.At
	parts := g.s.e.job.Workers * len(g.s.e.shards)
	part := g.s.e.job.Worker*len(g.s.e.shards) + g.s.idx
	if g.sc.mode == modeRequest || g.sc.mode == modeEcho {
		if g.sc.Model == plan.Open {
			// Loops have about as many connections each; what a loop sends follows what it has.
			share := g.sc.rateOf(st.Scale) * g.weight()
			g.sched = newSchedule(g.sc.Arrival, share, st.At, st.To, part, parts, g.s.rng)
		} else {
			for _, c := range g.live {
				for range max(g.sc.Outstanding, 1) {
					g.thinking.push(waiting{c, st.At})
				}
			}
		}
	}
	for _, c := range g.live {
		c.sent, c.bad = 0, 0
		c.flags.clear(flagLateJoin)
		c.track = tracker{}
		c.more = nil
	}
}

// weight is the share of the engine's connections that this loop has.
func (g *group) weight() float64 {
	open := g.sc.open.Load()
	if open == 0 {
		return 0
	}
	return float64(len(g.live)) / float64(open)
}

// pump begins what is due and returns when the next operation is.
func (g *group) pump() int64 {
	next := int64(math.MaxInt64)
	for g.sched.next <= g.s.now {
		if !g.arrive(g.sched.next) {
			break // no connection is free: the reply that frees one pumps again
		}
		g.sched.take()
	}
	if g.sched.next > g.s.now {
		next = g.sched.next
	}
	for g.thinking.size > 0 {
		w := g.thinking.front()
		if w.by > g.s.now {
			next = min(next, w.by)
			break
		}
		c := g.thinking.pop().c
		if g.s.now < g.stage.To && c.state == stateOpen {
			g.again(c)
		}
	}
	for g.churn.size > 0 {
		w := g.churn.front()
		if w.by > g.s.now {
			next = min(next, w.by)
			break
		}
		if c := g.churn.pop().c; c.state == stateOpen {
			g.s.leave(c, g.sc.Churn != nil && g.sc.Churn.Abrupt)
		}
	}
	return next
}

// arrive begins the operation that is due at t. It is false when it has to wait
// for a connection.
func (g *group) arrive(t int64) bool {
	var c *conn
	if g.sc.mode == modeRequest {
		if c = g.popIdle(); c == nil {
			return false
		}
	} else if c = g.turn(); c == nil {
		// Nobody is connected: nothing can be asked of the server.
		n := g.in(t)
		n.Counts.Arrivals++
		n.Counts.Refused++
		return true
	}
	n := g.in(t)
	n.Counts.Arrivals++
	if t >= g.freed {
		n.Hist(stats.Lateness).Record(durationOf(g.s.now - t))
	}
	g.ask(c, t)
	return true
}

// again begins the next operation of the closed model on c.
func (g *group) again(c *conn) {
	if g.sc.mode == modeRequest {
		if c.due != 0 || c.flags.has(flagExpired) {
			return
		}
		c.flags.clear(flagIdle)
	}
	g.in(g.s.now).Counts.Arrivals++
	g.ask(c, g.s.now)
}

// ask sends the request that is due at t on c.
func (g *group) ask(c *conn, t int64) {
	n := g.in(t)
	if g.sc.mode == modeRequest {
		frame := g.premade
		if frame == nil {
			frame = g.encode(c, 0, nil)
		}
		if !g.s.send(c, frame) {
			n.Counts.Refused++
			return
		}
		c.due = t
		g.pending.push(request{c, t})
		n.Counts.Sent++
		n.Counts.SentBytes += int64(len(frame))
		n.Counts.Expected++
		return
	}
	epoch := g.epoch
	if !g.measuring(t) {
		epoch--
	}
	if c.track.epoch != epoch || !c.track.begun {
		c.track.begin(epoch, 0)
		c.sent = 0
	}
	m := mark{scenario: uint8(g.sc.idx), epoch: epoch, stream: uint32(c.id), seq: c.sent, due: t}
	frame := g.encode(c, uint64(c.sent), &m)
	if !g.s.send(c, frame) {
		n.Counts.Refused++
		return
	}
	c.sent++
	n.Counts.Sent++
	n.Counts.SentBytes += int64(len(frame))
	n.Counts.Expected++
}

// encode makes the masked frame of one message; it is valid until the next one.
func (g *group) encode(c *conn, seq uint64, m *mark) []byte {
	s := g.s
	s.text = g.compose(s.text[:0], g.sc.message, c, seq, m)
	s.frame = codec.AppendMasked(s.frame[:0], g.sc.op, s.text, s.key())
	return s.frame
}

// compose appends a message to dst.
func (g *group) compose(dst []byte, t *plan.Template, c *conn, seq uint64, m *mark) []byte {
	v := plan.Values{ID: int(c.id) + g.sc.FirstID, Seq: seq}
	return g.sc.appendText(dst, t, &v, m, g.s)
}

// appendText fills in user and mark. The scratch of s is used.
func (sc *scenario) appendText(dst []byte, t *plan.Template, v *plan.Values, m *mark, s *shard) []byte {
	if t.Uses(plan.FieldUser) {
		s.userBuf = sc.user.Append(s.userBuf[:0], v)
		v.User = unsafe.String(unsafe.SliceData(s.userBuf), len(s.userBuf))
	}
	if m != nil {
		var b [markLen]byte
		v.Mark = m.append(b[:0], s.e.prefix)
	}
	return t.Append(dst, v)
}

// popIdle takes the connection that has been idle longest.
func (g *group) popIdle() *conn {
	for g.idle.size > 0 {
		c := g.idle.pop()
		c.flags.clear(flagIdle)
		if c.state == stateOpen && c.due == 0 {
			return c
		}
	}
	return nil
}

// rest makes c wait for its turn.
func (g *group) rest(c *conn) {
	if c.role != roleMember || c.flags.has(flagIdle) || c.state != stateOpen {
		return
	}
	if g.idle.size == 0 {
		g.freed = g.s.now
	}
	c.flags.set(flagIdle)
	g.idle.push(c)
}

// turn is the next connection, round and round.
func (g *group) turn() *conn {
	if len(g.live) == 0 {
		return nil
	}
	if g.at >= len(g.live) {
		g.at = 0
	}
	g.at++
	return g.live[g.at-1]
}

// expire gives up requests that were not answered in time.
func (g *group) expire() {
	limit := g.s.now - int64(g.sc.ReplyTimeout)
	for g.pending.size > 0 {
		p := g.pending.front()
		if p.c.due == p.due && p.due > limit {
			return
		}
		r := g.pending.pop()
		if r.c.due == r.due { // still waiting
			r.c.due = 0
			r.c.flags.set(flagExpired)
			g.in(r.due).Counts.Lost++
		}
	}
}

// add takes an upgraded connection in.
func (g *group) add(c *conn) {
	c.slot = int32(len(g.live))
	g.live = append(g.live, c)
	g.sc.open.Add(1)
	if g.on {
		c.flags.set(flagLateJoin)
	}
	switch g.sc.mode {
	case modeRequest:
		g.rest(c)
		if g.on && g.sc.Model == plan.Closed {
			g.thinking.push(waiting{c, g.s.now})
		} else if g.sched.next <= g.s.now {
			g.pump()
		}
	case modeEcho:
		if g.on && g.sc.Model == plan.Closed {
			for range max(g.sc.Outstanding, 1) {
				g.thinking.push(waiting{c, g.s.now})
			}
		}
	}
}

// remove takes a connection out and counts what it will not get any more. ours
// tells that we ended it.
func (g *group) remove(c *conn, ours bool) {
	if c.slot >= 0 {
		last := len(g.live) - 1
		g.live[c.slot] = g.live[last]
		g.live[c.slot].slot = c.slot
		g.live[last] = nil
		g.live = g.live[:last]
		c.slot = -1
		g.sc.open.Add(-1)
	}
	switch g.sc.mode {
	case modeRequest:
		if c.due != 0 {
			g.in(c.due).Counts.Cut++
			c.due = 0
		}
	case modeEcho:
		if c.track.begun {
			g.settleEcho(c, true)
		}
	case modeDeliver:
		if c.role == roleMember && g.on && !ours {
			g.leaveStreams(c)
		}
	}
}

// settleEcho counts the echoes of c that never came. cut tells that the
// connection has ended: then the last ones could not come.
func (g *group) settleEcho(c *conn, cut bool) {
	t := &c.track
	n := g.acc[other]
	if t.epoch == g.epoch {
		n = g.acc[measured]
	}
	missing := c.sent - t.got - min(c.bad, c.sent-t.got)
	tail := min(c.sent-t.next, missing)
	if cut {
		n.Counts.Cut += int64(tail)
		missing -= tail
	}
	n.Counts.Lost += int64(missing)
	*t = tracker{}
	c.sent, c.bad = 0, 0
}

// opData tells whether a message carries data.
func opData(op ws.OpCode) bool { return op == ws.OpText || op == ws.OpBinary }
