package engine

// quiet tells whether every message of the stage that is still possible has come.
func (g *group) quiet(heads Heads) bool {
	if len(g.scheds) > 0 && len(g.live) > 0 {
		return false // something due waits for a connection
	}
	if g.sc.mode == modeRequest {
		for g.pending.size > 0 && g.pending.front().c.due != g.pending.front().due {
			g.pending.pop()
		}
		return g.pending.size == 0
	}
	if g.owing < len(g.live) && g.owes(g.live[g.owing], heads) {
		return false // as last time
	}
	for i, c := range g.live {
		if g.owes(c, heads) {
			g.owing = i
			return false
		}
	}
	return true
}

// owes tells whether c still has to get something.
func (g *group) owes(c *conn, heads Heads) bool {
	switch g.sc.mode {
	case modeEcho:
		return c.begun && c.got+c.bad < c.sent
	case modeDeliver:
		missing := int64(0)
		g.eachStream(c, heads, func(l takings, h Head) {
			_, lost, cut := l.against(h)
			missing += lost + cut
		})
		return missing > int64(c.bad)
	}
	return false
}

// settle ends the stage: what has not come is lost.
func (g *group) settle(heads Heads) {
	if !g.on {
		return
	}
	g.on = false
	for _, s := range g.scheds {
		g.refuse(s)
	}
	g.scheds = nil
	for g.pending.size > 0 {
		if r := g.pending.pop(); g.sc.mode == modeRequest && r.c.due == r.due {
			g.giveUp(r)
		}
	}
	g.thinking, g.balked = ring[waiting]{}, ring[waiting]{}
	switch g.sc.mode {
	case modeEcho:
		for _, c := range g.live {
			g.settleEchoes(c, false)
		}
	case modeDeliver:
		for _, c := range g.live {
			g.settleStreams(c, heads)
		}
		g.settleGone(heads)
	}
}

// refuse counts what is left of a schedule until now: operations that were due
// and that no connection was free for. Where one was, the loop has been too slow.
func (g *group) refuse(s schedule) {
	slow := len(g.live) > 0 && (g.sc.mode == modeEcho || g.idle.size > 0)
	for w, n := range [2]int64{other: s.skip(g.stage.From), measured: s.skip(g.s.now)} {
		c := &g.acc[w].Counts
		c.Arrivals += n
		if slow {
			c.Dropped += n
		} else {
			c.Refused += n
		}
	}
}

// settleStreams counts what c did not get.
func (g *group) settleStreams(c *conn, heads Heads) {
	missing, n := int64(0), &g.acc[measured].Counts
	g.eachStream(c, heads, func(l takings, h Head) {
		expected, lost, cut := l.against(h)
		n.Expected += expected
		missing += lost + cut
	})
	stand := min(int64(c.bad), missing)
	n.Lost += missing - stand
	n.Expected += int64(c.bad) - stand
}

// eachStream calls fn for every stream that c should have got in the measured
// period, with what it did get.
func (g *group) eachStream(c *conn, heads Heads, fn func(takings, Head)) {
	of := func(stream int, h Head) {
		if l, ok := g.takingsOf(c, stream); ok {
			fn(l, h)
		}
	}
	switch {
	case g.pushes():
		of(0, g.sc.pushes.pushesTo(int(c.id)-g.sc.share.First, g.epoch))
	case g.sc.idx < len(heads):
		for stream, h := range heads[g.sc.idx] {
			of(stream, h)
		}
	}
}
