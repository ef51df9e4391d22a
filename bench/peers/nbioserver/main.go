// Command nbioserver is a WebSocket server on lesismal/nbio, with its poller and
// no goroutine per connection: /echo sends back what comes, /ws?token=USER
// answers heartbeats and gets what is pushed through HTTP.
package main

import (
	"log"
	"net/http"

	"carillon/bench/peers/internal/gateway"

	"github.com/lesismal/nbio/logging"
	"github.com/lesismal/nbio/nbhttp"
	"github.com/lesismal/nbio/nbhttp/websocket"
)

// maxLoad is how many connections there may be at once.
const maxLoad = 1_000_000

// maxUnsent is how many bytes may wait for a client that does not read before it
// is cut.
const maxUnsent = 16 * gateway.MaxMessage

var members = gateway.NewMembers[*websocket.Conn]()

var ack = []byte(gateway.HeartbeatAck)

func main() {
	address := gateway.Address("9007")
	logging.SetLevel(logging.LevelWarn)
	echo, heartbeats := upgrader(), upgrader()
	echo.OnMessage(func(c *websocket.Conn, kind websocket.MessageType, b []byte) { _ = c.WriteMessage(kind, b) })
	heartbeats.OnMessage(func(c *websocket.Conn, kind websocket.MessageType, b []byte) {
		if kind == websocket.TextMessage && string(b) == gateway.Heartbeat {
			_ = c.WriteMessage(websocket.TextMessage, ack)
		}
	})
	heartbeats.OnClose(func(c *websocket.Conn, _ error) {
		user, _ := c.Session().(string)
		members.Leave(user, c)
	})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /echo", func(w http.ResponseWriter, r *http.Request) { _, _ = echo.Upgrade(w, r, nil) })
	mux.HandleFunc("GET /ws", func(w http.ResponseWriter, r *http.Request) {
		c, err := heartbeats.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		// What happens to the connection meanwhile is handled after this request.
		user := r.URL.Query().Get("token")
		c.SetSession(user)
		members.Join(user, c)
	})
	gateway.Publish(mux, broadcast, push)
	engine := nbhttp.NewEngine(nbhttp.Config{
		Network:            "tcp",
		Addrs:              []string{address},
		Handler:            mux,
		MaxLoad:            maxLoad,
		MaxWriteBufferSize: maxUnsent,

		MaxWebsocketFramePayloadSize: gateway.MaxMessage, // a message is one frame
		IOMod:                        nbhttp.IOModNonBlocking,
		ReleaseWebsocketPayload:      true,
	})
	if err := engine.Start(); err != nil {
		log.Fatal(err)
	}
	gateway.Ready()
	select {}
}

// upgrader does not compress, and leaves clients that are silent alone.
func upgrader() *websocket.Upgrader {
	u := websocket.NewUpgrader()
	u.CheckOrigin = func(*http.Request) bool { return true }
	u.KeepaliveTime = 0
	u.MessageLengthLimit = gateway.MaxMessage
	return u
}

// Writes do not block: what a socket does not take is kept.
func broadcast(message string) {
	b := []byte(message)
	members.Each(func(c *websocket.Conn) { _ = c.WriteMessage(websocket.TextMessage, b) })
}

func push(user, message string) {
	b := []byte(message)
	members.Of(user, func(c *websocket.Conn) { _ = c.WriteMessage(websocket.TextMessage, b) })
}
