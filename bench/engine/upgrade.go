package engine

import (
	"carillon/bench/stats"
	"carillon/codec"
)

// maxResponse bounds the header block of a server's answer.
const maxResponse = 16 << 10

// upgraded reads the server's answer and takes the connection in when it is an
// agreement.
func (s *shard) upgraded(c *conn, b []byte) (used int) {
	r, n, err := codec.ScanResponse(b, maxResponse)
	if err == nil && n == 0 {
		return 0
	}
	if err == nil {
		err = r.Check(c.hs.accept, c.g.sc.Subprotocol)
	}
	if err != nil {
		c.hs.bye = printable([]byte(err.Error()))
		s.drop(c)
		return len(b)
	}
	hs := c.hs
	c.hs = nil
	c.state, c.born = stateOpen, s.now
	sc := c.g.sc
	t := c.g.acc[sc.windowOf(hs.due)]
	t.Counts.Connected++
	t.Hist(stats.Upgrade).Record(durationOf(s.now - hs.asked))
	t.Hist(stats.Connect).Record(durationOf(s.now - hs.due))
	c.g.add(c)
	switch c.role {
	case roleChurner:
		by := s.now + int64(sc.Churn.Lifetime)
		c.g.churn.push(waiting{c, by})
		s.sooner(by)
	case rolePublisher:
		sc.pushes.opened(c)
	}
	hs.attempt.done(c, "")
	return n
}
