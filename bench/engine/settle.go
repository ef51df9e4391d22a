package engine

import "carillon/bench/stats"

// quiet tells whether every message of the stage that is still possible has come.
func (g *group) quiet(heads Heads) bool {
	switch g.sc.mode {
	case modeRequest:
		for g.pending.size > 0 && g.pending.front().c.due != g.pending.front().due {
			g.pending.pop()
		}
		return g.pending.size == 0
	case modeEcho:
		for _, c := range g.live {
			if c.track.begun && c.track.got+c.bad < c.sent {
				return false
			}
		}
	case modeDeliver:
		for _, c := range g.live {
			if g.owed(c, heads) > 0 {
				return false
			}
		}
	}
	return true
}

// owed is how many messages of the measured period have not come at c.
func (g *group) owed(c *conn, heads Heads) (n int64) {
	g.eachStream(c, heads, func(t *tracker, h Head) {
		n += max(int64(h.Published)-int64(t.first)-int64(h.Failed)-int64(t.got), 0)
	})
	return max(n-int64(c.bad), 0)
}

// eachStream calls fn for every stream c should have got, with what it did get.
func (g *group) eachStream(c *conn, heads Heads, fn func(*tracker, Head)) {
	none := tracker{}
	of := func(stream int) *tracker {
		var t *tracker
		if stream == 0 {
			t = &c.track
		} else if stream <= len(c.more) {
			t = &c.more[stream-1]
		}
		if t == nil || !t.begun || t.epoch != g.epoch {
			return &none
		}
		return t
	}
	if seqs := g.sc.pushSeqs(); seqs != nil {
		fn(of(0), Head{Published: seqs(int(c.id) - g.sc.share.First)})
		return
	}
	if g.sc.idx >= len(heads) {
		return
	}
	for stream, h := range heads[g.sc.idx] {
		t := of(stream)
		if t == &none && c.flags.has(flagLateJoin) {
			continue // it may have come after the last one
		}
		fn(t, h)
	}
}

// pushSeqs returns how many pushes a connection was sent in the measured period.
// The publishers are at rest.
func (sc *scenario) pushSeqs() func(i int) uint32 {
	if sc.pushes == nil || len(sc.pushes.pubs) == 0 || sc.pushes.pubs[0].seqs == nil {
		return nil
	}
	pubs := sc.pushes.pubs
	return func(i int) uint32 {
		pub := pubs[i%len(pubs)]
		if i < 0 || i >= len(pub.seqs) || pub.epoch != sc.pushes.epoch {
			return 0
		}
		return pub.seqs[i] - pub.failedAt(i)
	}
}

// leaveStreams remembers what a connection that ended had got, because how much
// there was to get is known only at the end.
func (g *group) leaveStreams(c *conn) {
	note := func(stream int, t *tracker) {
		if !t.begun || t.epoch != g.epoch {
			t = &tracker{}
		}
		for len(g.gone) <= stream {
			g.gone = append(g.gone, ended{})
		}
		e := &g.gone[stream]
		e.conns++
		e.next += uint64(t.next)
		n := g.acc[measured]
		lost := int64(t.missing())
		n.Counts.Lost += lost
		n.Counts.Expected += int64(t.next - t.first)
	}
	if g.sc.pushSeqs() != nil {
		n := g.acc[measured]
		t := &c.track
		if t.begun && t.epoch == g.epoch {
			n.Counts.Lost += int64(t.missing())
			n.Counts.Expected += int64(t.next - t.first)
		}
		g.cutPushes = append(g.cutPushes, cutPush{int(c.id) - g.sc.share.First, t.next})
		return
	}
	for stream := range g.sc.Publish.Publishers {
		note(stream, c.tracker(uint32(stream)))
	}
}

// cutPush is a connection that ended, with the number it had come to.
type cutPush struct {
	i    int
	next uint32
}

// settle ends the stage: what has not come is lost.
func (g *group) settle(heads Heads) {
	if !g.on {
		return
	}
	g.on = false
	n := g.acc[measured]
	left := g.sched.left()
	n.Counts.Arrivals += left
	n.Counts.Refused += left
	for g.pending.size > 0 {
		if r := g.pending.pop(); r.c.due == r.due {
			r.c.due = 0
			r.c.flags.set(flagExpired)
			g.in(r.due).Counts.Lost++
		}
	}
	g.thinking = ring[waiting]{}
	switch g.sc.mode {
	case modeEcho:
		for _, c := range g.live {
			if c.track.begun {
				g.settleEcho(c, false)
			}
		}
	case modeDeliver:
		for _, c := range g.live {
			g.eachStream(c, heads, func(t *tracker, h Head) {
				n.Counts.Expected += max(int64(h.Published)-int64(t.first)-int64(h.Failed), int64(t.got))
			})
			n.Counts.Lost += g.owed(c, heads)
		}
		g.settleGone(n, heads)
	}
}

// settleGone counts what connections that ended did not get any more.
func (g *group) settleGone(n *stats.Totals, heads Heads) {
	if seqs := g.sc.pushSeqs(); seqs != nil {
		for _, c := range g.cutPushes {
			cut := max(int64(seqs(c.i))-int64(c.next), 0)
			n.Counts.Cut += cut
			n.Counts.Expected += cut
		}
		g.cutPushes = g.cutPushes[:0]
		return
	}
	if g.sc.idx >= len(heads) {
		return
	}
	for stream, h := range heads[g.sc.idx] {
		if stream < len(g.gone) {
			cut := max(int64(g.gone[stream].conns)*int64(h.Published-h.Failed)-int64(g.gone[stream].next), 0)
			n.Counts.Cut += cut
			n.Counts.Expected += cut
		}
	}
}

// swap takes what was counted and begins anew.
func (g *group) swap() (taken [2]*stats.Totals) {
	taken = g.acc
	for w := range g.acc {
		g.acc[w] = g.spare[w]
		if g.acc[w] == nil {
			g.acc[w] = new(stats.Totals)
		}
		g.spare[w] = nil
		g.lat[w] = g.acc[w].Hist(stats.Latency)
	}
	return taken
}

// giveBack returns what swap gave out, so that its memory is used again. Any
// goroutine, one at a time.
func (g *group) giveBack(t [2]*stats.Totals) {
	for w := range t {
		t[w].Reset()
	}
	g.s.post(func() { g.spare = t })
}
