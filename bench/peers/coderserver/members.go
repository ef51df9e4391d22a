package main

import (
	"bytes"
	"context"
	"net/http"
	"sync"

	"carillon/bench/peers/internal/gateway"

	"github.com/coder/websocket"
)

// queueLength is how many messages wait for a client before it is cut: more than
// in the package's chat example, as many as the gorilla server has.
const queueLength = 256

// member is a connection with a goroutine that reads, answers heartbeats and
// controls, and one that writes what is pushed.
type member struct {
	ws    *websocket.Conn
	queue chan []byte
}

var members = gateway.NewMembers[*member]()

var ack = []byte(gateway.HeartbeatAck)

// buffers are shared by connections, as in the package's wsjson.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func join(w http.ResponseWriter, r *http.Request) {
	ws, ok := accept(w, r)
	if !ok {
		return
	}
	m := &member{ws: ws, queue: make(chan []byte, queueLength)}
	user := r.URL.Query().Get("token")
	members.Join(user, m)
	go m.write()
	m.read()
	members.Leave(user, m)
	close(m.queue)
	_ = ws.CloseNow()
}

func (m *member) read() {
	for ctx := context.Background(); ; {
		kind, in, err := m.ws.Reader(ctx)
		if err != nil {
			return
		}
		b := buffers.Get().(*bytes.Buffer)
		b.Reset()
		_, err = b.ReadFrom(in)
		alive := err == nil && kind == websocket.MessageText && b.String() == gateway.Heartbeat
		buffers.Put(b)
		if err != nil {
			return
		}
		if alive && m.ws.Write(ctx, websocket.MessageText, ack) != nil {
			return
		}
	}
}

func (m *member) write() {
	for b := range m.queue {
		if m.ws.Write(context.Background(), websocket.MessageText, b) != nil {
			return
		}
	}
}

// send queues a message, or cuts a client whose queue is full.
func (m *member) send(b []byte) {
	select {
	case m.queue <- b:
	default:
		go func() { _ = m.ws.CloseNow() }() // it waits for the goroutine that reads, which waits to leave
	}
}

func broadcast(message string) {
	b := []byte(message)
	members.Each(func(m *member) { m.send(b) })
}

func push(user, message string) {
	b := []byte(message)
	members.Of(user, func(m *member) { m.send(b) })
}
