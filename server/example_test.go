package server_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"github.com/gorilla/websocket"

	"carillon/cluster/local"
	"carillon/server"
	"carillon/server/auth"
	"carillon/server/config"
)

// members is a Verifier of one's own: who is it, for a token?
type members map[string]string

func (m members) Verify(token []byte) (auth.Identity, error) {
	user, ok := m[string(token)]
	if !ok {
		return auth.Identity{}, auth.ErrInvalid
	}
	return auth.Identity{User: user}, nil
}

// A Go program embeds the gateway, handles a business code of its own and pushes
// to a user.
func Example() {
	cfg := config.Default()
	cfg.Server.Address, cfg.Server.Port = "127.0.0.1", 0
	cfg.Server.DrainWindow = 0
	listening := make(chan string, 1)
	srv, err := server.New(cfg, server.Options{
		Logger:   slog.New(slog.DiscardHandler),
		Verifier: members{"s3cret": "ann"},
		OnListen: func(addr string) { listening <- addr },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	srv.Handle("ORDER_CREATE", func(_ context.Context, m *server.Message) error {
		return m.Session.SendBiz("ORDER_CREATED", m.Data)
	})
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	ended := make(chan error)
	go func() { ended <- srv.Run(ctx) }()

	client, _, err := websocket.DefaultDialer.Dial("ws://"+<-listening+"/ws?token="+url.QueryEscape("s3cret"), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	show := func() {
		_, text, err := client.ReadMessage()
		fmt.Println(string(text), err)
	}
	_ = client.WriteMessage(websocket.TextMessage, []byte(`{"type":"BIZ","code":"ORDER_CREATE","data":{"id":7}}`))
	show()
	sessions, err := srv.PushUser("ann", []byte("hello"))
	fmt.Println(sessions, err)
	show()

	stop()
	show()
	fmt.Println(<-ended)
	// Output:
	// {"type":"BIZ","code":"ORDER_CREATED","data":{"id":7}} <nil>
	// 1 <nil>
	// hello <nil>
	//  websocket: close 1001 (going away): server shutting down
	// <nil>
}

// Two gateways of one program are a cluster: a push on one reaches a user on the
// other. Options.Presence and Options.Bus take any implementation of the interfaces
// in package cluster.
func Example_cluster() {
	hub := local.NewHub()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	start := func(id string) (*server.Server, string) {
		cfg := config.Default()
		cfg.Server.Address, cfg.Server.Port, cfg.Server.NodeID = "127.0.0.1", 0, id
		cfg.Server.DrainWindow = 0
		listening := make(chan string, 1)
		srv, err := server.New(cfg, server.Options{
			Logger:   slog.New(slog.DiscardHandler),
			Verifier: members{"s3cret": "ann"},
			Presence: hub.Presence(), Bus: hub.Bus(),
			OnListen: func(addr string) { listening <- addr },
		})
		if err != nil {
			panic(err)
		}
		go func() { ended <- srv.Run(ctx) }()
		addr := <-listening
		for srv.Ready() != nil { // clients are refused until it has joined
			time.Sleep(time.Millisecond)
		}
		return srv, addr
	}
	_, addr := start("a")
	b, _ := start("b")

	client, _, err := websocket.DefaultDialer.Dial("ws://"+addr+"/ws?token=s3cret", nil)
	if err != nil {
		panic(err)
	}
	show := func() {
		_, text, err := client.ReadMessage()
		fmt.Println(string(text), err)
	}
	// Once a heartbeat is acknowledged the session is registered.
	_ = client.WriteMessage(websocket.TextMessage, []byte(`{"type":"HEARTBEAT"}`))
	show()
	sessions, err := b.PushUser("ann", []byte("hello"))
	fmt.Println(sessions, "sessions on b,", err)
	show()

	stop()
	_ = client.Close()
	fmt.Println(<-ended, <-ended)
	// Output:
	// {"type":"HEARTBEAT_ACK"} <nil>
	// 0 sessions on b, <nil>
	// hello <nil>
	// <nil> <nil>
}
