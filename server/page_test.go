package server

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"carillon/codec"
	"carillon/netpoll"
	"carillon/server/web/webtest"
)

// TestPageInBrowser opens the page that the gateway serves in a real Chromium:
// it connects, sends, is pushed to and closed by this gateway itself.
func TestPageInBrowser(t *testing.T) {
	webtest.Run(t, func(t testing.TB) *webtest.Gateway {
		o := new(observer)
		r := startWith(t, nil, func(opt *Options) { opt.observe = o.wrap })
		return &webtest.Gateway{
			URL:        "http://" + r.Addr(),
			Endpoint:   r.cfg.WebSocket.Endpoint,
			Token:      demoToken,
			Sessions:   r.SessionCount,
			Handshakes: o.seen,
			Received:   o.received,
			Push: func(texts ...string) {
				for _, text := range texts {
					if err := r.Broadcast([]byte(text)); err != nil {
						t.Errorf("broadcast: %v", err)
					}
				}
			},
			Close: func(code int, reason string) {
				for _, user := range r.OnlineUsers() {
					hs := r.users.handles(nil, user)
					if err := r.reactor.CloseMany(hs, codec.CloseCode(code), reason, netpoll.CauseHandler, nil); err != nil {
						t.Errorf("close: %v", err)
					}
				}
			},
		}
	})
}

// observer records what passes between reactor and gateway.
type observer struct {
	netpoll.Handler
	mu         sync.Mutex
	handshakes []time.Time
	messages   []webtest.Message
}

func (o *observer) wrap(h netpoll.Handler) netpoll.Handler {
	o.Handler = h
	return o
}

func (o *observer) Authenticate(c *netpoll.Conn, r *codec.Request) (time.Time, *codec.Rejection) {
	if r.WantsUpgrade() { // the page also asks by a plain GET why it was refused
		o.mu.Lock()
		o.handshakes = append(o.handshakes, time.Now())
		o.mu.Unlock()
	}
	return o.Handler.Authenticate(c, r)
}

func (o *observer) Message(c *netpoll.Conn, op ws.OpCode, payload []byte) {
	o.record(webtest.Message{Time: time.Now(), Text: string(payload), Binary: op == ws.OpBinary})
	o.Handler.Message(c, op, payload)
}

func (o *observer) Closed(c *netpoll.Conn, why netpoll.Cause) {
	code := -1
	if why == netpoll.CauseClient { // the page closes with 1000
		code = int(codec.CloseNormal)
	}
	o.Handler.Closed(c, why)
	o.record(webtest.Message{Time: time.Now(), Close: code})
}

func (o *observer) record(m webtest.Message) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.messages = append(o.messages, m)
}

func (o *observer) seen() []time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.handshakes)
}

func (o *observer) received() []webtest.Message {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.messages)
}
