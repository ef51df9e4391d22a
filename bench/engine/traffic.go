package engine

import (
	"bytes"

	"github.com/gobwas/ws"

	"carillon/bench/plan"
	"carillon/bench/stats"
	"carillon/codec"
)

// feed gives bytes to a connection and returns how many of them it took. What it
// did not take has to be given again with more behind it.
func (s *shard) feed(c *conn, b []byte) (used int) {
	if c.state == stateHandshake {
		if used = s.upgraded(c, b); c.hs != nil || used == 0 {
			return used
		}
		c.flags.set(flagFirst)
		defer c.flags.clear(flagFirst)
	}
	for used < len(b) && c.state != stateClosed {
		if c.flags.has(flagByeSeen) {
			return len(b) // RFC 6455 §5.5.1: nothing counts after a close frame
		}
		m, n, cerr := s.dec.Next(&c.part, false, b[used:])
		if cerr != nil {
			c.g.broke(c, cerr)
			return len(b)
		}
		if n == 0 {
			return used
		}
		used += n
		switch m.Op {
		case ws.OpContinuation: // a piece of a message
			c.g.in(s.now).Counts.ReceivedBytes += int64(n)
		case ws.OpText, ws.OpBinary:
			c.g.message(c, m, int64(n))
		case ws.OpPing:
			s.frame = codec.AppendMasked(s.frame[:0], ws.OpPong, m.Payload, s.key())
			s.send(c, s.frame)
		case ws.OpClose:
			s.serverCloses(c, m.Payload)
		}
	}
	return used
}

// broke ends a connection whose server broke the protocol.
func (g *group) broke(c *conn, cerr *codec.CloseError) {
	s := g.s
	g.wrong(c, "protocol: "+cerr.Reason, true)
	s.ends(c, "we closed: "+cerr.Reason)
	s.frame = codec.AppendMasked(s.frame[:0], ws.OpClose, codec.AppendClose(nil, cerr.Code, cerr.Reason)[2:], s.key())
	s.send(c, s.frame)
	s.drop(c)
}

// wrong counts a message that was damaged so that nobody knows which it was. It
// stands for one that was due, if one was; else it counts as expected, so that
// the sums agree. last tells that the connection ends with it.
func (g *group) wrong(c *conn, cause string, last bool) {
	w, stands := g.window(g.s.now), false
	switch {
	case c.role != roleMember:
	case g.sc.mode == modeRequest && c.due != 0:
		w, stands = g.window(c.due), true
		c.due = 0
	case g.sc.mode == modeEcho && c.begun:
		w, stands = g.windowOfEpoch(c.epoch), true
		c.bad++
	case g.sc.mode == modeDeliver && g.on && g.s.now >= g.stage.From:
		w, stands = measured, true
		if last {
			g.gone.broke++
		} else {
			c.bad++
		}
	}
	n := g.acc[w]
	n.Counts.Wrong++
	n.Cause(stats.Wrong, cause, 1)
	if !stands {
		n.Counts.Expected++
	}
}

// received counts a message, of which n bytes had not been counted yet.
func (c *conn) received(t *stats.Totals, n int64) {
	t.Counts.Received++
	t.Counts.ReceivedBytes += n
	if c.flags.has(flagFirst) {
		t.Counts.FirstSegment++
	}
}

// message handles a text or binary message.
func (g *group) message(c *conn, m codec.Message, size int64) {
	s := g.s
	if !c.flags.has(flagAnswered) {
		c.flags.set(flagAnswered)
		if !g.on || g.sc.mode == modeIdle || c.role != roleMember { // the server speaks by itself
			g.in(s.now).Hist(stats.FirstMessage).Record(durationOf(s.now - c.born))
		}
	}
	if c.role != roleMember || g.ignores(m.Payload) {
		c.received(g.in(s.now), size)
		return
	}
	switch g.sc.mode {
	case modeRequest:
		g.reply(c, m, size)
	case modeEcho, modeDeliver:
		g.marked(c, m, size)
	default:
		if !g.foreign(c, m.Payload, size) {
			n := g.in(s.now)
			c.received(n, size)
			n.Counts.Unexpected++
		}
	}
}

// ignores tells whether a message is not to be looked at.
func (g *group) ignores(payload []byte) bool {
	for _, prefix := range g.sc.Ignore {
		if len(payload) >= len(prefix) && string(payload[:len(prefix)]) == prefix {
			return true
		}
	}
	return false
}

// foreign counts a message that another scenario of the mix publishes to
// everybody. It is false when the message is none.
func (g *group) foreign(c *conn, payload []byte, size int64) bool {
	if !g.s.e.marks {
		return false
	}
	m, _, is := findMark(payload, g.s.e.prefix)
	if is == noMark || is != damagedMark && int(m.scenario) == g.sc.idx {
		return false
	}
	n := g.acc[other]
	c.received(n, size)
	if is == damagedMark {
		n.Counts.Wrong++
		n.Counts.Expected++
		n.Cause(stats.Wrong, causeDamaged, 1)
	}
	return true
}

// Causes of wrong messages.
const (
	causeReply   = "reply with other bytes than expected"
	causeBytes   = "message with other bytes than were sent"
	causeDamaged = "message damaged, its mark included"
	causeStray   = "message for another connection"
	causeNobody  = "mark of a publisher that does not exist"
)

// reply judges the answer to a fixed request.
func (g *group) reply(c *conn, m codec.Message, size int64) {
	s := g.s
	want := g.sc.constant
	if want == nil && !g.sc.anyReply {
		s.wanted = g.compose(s.wanted[:0], g.sc.expect, c, 0, nil)
		want = s.wanted
	}
	right := g.sc.anyReply || m.Op == g.sc.op && bytes.Equal(m.Payload, want)
	if (!right || g.sc.anyReply) && g.foreign(c, m.Payload, size) {
		return
	}
	due := c.due
	n := g.in(s.now)
	if due != 0 {
		n = g.in(due)
	}
	c.received(n, size)
	switch {
	case right && due != 0:
		c.due = 0
		g.latency(g.window(due), due)
		n.Counts.OK++
		g.answered(c)
	case right && c.flags.has(flagExpired):
		c.flags.clear(flagExpired)
		n.Counts.Late++
		g.answered(c)
	case right:
		n.Counts.Duplicate++
	case due != 0 && len(m.Payload) == len(want):
		g.wrong(c, causeReply, false)
		g.answered(c)
	default:
		n.Counts.Unexpected++
	}
}

// latency records the time from due until now.
func (g *group) latency(w int, due int64) { g.lat[w].Record(durationOf(g.s.now - due)) }

// marked judges a message by the mark in it: an echo, or a delivery.
func (g *group) marked(c *conn, msg codec.Message, size int64) {
	m, good := g.alike.find(msg.Op, msg.Payload)
	if !good {
		var is finding
		var at int
		m, at, is = findMark(msg.Payload, g.s.e.prefix)
		switch {
		case is == noMark:
			n := g.in(g.s.now)
			c.received(n, size)
			n.Counts.Unexpected++
			return
		case is == damagedMark:
			c.received(g.in(g.s.now), size)
			g.wrong(c, causeDamaged, false)
			return
		case int(m.scenario) != g.sc.idx:
			c.received(g.acc[other], size) // another scenario of the mix publishes to everybody
			return
		}
		good = is == wholeMark && (g.sc.anyReply || msg.Op == g.sc.op && g.whole(c, msg.Payload, &m))
		if good && g.sc.mode == modeDeliver && g.sc.Kind != plan.Push {
			g.alike.keep(msg.Op, msg.Payload, m, at)
		}
	}
	w := g.windowOfEpoch(m.epoch)
	if !g.on || m.epoch+1 < g.epoch { // a settled stage: it was counted as lost
		c.received(g.acc[other], size)
		g.acc[other].Counts.Late++
		return
	}
	n := g.acc[w]
	c.received(n, size)
	a, ok := g.place(c, &m, n)
	switch {
	case !ok:
		return
	case a == duplicate:
		n.Counts.Duplicate++
		return
	case !good:
		n.Counts.Wrong++
		n.Cause(stats.Wrong, causeBytes, 1)
	case a == outOfOrder:
		n.Counts.OutOfOrder++
	case g.s.now-m.due > int64(g.sc.ReplyTimeout):
		n.Counts.Late++
		n.Counts.Lost++
	default:
		n.Counts.OK++
	}
	if good {
		g.latency(w, m.due)
	}
	if g.sc.mode == modeEcho && g.sc.Model == plan.Closed {
		g.freeSlot(c, m.epoch, a)
	}
}

// place finds what a number is in its stream. It is not ok when the message has
// been counted as what it is.
func (g *group) place(c *conn, m *mark, n *stats.Totals) (a arrival, ok bool) {
	stream := m.stream
	if g.sc.mode == modeEcho || g.sc.Kind == plan.Push {
		if m.stream != uint32(c.id) {
			n.Counts.Wrong++
			n.Counts.Expected++
			n.Cause(stats.Wrong, causeStray, 1)
			return 0, false
		}
		stream = 0
	} else if stream >= uint32(g.sc.Publish.Publishers) {
		n.Counts.Wrong++
		n.Counts.Expected++
		n.Cause(stats.Wrong, causeNobody, 1)
		return 0, false
	}
	if g.sc.mode == modeEcho {
		e := c.echoesOf(m.epoch)
		switch {
		case e == nil: // every echo of the warm-up has come
			n.Counts.Duplicate++
			return 0, false
		case m.seq >= e.sent:
			n.Counts.Unexpected++
			return 0, false
		}
		return e.see(m.seq), true
	}
	t := c.stream(stream)
	if !t.begun || t.epoch != m.epoch {
		if t.begun && m.epoch < t.epoch { // the end of the warm-up, after the beginning of the measured period
			return inOrder, true
		}
		first := uint32(0)
		if m.epoch != g.epoch || g.joinedLate(c) {
			first = m.seq
		}
		t.begin(m.epoch, first)
	}
	return t.see(m.seq), true
}

// lateGrace is how long before the measured period a connection has to be there
// to be held to all of it, in ns: a server may take a moment until messages reach
// a connection it has upgraded.
const lateGrace = 1e9

// joinedLate tells that nobody knows with which message c began.
func (g *group) joinedLate(c *conn) bool {
	return c.flags.has(flagLateJoin) && c.born > g.stage.From-lateGrace
}

// whole compares a payload with what was sent, byte for byte.
func (g *group) whole(c *conn, payload []byte, m *mark) bool {
	s := g.s
	v := plan.Values{Seq: uint64(m.seq), ID: g.sc.FirstID}
	if g.sc.mode == modeEcho || g.sc.Kind == plan.Push {
		v.ID += int(m.stream)
	}
	s.wanted = g.sc.appendText(s.wanted[:0], g.sc.expect, &v, m, s)
	return bytes.Equal(payload, s.wanted)
}
