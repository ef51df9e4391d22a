package main

import (
	"bufio"
	"net"
	"net/http"
)

// connectFirst has the library find its connect command in front of all that a
// client sends. Clients of the library send it themselves; load generators send
// one kind of request, and take the answer for a message that nobody asked for.
func connectFirst(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(connecting{w}, r) })
}

// connecting is a response whose connection, once it is taken over, begins with
// the command.
type connecting struct{ http.ResponseWriter }

// Hijack implements http.Hijacker.
func (c connecting) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	nc, rw, err := http.NewResponseController(c.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	return &connected{Conn: nc, first: connectFrame}, rw, nil
}

// connectFrame is a text frame of a client with a mask of zeroes, under which the
// bytes are themselves.
var connectFrame = clientFrame(`{"id":1,"connect":{}}`)

func clientFrame(text string) []byte {
	return append([]byte{0x81, 0x80 | byte(len(text)), 0, 0, 0, 0}, text...)
}

// connected is a connection with bytes in front of what comes.
type connected struct {
	net.Conn
	first []byte
}

func (c *connected) Read(p []byte) (int, error) {
	if len(c.first) > 0 {
		n := copy(p, c.first)
		c.first = c.first[n:]
		return n, nil
	}
	return c.Conn.Read(p)
}
