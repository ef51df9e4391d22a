// Command centrifugeserver is a server on centrifugal/centrifuge, which speaks
// the JSON protocol of that library: a heartbeat is a call, and what is pushed
// through HTTP is published into channels that the server subscribes clients to.
// See ../README.md.
package main

import (
	"context"
	"encoding/json"
	"log"
	"net/http"

	"carillon/bench/peers/internal/gateway"

	"github.com/centrifugal/centrifuge"
)

// everyone is the channel of all clients; a user has one of its own.
const everyone = "everyone"

func channelOf(user string) string { return "user:" + user }

var ack = []byte(gateway.HeartbeatAck)

func main() {
	address := gateway.Address("9008")
	node, err := centrifuge.New(centrifuge.Config{})
	if err != nil {
		log.Fatal(err)
	}
	node.OnConnecting(func(ctx context.Context, _ centrifuge.ConnectEvent) (centrifuge.ConnectReply, error) {
		credentials, _ := centrifuge.GetCredentials(ctx)
		return centrifuge.ConnectReply{
			Subscriptions: map[string]centrifuge.SubscribeOptions{everyone: {}, channelOf(credentials.UserID): {}},
		}, nil
	})
	node.OnConnect(func(c *centrifuge.Client) {
		c.OnRPC(func(e centrifuge.RPCEvent, answer centrifuge.RPCCallback) {
			if e.Method != "HEARTBEAT" {
				answer(centrifuge.RPCReply{}, centrifuge.ErrorMethodNotFound)
				return
			}
			answer(centrifuge.RPCReply{Data: ack}, nil)
		})
	})
	if err := node.Run(); err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /ws", identify(connectFirst(centrifuge.NewWebsocketHandler(node, centrifuge.WebsocketConfig{
		// What its documentation advises for many clients that get little.
		ReadBufferSize:     512,
		UseWriteBufferPool: true,
		MessageSizeLimit:   gateway.MaxMessage,
		CheckOrigin:        func(*http.Request) bool { return true },
		// Heartbeats come from the clients.
		PingPongConfig: centrifuge.PingPongConfig{PingInterval: -1, PongTimeout: -1},
	}))))
	gateway.Publish(mux,
		func(message string) { publish(node, everyone, message) },
		func(user, message string) { publish(node, channelOf(user), message) })
	gateway.Serve(address, mux)
}

// identify takes the token of a request for the user.
func identify(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := centrifuge.SetCredentials(r.Context(), &centrifuge.Credentials{UserID: r.URL.Query().Get("token")})
		h.ServeHTTP(w, r.WithContext(ctx))
	})
}

// publish sends a message as the JSON string that it is in the protocol.
func publish(node *centrifuge.Node, channel, message string) {
	data, err := json.Marshal(message)
	if err == nil {
		_, err = node.Publish(channel, data)
	}
	if err != nil {
		log.Printf("publish: %v", err)
	}
}
