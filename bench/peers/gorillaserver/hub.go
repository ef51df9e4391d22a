package main

import (
	"net/http"
	"sync"

	"github.com/gorilla/websocket"
)

// queueLength is how many messages wait for a client before it is cut, as in
// the package's chat example.
const queueLength = 256

const heartbeat = `{"type":"HEARTBEAT"}`

var ack = mustPrepare(`{"type":"HEARTBEAT_ACK"}`)

func mustPrepare(text string) *websocket.PreparedMessage {
	m, err := websocket.NewPreparedMessage(websocket.TextMessage, []byte(text))
	if err != nil {
		panic(err)
	}
	return m
}

// client is a connection with a goroutine that reads and one that writes.
type client struct {
	ws    *websocket.Conn
	queue chan *websocket.PreparedMessage
}

func (c *client) write() {
	defer c.ws.Close()
	for m := range c.queue {
		if err := c.ws.WritePreparedMessage(m); err != nil {
			return
		}
		sent.Add(1)
	}
}

// hub knows the clients, all and by user.
type hub struct {
	mu      sync.Mutex
	clients map[*client]struct{}
	users   map[string]map[*client]struct{}
}

func newHub() *hub {
	return &hub{clients: make(map[*client]struct{}), users: make(map[string]map[*client]struct{})}
}

func (h *hub) serve(w http.ResponseWriter, r *http.Request) {
	ws, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	c := &client{ws: ws, queue: make(chan *websocket.PreparedMessage, queueLength)}
	user := r.URL.Query().Get("token")
	h.add(user, c)
	go c.write()
	conns.Add(1)
	defer conns.Add(-1)
	defer h.remove(user, c)
	for {
		_, b, err := ws.ReadMessage()
		if err != nil {
			return
		}
		received.Add(1)
		if string(b) == heartbeat {
			h.mu.Lock()
			h.send(c, ack)
			h.mu.Unlock()
		}
	}
}

func (h *hub) add(user string, c *client) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.clients[c] = struct{}{}
	if h.users[user] == nil {
		h.users[user] = make(map[*client]struct{})
	}
	h.users[user][c] = struct{}{}
}

func (h *hub) remove(user string, c *client) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.users[user], c)
	if len(h.users[user]) == 0 {
		delete(h.users, user)
	}
	h.drop(c)
}

// drop ends what is written to a client. With h.mu held.
func (h *hub) drop(c *client) {
	if _, there := h.clients[c]; there {
		delete(h.clients, c)
		close(c.queue)
	}
}

func (h *hub) broadcast(m *websocket.PreparedMessage) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for c := range h.clients {
		h.send(c, m)
	}
}

func (h *hub) push(user string, m *websocket.PreparedMessage) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for c := range h.users[user] {
		h.send(c, m)
	}
}

// send queues a message, or cuts a client whose queue is full. With h.mu held.
func (h *hub) send(c *client, m *websocket.PreparedMessage) {
	if _, there := h.clients[c]; !there {
		return
	}
	select {
	case c.queue <- m:
	default:
		slow.Add(1)
		h.drop(c)
		_ = c.ws.Close() // its writer may be blocked
	}
}
