// Command gorillaserver is a WebSocket server on gorilla/websocket: /echo sends
// back what comes, /ws?token=USER answers heartbeats and gets what is pushed
// through HTTP, and GET /stats says what was sent.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"

	"github.com/gorilla/websocket"
)

// Stats is the answer of GET /stats.
type Stats struct {
	Conns    int64 `json:"conns"`
	Received int64 `json:"received"` // messages of clients
	Sent     int64 `json:"sent"`     // messages to clients
	Slow     int64 `json:"slow"`     // clients that were cut as they did not read
	Size     int64 `json:"size"`     // bytes of the last message echoed or published
}

var conns, received, sent, slow, size atomic.Int64

var upgrader = websocket.Upgrader{
	ReadBufferSize: 1024,
	// Buffers of writes are shared by connections, as the package advises for many
	// that write seldom.
	WriteBufferSize: 1024,
	WriteBufferPool: &sync.Pool{},
	CheckOrigin:     func(*http.Request) bool { return true },
}

func main() {
	log.SetFlags(0)
	port := flag.String("port", "", "port to listen on; default $PORT or 9001")
	flag.Parse()
	if *port == "" {
		*port = os.Getenv("PORT")
	}
	if *port == "" {
		*port = "9001"
	}
	hub := newHub()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /echo", echo)
	mux.HandleFunc("GET /ws", hub.serve)
	mux.HandleFunc("POST /websocket/broadcast", publish(func(_ *http.Request, m *websocket.PreparedMessage) { hub.broadcast(m) }))
	mux.HandleFunc("POST /websocket/send/user/{id}", publish(func(r *http.Request, m *websocket.PreparedMessage) {
		hub.push(r.PathValue("id"), m)
	}))
	mux.HandleFunc("GET /stats", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(Stats{Conns: conns.Load(), Received: received.Load(), Sent: sent.Load(), Slow: slow.Load(), Size: size.Load()})
	})
	ln, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", *port))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("ready")
	log.Fatal(http.Serve(ln, mux))
}

func echo(w http.ResponseWriter, r *http.Request) {
	c, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer c.Close()
	conns.Add(1)
	defer conns.Add(-1)
	for {
		kind, b, err := c.ReadMessage()
		if err != nil {
			return
		}
		received.Add(1)
		size.Store(int64(len(b)))
		if err := c.WriteMessage(kind, b); err != nil {
			return
		}
		sent.Add(1)
	}
}

// publish reads {"message":"…"} and prepares the message once for all.
func publish(send func(*http.Request, *websocket.PreparedMessage)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Message *string `json:"message"`
		}
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&body); err != nil || body.Message == nil {
			http.Error(w, `want {"message":"text"}`, http.StatusBadRequest)
			return
		}
		m, err := websocket.NewPreparedMessage(websocket.TextMessage, []byte(*body.Message))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		size.Store(int64(len(*body.Message)))
		send(r, m)
	}
}
