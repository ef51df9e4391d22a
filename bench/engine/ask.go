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
	by    int64  // when it is given up: the reply timeout counts from the send
	seq   uint32 // modeEcho
	epoch uint8  // modeEcho
}

// key is a fresh mask. Prediction is no danger here, so a fast generator will do.
func (s *shard) key() (k [4]byte) {
	v := s.rng.Uint32()
	return *(*[4]byte)(unsafe.Pointer(&v))
}

// asked is what became of a request.
type asked uint8

const (
	askSent   asked = iota
	askFull         // the connection has too much that the server has not taken
	askBroken       // the connection has ended
)

// arrive begins the operation that is due at t. It is false when it has to wait
// for a connection.
func (g *group) arrive(t int64) bool {
	w := g.window(t)
	n := &g.acc[w].Counts
	late := durationOf(g.s.now - t)
	for {
		c := g.next()
		if c == nil && len(g.live) > 0 {
			return false
		}
		if c == nil { // nothing can be asked of the server
			n.Arrivals++
			n.Refused++
			return true
		}
		free := g.freed
		how := g.ask(c, t)
		if how == askBroken {
			continue // another one has to do it
		}
		n.Arrivals++
		if t >= free {
			g.late[w].Record(late)
		}
		if how == askFull && g.sc.mode == modeRequest {
			g.rest(c)
		}
		return true
	}
}

// next is the connection whose turn it is; nil: there is none that may be asked.
func (g *group) next() *conn {
	if g.sc.mode == modeRequest {
		return g.popIdle()
	}
	if len(g.live) == 0 {
		return nil
	}
	if g.at >= len(g.live) {
		g.at = 0
	}
	g.at++
	return g.live[g.at-1]
}

// ask sends the request that is due at t on c.
func (g *group) ask(c *conn, t int64) asked {
	n := &g.in(t).Counts
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
		if c.state != stateOpen {
			return askBroken
		}
		n.Refused++
		return askFull
	}
	n.Sent++
	n.SentBytes += int64(len(frame))
	n.Expected++
	by := g.s.now + int64(g.sc.ReplyTimeout)
	if g.sc.mode == modeRequest {
		c.due = t
		g.await(request{c: c, due: t, by: by})
		return askSent
	}
	if g.sc.Model == plan.Closed && g.s.now-c.due > int64(g.sc.ReplyTimeout)/notes {
		c.due = g.s.now
		g.await(request{c: c, by: by, seq: c.sent, epoch: c.epoch})
	}
	c.sent++
	return askSent
}

// await has a request given up in time.
func (g *group) await(r request) {
	g.pending.push(r)
	g.s.sooner(r.by)
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
	for g.pending.size > 0 {
		p := g.pending.front()
		if g.sc.mode == modeRequest && p.c.due != p.due { // answered
			g.pending.pop()
			continue
		}
		if p.by > g.s.now {
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
		r := g.resting.pop()
		if r.c.flags.has(flagExpired) && r.c.given == r.given {
			r.c.flags.clear(flagExpired)
			g.answered(r.c)
		}
	}
}

// resting is a connection of modeRequest whose reply was given up.
type resting struct {
	c     *conn
	given uint32 // how many of its replies were, with this one
	by    int64  // when it is asked again
}

// giveUp counts the reply of r as lost. It may be late: its connection is asked
// again when it has come, or after another reply timeout. What comes later still
// is taken for the next reply.
func (g *group) giveUp(r request) {
	r.c.due = 0
	r.c.flags.set(flagExpired)
	r.c.given++
	by := g.s.now + int64(g.sc.ReplyTimeout)
	g.resting.push(resting{r.c, r.c.given, by})
	g.s.sooner(by)
	g.in(r.due).Counts.Lost++
}
