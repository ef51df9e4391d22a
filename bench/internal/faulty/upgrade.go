package faulty

import (
	"bufio"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/gobwas/ws"

	"carillon/codec"
)

// acceptOf returns the Sec-WebSocket-Accept of a key (RFC 6455 section 4.2.2).
func acceptOf(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// isUpgrade reports whether r asks for a WebSocket as section 4.2.1 wants it.
func isUpgrade(r *http.Request) bool {
	return r.Method == http.MethodGet && strings.EqualFold(r.Header.Get("Upgrade"), "websocket") &&
		strings.Contains(strings.ToLower(r.Header.Get("Connection")), "upgrade") &&
		r.Header.Get("Sec-WebSocket-Version") == "13" && r.Header.Get("Sec-WebSocket-Key") != ""
}

func (s *Server) upgrade(w http.ResponseWriter, r *http.Request) {
	f := s.faults.Load()
	if f.SlowUpgrade > 0 {
		t := time.NewTimer(f.SlowUpgrade)
		defer t.Stop()
		select {
		case <-t.C:
		case <-r.Context().Done():
		case <-s.ctx.Done():
		}
	}
	s.waitStall(s.ctx.Done())
	if !isUpgrade(r) {
		s.count.Refused.Add(1)
		http.Error(w, "not a WebSocket upgrade", http.StatusBadRequest)
		return
	}
	user, ok := s.opt.User(r)
	if !ok {
		s.count.Refused.Add(1)
		http.Error(w, "no valid token", http.StatusUnauthorized)
		return
	}
	hangUp := f.hangUp.hits(f.HangUpEvery)
	if !hangUp && f.refuse.hits(f.RefuseEvery) {
		s.count.Refused.Add(1)
		http.Error(w, "refused on purpose", f.RefuseStatus)
		return
	}
	if !s.takePlace() {
		s.count.Refused.Add(1)
		http.Error(w, "no place left", http.StatusServiceUnavailable)
		return
	}
	nc, buf, err := w.(http.Hijacker).Hijack()
	if err != nil {
		s.places.Add(-1)
		return
	}
	if hangUp {
		s.places.Add(-1)
		s.count.HungUp.Add(1)
		_ = nc.Close()
		return
	}
	accept := acceptOf(r.Header.Get("Sec-WebSocket-Key"))
	if f.badAccept.hits(f.BadAcceptEvery) {
		s.count.BadAccept.Add(1)
		accept = acceptOf("not the key of the request")
	}
	s.begin(nc, buf.Reader, r, f, user, accept)
}

// takePlace reserves one of Options.MaxConns; the connection's end gives it back.
func (s *Server) takePlace() bool {
	if n := s.places.Add(1); s.opt.MaxConns > 0 && n > int64(s.opt.MaxConns) {
		s.places.Add(-1)
		return false
	}
	return true
}

// begin answers the upgrade and starts the connection.
func (s *Server) begin(nc net.Conn, early *bufio.Reader, r *http.Request, f *faultSet, user, accept string) {
	_ = nc.SetDeadline(time.Time{})
	var answer strings.Builder
	fmt.Fprintf(&answer, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n", accept)
	if offer, _, _ := strings.Cut(r.Header.Get("Sec-WebSocket-Protocol"), ","); offer != "" {
		fmt.Fprintf(&answer, "Sec-WebSocket-Protocol: %s\r\n", strings.TrimSpace(offer))
	}
	answer.WriteString("\r\n")
	out := []byte(answer.String())
	if s.opt.Welcome != "" {
		out = codec.AppendFrame(out, ws.OpText, []byte(s.opt.Welcome))
	}

	c := newConn(s, nc, user, r.URL.Path == "/hub")
	if n := early.Buffered(); n > 0 {
		c.early, _ = early.Peek(n)
	}
	// Queued before the connection is in the registry, so that whatever is
	// published comes after it.
	for _, piece := range pieces(out, f.UpgradeChunk) {
		c.enqueue(item{b: piece, alone: true})
	}
	s.registry.add(c)
	s.count.Conns.Add(1)
	if !s.start(c.write, c.run) {
		c.leave()
	}
}

// pieces cuts b into pieces of n bytes; 0 is one piece.
func pieces(b []byte, n int) (out [][]byte) {
	for n > 0 && len(b) > n {
		out = append(out, b[:n])
		b = b[n:]
	}
	return append(out, b)
}

// tcpOf returns the TCP connection below nc.
func tcpOf(nc net.Conn) (*net.TCPConn, bool) {
	if t, ok := nc.(*tls.Conn); ok {
		nc = t.NetConn()
	}
	t, ok := nc.(*net.TCPConn)
	return t, ok
}
