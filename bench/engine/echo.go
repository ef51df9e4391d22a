package engine

// echoes is what a connection has of one period's marked messages; those it sent
// itself in modeEcho, those of stream 0 in modeDeliver.
type echoes struct {
	tracker
	sent  uint32 // modeEcho: numbers used
	bad   uint32 // messages that came damaged beyond recognition
	given uint32 // replies given up; modeEcho, closed: echoes given up, in whose place others are under way
}

// enterEpoch has c number its messages anew in a new period. Echoes of the one
// before may still be under way.
func (g *group) enterEpoch(c *conn, epoch uint8) {
	if c.begun && c.epoch == epoch {
		return
	}
	if c.begun && c.got < c.sent {
		g.settlePrev(c, false)
		c.prev = new(echoes)
		*c.prev = c.echoes
	} else {
		g.settleEcho(&c.echoes, false)
	}
	c.echoes = echoes{}
	c.tracker.begin(epoch, 0)
}

// echoesOf is what c has of an epoch; nil: nothing is known of it any more.
func (c *conn) echoesOf(epoch uint8) *echoes {
	switch {
	case c.begun && c.epoch == epoch:
		return &c.echoes
	case c.prev != nil && c.prev.epoch == epoch:
		return c.prev
	}
	return nil
}

// refill gives up the echoes of the closed model that have not come up to r, and
// begins others in their place.
func (g *group) refill(r request) {
	e := r.c.echoesOf(r.epoch)
	if e == nil {
		return
	}
	// Without disorder, what is missing below the highest number is lost.
	missing := max(r.seq+1, e.next) - e.got
	for e.given < missing {
		e.given++
		g.pause(r.c)
	}
}

// settleEchoes counts the echoes of c that never came. cut tells that the
// connection has ended: then the last ones could not come.
func (g *group) settleEchoes(c *conn, cut bool) {
	g.settlePrev(c, cut)
	g.settleEcho(&c.echoes, cut)
	c.echoes = echoes{}
}

func (g *group) settlePrev(c *conn, cut bool) {
	if c.prev != nil {
		g.settleEcho(c.prev, cut)
		c.prev = nil
	}
}

func (g *group) settleEcho(e *echoes, cut bool) {
	if !e.begun {
		return
	}
	n := g.acc[g.windowOfEpoch(e.epoch)]
	missing := e.sent - min(e.got, e.sent)
	bad := min(e.bad, missing)
	missing -= bad
	n.Counts.Expected += int64(e.bad - bad) // nothing was due any more, and yet they came
	if cut {
		tail := min(e.sent-min(e.next, e.sent), missing)
		n.Counts.Cut += int64(tail)
		missing -= tail
	}
	n.Counts.Lost += int64(missing)
}

// freeSlot begins another message of the closed model in place of the one whose
// echo came.
func (g *group) freeSlot(c *conn, epoch uint8, a arrival) {
	if e := c.echoesOf(epoch); e != nil && a == outOfOrder && e.given > 0 {
		e.given-- // it was given up, and replaced
		return
	}
	g.pause(c)
}
