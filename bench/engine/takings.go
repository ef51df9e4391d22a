package engine

import "carillon/bench/plan"

// takings is what receivers have got of a stream in the measured period, added up
// over any number of them.
type takings struct {
	conns int64
	first int64 // sum of the numbers they began with
	next  int64 // sum of the numbers they had come to
	got   int64 // different messages that came
}

// takingsOf is what c has got of a stream. It is not ok when nobody knows what it
// should have.
func (g *group) takingsOf(c *conn, stream int) (l takings, ok bool) {
	t, ok := c.known(stream, g.epoch)
	if !ok {
		return takings{conns: 1}, !g.joinedLate(c)
	}
	return takings{conns: 1, first: int64(t.first), next: int64(t.next), got: int64(t.got)}, true
}

// against compares with what was published: how many messages were expected, how
// many were lost, of which later ones came, and how many never came at the end.
// Messages that the server did not take are not missed.
func (l takings) against(h Head) (expected, lost, cut int64) {
	failed := l.conns * int64(h.Failed)
	expected = max(l.conns*int64(h.Published)-failed-l.first, l.got)
	missing := expected - l.got
	lost = min(max(l.next-l.first-l.got-failed, 0), missing)
	return expected, lost, missing - lost
}

func (l *takings) add(o takings) {
	l.conns += o.conns
	l.first += o.first
	l.next += o.next
	l.got += o.got
}

// gone is what connections had got that ended in the measured period. How much
// there was to get is known only at its end.
type gone struct {
	streams []takings // of broadcasts
	pushed  []pushed
	bad     int64 // messages damaged beyond recognition
	broke   int64 // connections that ended because the server broke the protocol
}

// pushed is what a receiver of pushes had got.
type pushed struct {
	takings
	i int // its index in the share
}

func (a *gone) reset() { *a = gone{streams: a.streams[:0], pushed: a.pushed[:0]} }

// pushes tells whether every receiver has a stream of its own.
func (g *group) pushes() bool { return g.sc.Kind == plan.Push }

// leaveStreams remembers what a connection that ended had got.
func (g *group) leaveStreams(c *conn) {
	a := &g.gone
	a.bad += int64(c.bad)
	if g.pushes() {
		if l, ok := g.takingsOf(c, 0); ok {
			a.pushed = append(a.pushed, pushed{l, int(c.id) - g.sc.share.First})
		}
		return
	}
	for stream := range g.sc.Publish.Publishers {
		if len(a.streams) <= stream {
			a.streams = append(a.streams, takings{})
		}
		if l, ok := g.takingsOf(c, stream); ok {
			a.streams[stream].add(l)
		}
	}
}

// settleGone counts what connections that ended did not get.
func (g *group) settleGone(heads Heads) {
	a, n := &g.gone, &g.acc[measured].Counts
	var lost, cut int64
	add := func(l takings, h Head) {
		expected, x, y := l.against(h)
		n.Expected += expected
		lost += x
		cut += y
	}
	for _, p := range a.pushed {
		add(p.takings, g.sc.pushes.pushesTo(p.i, g.epoch))
	}
	for stream, l := range a.streams {
		h := Head{}
		if g.sc.idx < len(heads) && stream < len(heads[g.sc.idx]) {
			h = heads[g.sc.idx][stream]
		}
		add(l, h)
	}
	// A frame that broke the protocol was its connection's last, a damaged one came before others.
	stand := func(n int64, of *int64) int64 { k := min(n, *of); *of -= k; return n - k }
	broke := stand(stand(a.broke, &cut), &lost)
	bad := stand(stand(a.bad, &lost), &cut)
	n.Expected += broke + bad
	n.Lost += lost
	n.Cut += cut
	a.reset()
}
