package faulty

import (
	"encoding/json"
	"net/http"

	"github.com/gobwas/ws"
)

func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /websocket/broadcast", s.publish(func(_ *http.Request, m *message) {
		s.toAll(m, func(*conn) bool { return true })
	}))
	mux.HandleFunc("POST /websocket/send/user/{id}", s.publish(func(r *http.Request, m *message) {
		s.toUser(r.PathValue("id"), m)
	}))
	mux.HandleFunc("GET /", s.upgrade)
	return mux
}

// publish reads the request and gives its message to send.
func (s *Server) publish(send func(*http.Request, *message)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var body struct{ Message *string }
		err := json.NewDecoder(http.MaxBytesReader(w, r.Body, int64(s.opt.MaxMessage))).Decode(&body)
		if err != nil || body.Message == nil {
			http.Error(w, `want {"message":"text"}`, http.StatusBadRequest)
			return
		}
		s.count.Publishes.Add(1)
		send(r, s.encode(ws.OpText, []byte(*body.Message)))
		s.waitStall(s.ctx.Done())
		w.WriteHeader(http.StatusOK)
	}
}

// Broadcast sends a text to every connection, as POST /websocket/broadcast does.
func (s *Server) Broadcast(text string) {
	s.toAll(s.encode(ws.OpText, []byte(text)), func(*conn) bool { return true })
}

// Push sends a text to every connection of a user.
func (s *Server) Push(user, text string) { s.toUser(user, s.encode(ws.OpText, []byte(text))) }

func (s *Server) toAll(m *message, wanted func(*conn) bool) {
	s.registry.order.Lock()
	defer s.registry.order.Unlock()
	s.registry.each(func(c *conn) {
		if wanted(c) {
			s.deliver(c, m)
		}
	})
}

func (s *Server) toUser(user string, m *message) {
	s.registry.order.Lock()
	defer s.registry.order.Unlock()
	s.registry.of(user, func(c *conn) { s.deliver(c, m) })
}
