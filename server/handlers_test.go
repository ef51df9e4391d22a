package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"carillon/codec"
	"carillon/server/config"
)

// idHandler sends the session's id to ids.
func idHandler(ids chan<- string) HandlerFunc {
	return func(_ context.Context, m *Message) error {
		ids <- m.Session.ID()
		return nil
	}
}

// holdUntilDone returns a handler that waits for the end of its context and then
// closes told: it takes one message.
func holdUntilDone(told chan<- struct{}) HandlerFunc {
	return func(ctx context.Context, _ *Message) error {
		<-ctx.Done()
		close(told)
		return nil
	}
}

// startHolding returns a server with a second to drain and a client whose message
// is held by such a handler.
func startHolding(t *testing.T) (r *running, c *rawConn, told <-chan struct{}) {
	t.Helper()
	done := make(chan struct{})
	r = start(t, func(cfg *config.Config) { cfg.Server.ShutdownTimeout = time.Second }, func(s *Server) {
		s.Handle("HOLD", holdUntilDone(done))
	})
	c = dialRaw(t, r)
	c.upgrade("ann")
	c.text(`{"type":"BIZ","code":"HOLD"}`)
	return r, c, done
}

// TestHandlersKeepOrderPerSession: one session's messages are handled one after
// the other, and a slow handler holds up nobody else.
func TestHandlersKeepOrderPerSession(t *testing.T) {
	const each = 60
	var mu sync.Mutex
	got := make(map[string][]string)
	hold := make(chan struct{})
	r := start(t, nil, func(s *Server) {
		s.Handle("N", func(_ context.Context, m *Message) error {
			if m.Session.User() == "held" {
				<-hold
			}
			mu.Lock()
			defer mu.Unlock()
			got[m.Session.User()] = append(got[m.Session.User()], string(m.Data))
			return nil
		})
		s.Handle("FAST", func(_ context.Context, m *Message) error {
			return m.Session.Send(m.Data)
		}, NonBlocking())
	})
	held, free := r.connect(t, "held"), r.connect(t, "free")
	for i := range each {
		for _, c := range []string{"held", "free"} {
			conn := held
			if c == "free" {
				conn = free
			}
			write(t, conn, fmt.Sprintf(`{"type":"BIZ","code":"N","data":%d}`, i))
		}
	}
	count := func(user string) int {
		mu.Lock()
		defer mu.Unlock()
		return len(got[user])
	}
	waitFor(t, "the free session's messages", func() bool { return count("free") == each })
	if n := count("held"); n != 0 {
		t.Fatalf("%d messages of the held session were handled", n)
	}
	write(t, held, `{"type":"BIZ","code":"FAST","data":"not held up"}`)
	read(t, held, `"not held up"`)
	close(hold)
	waitFor(t, "the held session's messages", func() bool { return count("held") == each })
	for user, list := range got {
		for i, data := range list {
			if data != fmt.Sprint(i) {
				t.Fatalf("%s: message %d is %s", user, i, data)
			}
		}
	}
}

// TestHandlerBounds: more messages than may wait close the session, not others.
func TestHandlerBounds(t *testing.T) {
	for _, bound := range []string{"handler-queue", "handler-backlog"} {
		t.Run(bound, func(t *testing.T) {
			hold := make(chan struct{})
			r := start(t, func(cfg *config.Config) {
				if bound == "handler-queue" {
					cfg.WebSocket.HandlerQueue = 4
				} else {
					cfg.WebSocket.HandlerBacklog = 4
				}
			}, func(s *Server) {
				s.Handle("HOLD", func(context.Context, *Message) error { <-hold; return nil })
			})
			t.Cleanup(func() { close(hold) })
			greedy, other := r.connect(t, "greedy"), r.connect(t, "other")
			for range 10 {
				write(t, greedy, `{"type":"BIZ","code":"HOLD"}`)
			}
			readClose(t, greedy, 1013, "overloaded")
			heartbeat(t, other)
			if n := r.stats.overloaded.Load(); n != 1 {
				t.Errorf("overloaded %d times, want 1", n)
			}
		})
	}
}

// TestHandlerPanics closes the session whose message it was, and no other.
func TestHandlerPanics(t *testing.T) {
	r := start(t, nil, func(s *Server) {
		boom := func(context.Context, *Message) error { panic("boom") }
		s.Handle("BOOM", boom)
		s.Handle("LOOPBOOM", boom, NonBlocking())
		s.Handle("FAIL", func(context.Context, *Message) error { return errors.New("it failed") })
	})
	other := r.connect(t, "other")
	for _, code := range []string{"BOOM", "LOOPBOOM"} {
		c := r.connect(t, "panicky")
		write(t, c, `{"type":"BIZ","code":"`+code+`"}`)
		readClose(t, c, 1011, "internal error")
		heartbeat(t, other)
	}
	write(t, other, `{"type":"BIZ","code":"FAIL"}`)
	waitFor(t, "the error to be counted", func() bool { return r.stats.handlerErrors.Load() == 1 })
	heartbeat(t, other)
	if n := r.stats.handlerPanics.Load(); n != 2 {
		t.Errorf("%d panics counted, want 2", n)
	}
	for _, want := range []string{"boom", "it failed"} {
		if !strings.Contains(r.log.String(), want) {
			t.Errorf("%q is not in the log", want)
		}
	}
}

// TestHandlerFaultsAreLoggedAtABoundedRate: clients that make handlers fail or
// panic again and again do not fill the log, and nothing is lost from the counts.
func TestHandlerFaultsAreLoggedAtABoundedRate(t *testing.T) {
	const times = 300
	r := start(t, nil, func(s *Server) {
		s.Handle("FAIL", func(context.Context, *Message) error { return errors.New("it failed") })
		s.Handle("BOOM", func(context.Context, *Message) error { panic("boom") })
	})
	c := r.connect(t, "ann")
	began := time.Now()
	for i := range times {
		write(t, c, `{"type":"BIZ","code":"FAIL"}`)
		if i%20 == 19 { // before they are too many at a time
			waitFor(t, "the errors to be counted", func() bool { return r.stats.handlerErrors.Load() == uint64(i+1) })
		}
	}
	for range times {
		p := dialRaw(t, r)
		p.upgrade("panicky")
		p.text(`{"type":"BIZ","code":"BOOM"}`)
		p.writeFrame(true, 0, ws.OpClose, closePayload(1000, ""))
		_, _ = io.Copy(io.Discard, p.br)
		_ = p.Close()
	}
	waitFor(t, "the panics to be counted", func() bool { return r.stats.handlerPanics.Load() == times })
	log := r.log.String()
	most := int(time.Since(began)/logEvery) + 1
	for _, line := range []string{"handler failed", "handler panicked"} {
		if n := strings.Count(log, line); n < 1 || n > most {
			t.Errorf("%q was logged %d times, want 1 to %d", line, n, most)
		}
	}
	heartbeat(t, c)
}

// TestHandlerInPlaceOfABuiltIn: the last one that was registered counts.
func TestHandlerInPlaceOfABuiltIn(t *testing.T) {
	r := start(t, nil, func(s *Server) {
		for _, who := range []string{"first", "second"} {
			s.Handle(CodeChatSend, func(_ context.Context, m *Message) error { return m.Session.SendBiz(who, m.Data) })
		}
	})
	c := r.connect(t, "ann")
	write(t, c, `{"type":"BIZ","code":"CHAT_SEND","data":{"toUserId":"ann"}}`)
	read(t, c, `{"type":"BIZ","code":"second","data":{"toUserId":"ann"}}`)
	write(t, c, `{"type":"BIZ","code":"CHAT_SEND"}`)
	read(t, c, `{"type":"BIZ","code":"second"}`)
}

// TestMessageOfAHandler has what the client sent, also when it is gone by then.
func TestMessageOfAHandler(t *testing.T) {
	type seen struct {
		user, code, data string
		none             bool
		session          Session
	}
	for _, mode := range []string{"blocking", "non-blocking"} {
		t.Run(mode, func(t *testing.T) {
			got := make(chan seen, 16)
			hold := make(chan struct{}, 16)
			r := start(t, nil, func(s *Server) {
				var opts []HandleOption
				if mode == "non-blocking" {
					opts = append(opts, NonBlocking())
				}
				s.Handle("SEE", func(_ context.Context, m *Message) error {
					if mode == "blocking" {
						<-hold
					}
					got <- seen{m.Session.User(), m.Code, string(m.Data), m.Data == nil, m.Session}
					return nil
				}, opts...)
			})
			c := dialRaw(t, r)
			c.upgrade("ann")
			data := []string{"", "null", `""`, "{}", ` [1, {"a":"\u0000"}] `, `"` + strings.Repeat("x", 40000) + `"`}
			for _, d := range data {
				member := ""
				if d != "" {
					member = `,"data":` + d
				}
				c.text(`{"type":"BIZ","code":"SEE"` + member + `}`)
			}
			c.heartbeat()
			_ = c.Close()
			waitFor(t, "the session to be gone", func() bool { return r.SessionCount() == 0 })
			for _, d := range data {
				hold <- struct{}{}
				m := <-got
				if m.user != "ann" || m.code != "SEE" || m.data != strings.TrimSpace(d) || m.none != (d == "") {
					t.Errorf("handler got %.80q of %q with code %q, nil %v; want %.80q", m.data, m.user, m.code, m.none, d)
				}
				// What a handler does to a session that has ended does nothing.
				if err := errors.Join(m.session.Send([]byte("x")), m.session.SendBiz("X", nil), m.session.Close(1000, "")); err != nil {
					t.Errorf("session that has ended: %v", err)
				}
			}
		})
	}
}

// TestSessionOfAHandler sends and closes: the code on the wire is one that clients
// take, the reason is cut between characters.
func TestSessionOfAHandler(t *testing.T) {
	sessions := make(chan Session, 1)
	r := start(t, nil, func(s *Server) {
		s.Handle("WHO", func(_ context.Context, m *Message) error { sessions <- m.Session; return nil })
	})
	open := func() (*rawConn, Session) {
		c := dialRaw(t, r)
		c.upgrade("ann")
		c.text(`{"type":"BIZ","code":"WHO"}`)
		return c, <-sessions
	}
	c, s := open()
	for code, want := range map[string]string{"A": `"A"`, `q"\`: `"q\"\\"`, "é\n": `"é\n"`} {
		if err := s.SendBiz(code, []byte(`[1, 2]`)); err != nil {
			t.Fatal(err)
		}
		c.expectText(`{"type":"BIZ","code":` + want + `,"data":[1, 2]}`)
	}
	if err := s.Send(make([]byte, r.cfg.WebSocket.MaxOutboundBytes+1)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("message over the bound: %v, want ErrTooLarge", err)
	}
	for _, code := range []codec.CloseCode{0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535} {
		if err := s.Close(code, "x"); err == nil {
			t.Errorf("close code %d was taken", code)
		}
	}
	c.heartbeat() // it goes on
	for code, reason := range map[codec.CloseCode][2]string{
		1000: {"", ""}, 1008: {"why", "why"}, 3000: {strings.Repeat("x", 124), strings.Repeat("x", 123)},
		4999: {"x" + strings.Repeat("漢", 41), "x" + strings.Repeat("漢", 40)}, 4000: {"\xff", ""},
	} {
		c, s := open()
		if err := errors.Join(s.Send([]byte("before")), s.Close(code, reason[0]), s.Send([]byte("after"))); err != nil {
			t.Fatal(err)
		}
		c.expectText("before")
		c.expectClose(int(code), reason[1])
	}
}

// TestChat delivers to the sessions of the target user; who sent it is set by
// the server.
func TestChat(t *testing.T) {
	r := start(t, nil)
	ann, bob1, bob2, seven := r.connect(t, "ann"), r.connect(t, "bob"), r.connect(t, "bob"), r.connect(t, "7")
	write(t, ann, `{"type":"BIZ","code":"CHAT_SEND","data":{"toUserId":"bob","content":"hé\u2028","fromUserId":"forged"}}`)
	want := `{"type":"BIZ","code":"CHAT_RECEIVE","data":{"content":"hé\u2028","fromUserId":"ann","toUserId":"bob"}}`
	read(t, bob1, want)
	read(t, bob2, want)
	write(t, ann, `{"type":"BIZ","code":"CHAT_SEND","data":{"toUserId":7}}`)
	read(t, seven, `{"type":"BIZ","code":"CHAT_RECEIVE","data":{"fromUserId":"ann","toUserId":7}}`)
	for _, data := range []string{`{"toUserId":null}`, `{"toUserId":""}`, `{"toUserId":[1]}`, `{"toUserId":1.5}`, `{"toUserId":"nobody"}`, `{}`, `[]`, `"x"`, `null`} {
		write(t, ann, `{"type":"BIZ","code":"CHAT_SEND","data":`+data+`}`)
	}
	write(t, ann, `{"type":"BIZ","code":"CHAT_SEND","data":{"toUserId":"bob","content":"last"}}`)
	read(t, bob1, `{"type":"BIZ","code":"CHAT_RECEIVE","data":{"content":"last","fromUserId":"ann","toUserId":"bob"}}`)
	heartbeat(t, ann) // nothing was sent to the sender
}

// TestSampleHandlersLog: what the reference only logs is logged.
func TestSampleHandlersLog(t *testing.T) {
	for code, want := range map[string]string{
		CodeNoticeAck: "notice acknowledged", CodeOrderCreate: "order created", CodeChatSend: "chat message without a target",
	} {
		r := start(t, nil)
		c := r.connect(t, "ann")
		write(t, c, `{"type":"BIZ","code":"`+code+`","data":{"id":"the-data"}}`)
		waitFor(t, "the log line", func() bool {
			log := r.log.String()
			return strings.Contains(log, want) && strings.Contains(log, "user=ann") && strings.Contains(log, "the-data")
		})
		heartbeat(t, c)
	}
}

// TestJobsFinishAtDrain: messages that were received are handled, even when
// the server is told to stop meanwhile.
func TestJobsFinishAtDrain(t *testing.T) {
	var handled atomic.Int64
	hold := make(chan struct{})
	r := start(t, nil, func(s *Server) {
		s.Handle("JOB", func(context.Context, *Message) error {
			<-hold
			handled.Add(1)
			return nil
		})
	})
	c := r.connect(t, "ann")
	for range 10 {
		write(t, c, `{"type":"BIZ","code":"JOB"}`)
	}
	heartbeat(t, c)
	stopped := make(chan error, 1)
	go func() { stopped <- r.stop() }()
	readClose(t, c, 1001, "server shutting down")
	_ = c.Close()
	waitFor(t, "the pool to be closed", func() bool { // with one job on a worker and nine behind it
		r.workers.mu.Lock()
		defer r.workers.mu.Unlock()
		return r.workers.closed
	})
	close(hold)
	if err := <-stopped; err != nil {
		t.Fatalf("run: %v", err)
	}
	if n := handled.Load(); n != 10 {
		t.Errorf("%d of 10 messages were handled", n)
	}
}

func TestHandleMisuse(t *testing.T) {
	r := start(t, nil)
	for name, f := range map[string]func(){
		"no code":     func() { r.Handle("", func(context.Context, *Message) error { return nil }) },
		"no function": func() { r.Handle("X", nil) },
		"too late":    func() { r.Handle("X", func(context.Context, *Message) error { return nil }) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
}
