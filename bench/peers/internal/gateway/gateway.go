// Package gateway is what the servers in Go have in common beside the library
// that each is about: where they listen, who is connected, and the requests that
// push.
package gateway

import (
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
)

// What clients say to be known as alive, and what they are answered.
const (
	Heartbeat    = `{"type":"HEARTBEAT"}`
	HeartbeatAck = `{"type":"HEARTBEAT_ACK"}`
)

// MaxMessage is the size of the largest message, in bytes.
const MaxMessage = 1 << 20

// Address parses the command line and returns where to listen: a port of
// 127.0.0.1, from --port, $PORT, or the fallback.
func Address(fallback string) string {
	log.SetFlags(0)
	if port := os.Getenv("PORT"); port != "" {
		fallback = port
	}
	port := flag.String("port", fallback, "port to listen on; default also from $PORT")
	flag.Parse()
	return net.JoinHostPort("127.0.0.1", *port)
}

// Ready tells whoever started the server that it listens.
func Ready() { fmt.Println("ready") }

// Serve listens on an address and serves a handler until the process ends.
func Serve(address string, h http.Handler) {
	ln, err := net.Listen("tcp", address)
	if err != nil {
		log.Fatal(err)
	}
	Ready()
	log.Fatal(http.Serve(ln, h))
}
