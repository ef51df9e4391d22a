package engine

import (
	"bytes"

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
	switch c.role {
	case roleMember:
		c.g.add(c)
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

// appendRequest appends the upgrade request of a connection.
func (sc *scenario) appendRequest(dst []byte, target []byte, nonce [16]byte, version string, headers [][2]string) []byte {
	has := func(name string) bool {
		for _, h := range headers {
			if len(h[0]) == len(name) && bytes.EqualFold([]byte(h[0]), []byte(name)) {
				return true
			}
		}
		return false
	}
	line := func(name, value string) {
		dst = append(append(append(append(dst, name...), ": "...), value...), "\r\n"...)
	}
	dst = append(append(append(dst, "GET "...), target...), " HTTP/1.1\r\n"...)
	if !has("Host") {
		line("Host", sc.host.host)
	}
	dst = append(dst, "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "...)
	dst = append(codec.AppendKey(dst, nonce), "\r\n"...)
	if sc.Subprotocol != "" {
		line("Sec-WebSocket-Protocol", sc.Subprotocol)
	}
	if !has("User-Agent") {
		line("User-Agent", "carillon-bench/"+version)
	}
	for _, h := range headers {
		line(h[0], h[1])
	}
	return append(dst, "\r\n"...)
}
