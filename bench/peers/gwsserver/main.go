// Command gwsserver is a WebSocket server on lxzan/gws: /echo sends back what
// comes, /ws?token=USER answers heartbeats and gets what is pushed through HTTP.
package main

import (
	"net/http"

	"carillon/bench/peers/internal/gateway"

	"github.com/lxzan/gws"
)

func main() {
	address := gateway.Address("9006")
	mux := http.NewServeMux()
	mux.HandleFunc("GET /echo", upgrade(gws.NewUpgrader(echo{}, options())))
	o := options()
	o.Authorize = func(r *http.Request, session gws.SessionStorage) bool {
		session.Store(userKey, r.URL.Query().Get("token"))
		return true
	}
	mux.HandleFunc("GET /ws", upgrade(gws.NewUpgrader(gatewayEvents{}, o)))
	gateway.Publish(mux, broadcast, push)
	gateway.Serve(address, mux)
}

// options are the defaults of the package, which do not compress and handle the
// messages of a connection one after the other, but for buffers of reads: each
// connection has one.
func options() *gws.ServerOption {
	return &gws.ServerOption{ReadBufferSize: 1024, ReadMaxPayloadSize: gateway.MaxMessage}
}

func upgrade(u *gws.Upgrader) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if ws, err := u.Upgrade(w, r); err == nil {
			go ws.ReadLoop() // elsewhere, as the package advises: what the request needed is freed
		}
	}
}

// echo sends back what comes.
type echo struct{ gws.BuiltinEventHandler }

// OnPing answers with what came.
func (echo) OnPing(ws *gws.Conn, payload []byte) { _ = ws.WritePong(payload) }

// OnMessage sends a message back.
func (echo) OnMessage(ws *gws.Conn, m *gws.Message) {
	defer m.Close()
	_ = ws.WriteMessage(m.Opcode, m.Bytes())
}
