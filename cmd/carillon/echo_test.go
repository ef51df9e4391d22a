package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gorilla/websocket"
)

// startEcho starts a WebSocket server that sends back what it gets, but for each drop-th message (0: none is left out),
// and returns its URL.
func startEcho(t *testing.T, drop int64) string {
	t.Helper()
	var n atomic.Int64
	up := websocket.Upgrader{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := up.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer c.Close()
		for {
			kind, b, err := c.ReadMessage()
			if err != nil {
				return
			}
			if drop > 0 && n.Add(1)%drop == 0 {
				continue
			}
			if c.WriteMessage(kind, b) != nil {
				return
			}
		}
	}))
	t.Cleanup(srv.Close)
	return "ws" + strings.TrimPrefix(srv.URL, "http")
}
