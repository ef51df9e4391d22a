package server

import (
	"testing"

	"carillon/codec"
	"carillon/netpoll"
	"carillon/server/config"
	"carillon/server/web/webtest"
)

// TestPageInBrowser opens the page that the gateway serves in a real Chromium:
// it connects, sends, is pushed to and closed by this gateway itself.
func TestPageInBrowser(t *testing.T) {
	webtest.Run(t, func(t testing.TB) *webtest.Gateway {
		r := start(t, func(cfg *config.Config) { cfg.Auth.Mode = config.AuthDemo })
		return &webtest.Gateway{
			URL:      "http://" + r.Addr(),
			Endpoint: r.cfg.WebSocket.Endpoint,
			Token:    demoToken,
			Sessions: r.SessionCount,
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
