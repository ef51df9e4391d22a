// Command coderserver is a WebSocket server on coder/websocket: /echo sends back
// what comes, /ws?token=USER answers heartbeats and gets what is pushed through
// HTTP.
package main

import (
	"context"
	"net/http"

	"carillon/bench/peers/internal/gateway"

	"github.com/coder/websocket"
)

func main() {
	address := gateway.Address("9005")
	mux := http.NewServeMux()
	mux.HandleFunc("GET /echo", echo)
	mux.HandleFunc("GET /ws", join)
	gateway.Publish(mux, broadcast, push)
	gateway.Serve(address, mux)
}

// accept upgrades a request. The package does not compress unless it is told to.
func accept(w http.ResponseWriter, r *http.Request) (*websocket.Conn, bool) {
	ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true}) // of Origin
	if err != nil {
		return nil, false // it has been answered
	}
	ws.SetReadLimit(gateway.MaxMessage)
	return ws, true
}

func echo(w http.ResponseWriter, r *http.Request) {
	ws, ok := accept(w, r)
	if !ok {
		return
	}
	defer func() { _ = ws.CloseNow() }()
	for ctx := context.Background(); ; {
		kind, b, err := ws.Read(ctx)
		if err != nil {
			return
		}
		if err := ws.Write(ctx, kind, b); err != nil {
			return
		}
	}
}
