package engine

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"

	"carillon/bench/plan"
	"carillon/bench/stats"
	"carillon/codec"
)

// feed gives bytes to a connection and returns how many of them it took. What it
// did not take has to be given again with more behind it.
func (s *shard) feed(c *conn, b []byte) (used int) {
	if c.state == stateHandshake {
		if used = s.upgraded(c, b); c.state != stateOpen {
			return used
		}
		if used < len(b) {
			c.g.firstSegment(b[used:])
		}
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
		case ws.OpContinuation:
		case ws.OpText, ws.OpBinary:
			c.g.message(c, m)
		case ws.OpPing:
			s.frame = codec.AppendMasked(s.frame[:0], ws.OpPong, m.Payload, s.key())
			s.send(c, s.frame)
		case ws.OpClose:
			s.serverCloses(c, m.Payload)
		}
	}
	return used
}

// firstSegment counts the messages in the segment of the 101.
func (g *group) firstSegment(b []byte) {
	for len(b) > 0 {
		n, ok := codec.FrameLen(b)
		if !ok || n > len(b) {
			return
		}
		if opData(ws.OpCode(b[0] & 0x0f)) {
			g.in(g.s.now).Counts.FirstSegment++
		}
		b = b[n:]
	}
}

// broke ends a connection whose server broke the protocol.
func (g *group) broke(c *conn, cerr *codec.CloseError) {
	s := g.s
	n := g.in(s.now)
	n.Counts.Wrong++
	n.Cause(stats.Wrong, "protocol: "+cerr.Reason, 1)
	s.frame = codec.AppendMasked(s.frame[:0], ws.OpClose, codec.AppendClose(nil, cerr.Code, cerr.Reason)[2:], s.key())
	s.send(c, s.frame)
	s.ends(c, "we closed: "+cerr.Reason)
	s.drop(c)
}

// message handles a text or binary message.
func (g *group) message(c *conn, m codec.Message) {
	s := g.s
	if c.flags.has(flagAnswered) {
		// Nothing: the common case comes first.
	} else {
		c.flags.set(flagAnswered)
		g.in(s.now).Hist(stats.FirstMessage).Record(durationOf(s.now - c.born))
	}
	size := int64(codec.FrameSize(len(m.Payload)))
	for _, prefix := range g.sc.ignore {
		if len(m.Payload) >= len(prefix) && string(m.Payload[:len(prefix)]) == prefix {
			g.received(g.in(s.now), size)
			return
		}
	}
	if c.role != roleMember {
		g.received(g.in(s.now), size)
		return
	}
	switch g.sc.mode {
	case modeRequest:
		g.reply(c, m, size)
	case modeEcho, modeDeliver:
		g.marked(c, m, size)
	default:
		n := g.in(s.now)
		g.received(n, size)
		n.Counts.Unexpected++
	}
}

func (g *group) received(n *stats.Totals, size int64) {
	n.Counts.Received++
	n.Counts.ReceivedBytes += size
}

// reply judges the answer to a fixed request.
func (g *group) reply(c *conn, m codec.Message, size int64) {
	s := g.s
	right := m.Op == g.sc.op || g.sc.anyReply
	want := g.sc.constant
	if !g.sc.anyReply && right {
		if want == nil {
			s.wanted = g.compose(s.wanted[:0], g.sc.expect, c, 0, nil)
			want = s.wanted
		}
		right = bytes.Equal(m.Payload, want)
	}
	due := c.due
	at := due
	if at == 0 {
		at = s.now
	}
	n := g.in(at)
	g.received(n, size)
	switch {
	case due != 0 && right:
		c.due = 0
		g.latency(due, s.now)
		n.Counts.OK++
		g.answered(c)
	case due != 0 && len(m.Payload) == len(want):
		c.due = 0
		n.Counts.Wrong++
		n.Cause(stats.Wrong, "reply with other bytes than expected", 1)
		g.answered(c)
	case right && c.flags.has(flagExpired):
		c.flags.clear(flagExpired)
		n.Counts.Late++
		g.answered(c)
	case right && due == 0:
		n.Counts.Duplicate++
	default:
		n.Counts.Unexpected++
	}
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

// catchUp begins operations that waited for a connection.
func (g *group) catchUp() {
	if g.sched.next <= g.s.now {
		g.s.sooner(g.pump())
	}
}

// pause has c send its next request of the closed model after the think time.
func (g *group) pause(c *conn) {
	switch {
	case !g.on || g.s.now >= g.stage.To:
	case g.sc.Think <= 0:
		g.again(c)
	default:
		by := g.s.now + int64(g.sc.Think)
		g.thinking.push(waiting{c, by})
		g.s.sooner(by)
	}
}

// sooner makes the pacer wake the loop at t at the latest.
func (s *shard) sooner(t int64) {
	if t < s.next.Load() {
		s.next.Store(t)
	}
}

// marked judges a message by the mark in it: an echo, or a delivery.
func (g *group) marked(c *conn, msg codec.Message, size int64) {
	s := g.s
	m, found, ok := findMark(msg.Payload, s.e.prefix)
	if !ok {
		n := g.in(s.now)
		g.received(n, size)
		if found || g.looksLike(len(msg.Payload)) {
			c.bad++
			n.Counts.Wrong++
			n.Cause(stats.Wrong, "message damaged, its mark included", 1)
		} else {
			n.Counts.Unexpected++
		}
		return
	}
	if int(m.scenario) != g.sc.idx {
		g.received(g.acc[other], size) // another scenario of the mix publishes to everybody
		return
	}
	n := g.acc[other]
	if m.epoch == g.epoch {
		n = g.acc[measured]
	}
	g.received(n, size)
	if g.sc.mode == modeEcho || g.sc.Kind == plan.Push {
		if m.stream != uint32(c.id) {
			n.Counts.Wrong++
			n.Cause(stats.Wrong, "message for another connection", 1)
			return
		}
		m.stream = 0
	} else if m.stream >= uint32(g.sc.Publish.Publishers) {
		n.Counts.Wrong++
		n.Cause(stats.Wrong, "mark of a publisher that does not exist", 1)
		return
	}
	t := c.tracker(m.stream)
	if !t.begun || t.epoch != m.epoch {
		if t.begun && m.epoch < t.epoch {
			g.previous(n, m, s.now)
			return
		}
		if g.sc.mode == modeEcho {
			n.Counts.Unexpected++ // of a stage that has been settled
			return
		}
		first := uint32(0)
		if c.flags.has(flagLateJoin) {
			first = m.seq
		}
		t.begin(m.epoch, first)
	}
	a := t.see(m.seq)
	if g.sc.mode == modeEcho && m.seq >= c.sent {
		a = duplicate // never asked; impossible without a fault
	}
	good := g.sc.anyReply || msg.Op == g.sc.op && g.whole(c, msg.Payload, &m)
	switch {
	case a == duplicate:
		n.Counts.Duplicate++
		return
	case !good:
		n.Counts.Wrong++
		n.Cause(stats.Wrong, "message with other bytes than were sent", 1)
	case a == outOfOrder:
		n.Counts.OutOfOrder++
	case g.sc.ReplyTimeout > 0 && s.now-m.due > int64(g.sc.ReplyTimeout):
		n.Counts.Late++
		n.Counts.Lost++
	default:
		n.Counts.OK++
	}
	w := other
	if n == g.acc[measured] {
		w = measured
	}
	g.lat[w].Record(durationOf(s.now - m.due))
	if g.sc.mode == modeEcho && g.sc.Model == plan.Closed {
		g.pause(c)
	}
}

// previous counts a message of the warm-up that came when the measured period
// had begun: there is no tracker for it any more.
func (g *group) previous(n *stats.Totals, m mark, now int64) {
	n.Counts.OK++
	g.lat[other].Record(durationOf(now - m.due))
}

// whole compares a payload with what was sent, byte for byte.
func (g *group) whole(c *conn, payload []byte, m *mark) bool {
	s := g.s
	sent := *m
	id := c.id
	if g.sc.mode == modeEcho || g.sc.Kind == plan.Push {
		sent.stream = uint32(c.id)
	} else {
		id = -1 // a broadcast belongs to no connection
	}
	v := plan.Values{ID: int(id) + g.sc.FirstID, Seq: uint64(m.seq)}
	s.wanted = g.sc.appendText(s.wanted[:0], g.sc.expect, &v, &sent, s)
	return bytes.Equal(payload, s.wanted)
}

// looksLike tells whether a message without a mark has the length that messages
// of this scenario have, so that it is one of ours, damaged.
func (g *group) looksLike(n int) bool {
	if g.sc.anyReply || g.sc.expect == nil {
		return false
	}
	s := g.s
	v := plan.Values{ID: g.sc.FirstID}
	s.wanted = g.sc.appendText(s.wanted[:0], g.sc.expect, &v, &mark{}, s)
	d := n - len(s.wanted)
	return d >= -12 && d <= 12 // numbers in a message have some digits more or less
}

// serverCloses answers the server's close frame.
func (s *shard) serverCloses(c *conn, payload []byte) {
	code, reason, cerr := codec.ParseClose(payload)
	text := "close " + code.String()
	if cerr != nil {
		text = "close frame: " + cerr.Reason
	} else if len(reason) > 0 {
		text += ": " + printable(reason)
	}
	c.flags.set(flagByeSeen)
	if c.state == stateLeaving {
		s.drop(c)
		return
	}
	s.ends(c, text)
	echo := payload
	if len(echo) > 2 {
		echo = echo[:2]
	}
	s.frame = codec.AppendMasked(s.frame[:0], ws.OpClose, echo, s.key())
	s.send(c, s.frame)
	s.drop(c)
}

// printable makes a server's text fit for a report.
func printable(b []byte) string {
	const most = 80
	if !utf8.Valid(b) {
		return "(not UTF-8)"
	}
	text := strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, string(b))
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

// causeOf names the error a connection ended with.
func causeOf(err error) string {
	switch {
	case err == nil, errors.Is(err, io.EOF):
		return "closed without a close frame"
	case errors.Is(err, unix.ECONNRESET), errors.Is(err, unix.EPIPE):
		return "reset by peer"
	case errors.Is(err, unix.ETIMEDOUT):
		return "connection timed out"
	}
	return printable([]byte(err.Error()))
}
