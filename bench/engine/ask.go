package engine

import (
	"unsafe"

	"carillon/bench/plan"
	"carillon/codec"
)

// request is a request under way.
type request struct {
	c     *conn
	due   int64
	seq   uint32 // modeEcho
	epoch uint8  // modeEcho
}

// key is a fresh mask. Prediction is no danger here, so a fast generator will do.
func (s *shard) key() (k [4]byte) {
	v := s.rng.Uint32()
	return *(*[4]byte)(unsafe.Pointer(&v))
}

// arrive begins the operation that is due at t. It is false when it has to wait
// for a connection.
func (g *group) arrive(t int64) bool {
	w := g.window(t)
	n := g.acc[w]
	var c *conn
	switch {
	case len(g.live) == 0: // nothing can be asked of the server
		n.Counts.Arrivals++
		n.Counts.Refused++
		return true
	case g.sc.mode == modeEcho:
		c = g.turn()
	default:
		if c = g.popIdle(); c == nil {
			return false
		}
	}
	n.Counts.Arrivals++
	if t >= g.freed {
		g.late[w].Record(durationOf(g.s.now - t))
	}
	if !g.ask(c, t) && g.sc.mode == modeRequest {
		g.rest(c)
	}
	return true
}

// ask sends the request that is due at t on c. It is false when c does not take it.
func (g *group) ask(c *conn, t int64) bool {
	n := g.in(t)
	var frame []byte
	if g.sc.mode == modeRequest {
		if frame = g.premade; frame == nil {
			frame = g.encode(c, 0, nil)
		}
	} else {
		g.enterEpoch(c, epochOf(g.stage, t))
		m := mark{scenario: uint8(g.sc.idx), epoch: c.epoch, stream: uint32(c.id), seq: c.sent, due: t}
		frame = g.encode(c, uint64(c.sent), &m)
	}
	if !g.s.send(c, frame) {
		n.Counts.Refused++
		return false
	}
	n.Counts.Sent++
	n.Counts.SentBytes += int64(len(frame))
	n.Counts.Expected++
	if g.sc.mode == modeRequest {
		c.due = t
		g.pending.push(request{c: c, due: t})
		return true
	}
	if g.sc.Model == plan.Closed && g.s.now-c.due > int64(g.sc.ReplyTimeout)/notes {
		c.due = g.s.now
		g.pending.push(request{c: c, due: t, seq: c.sent, epoch: c.epoch})
	}
	c.sent++
	return true
}

// notes is how often within the reply timeout the closed model notes how far a
// connection's echoes have to be, to find those that never come.
const notes = 8

// encode makes the masked frame of one message; it is valid until the next one.
func (g *group) encode(c *conn, seq uint64, m *mark) []byte {
	s := g.s
	s.text = g.compose(s.text[:0], g.sc.message, c, seq, m)
	s.frame = codec.AppendMasked(s.frame[:0], g.sc.op, s.text, s.key())
	return s.frame
}

// compose appends a message of or for c to dst.
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
		s.markBuf = m.append(s.markBuf[:0], s.e.prefix)
		v.Mark = s.markBuf
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

// turn is the next connection, round and round; there is one.
func (g *group) turn() *conn {
	if g.at >= len(g.live) {
		g.at = 0
	}
	g.at++
	return g.live[g.at-1]
}

// answered lets c be asked again.
func (g *group) answered(c *conn) {
	if g.sc.Model == plan.Closed {
		g.pause(c)
		return
	}
	g.rest(c)
	g.catchUp()
}

// expire gives up requests that were not answered in time.
func (g *group) expire() {
	limit := g.s.now - int64(g.sc.ReplyTimeout)
	for g.pending.size > 0 {
		p := g.pending.front()
		if g.sc.mode == modeRequest && p.c.due != p.due { // answered
			g.pending.pop()
			continue
		}
		if p.due > limit {
			break
		}
		r := g.pending.pop()
		if g.sc.mode == modeRequest {
			g.giveUp(r)
		} else if r.c.state == stateOpen {
			g.refill(r)
		}
	}
	for g.resting.size > 0 && g.resting.front().by <= g.s.now {
		if c := g.resting.pop().c; c.flags.has(flagExpired) {
			c.flags.clear(flagExpired)
			g.answered(c)
		}
	}
}

// giveUp counts the reply of r as lost. It may be late: its connection is asked
// again when it has come, or after another reply timeout. What comes later still
// is taken for the next reply.
func (g *group) giveUp(r request) {
	r.c.due = 0
	r.c.flags.set(flagExpired)
	g.resting.push(waiting{r.c, g.s.now + int64(g.sc.ReplyTimeout)})
	g.in(r.due).Counts.Lost++
}
