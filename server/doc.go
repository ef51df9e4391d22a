// Package server is the gateway: it knows users and messages, where package
// netpoll knows connections and frames.
//
// A [Server] listens on one port, and on another one for back ends alone if it is
// told to. Clients connect to the WebSocket endpoint and become sessions; back
// ends push to a user, to many, to one session or to everyone through the HTTP
// endpoints of package server/admin, or a Go program that embeds the gateway does
// it with the Push methods:
//
//	srv, err := server.New(config.Default(), server.Options{})
//	if err != nil {
//		log.Fatal(err)
//	}
//	srv.Handle("ORDER_CREATE", func(ctx context.Context, m *server.Message) error {
//		return m.Session.SendBiz("ORDER_CREATED", []byte(`{"ok":true}`))
//	})
//	err = srv.Run(ctx) // until ctx ends, then drain
//
// Given a Redis and a RabbitMQ by its configuration, it is a node of a cluster:
// pushes and kicks reach the sessions of every node, see package cluster.
package server
