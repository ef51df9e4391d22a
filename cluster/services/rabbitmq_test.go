package services

import (
	"context"
	"fmt"
	"net"
	"reflect"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// TestRabbitMQ takes one broker through its life: it takes seconds to start.
func TestRabbitMQ(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	r := NewRabbitMQ(t, RabbitOptions{User: "carillon", Password: "hush/%&hush", TLS: true, Management: true})
	vhost, err := r.NewVhost(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string]func(*testing.T, *RabbitMQ, string){
		"topology": rabbitTopology, "connections": rabbitConnections, "alarm": rabbitAlarm, "pause": rabbitPause,
		"access": rabbitAccess,
	} {
		t.Run(name, func(t *testing.T) { f(t, r, vhost) })
	}
	t.Run("restart", func(t *testing.T) { rabbitRestart(t, r, vhost) })

	if err := r.DeleteVhost(ctx, vhost); err != nil {
		t.Error(err)
	}
	if queues, err := r.Queues(ctx, vhost); err != nil || len(queues) > 0 {
		t.Errorf("queues of a deleted host: %v, %v", queues, err)
	}
	if strings.Contains(r.Log(), "hush") || !strings.Contains(r.Log(), vhost) {
		t.Errorf("log is %s", r.Log())
	}
	if err := r.Stop(false); err != nil {
		t.Fatal(err)
	}
	wantNothingLeft(t, r.work.path, r.port, r.mapperPort, r.distribution, r.management)
}

// channel opens a connection and a channel for one subtest.
func channel(t *testing.T, r *RabbitMQ, vhost string) (*amqp.Connection, *amqp.Channel) {
	t.Helper()
	config := amqp.Config{TLSClientConfig: r.TLS(), Properties: amqp.Table{"connection_name": t.Name()}}
	c, err := amqp.DialConfig(r.URL(vhost), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	ch, err := c.Channel()
	if err != nil {
		t.Fatal(err)
	}
	return c, ch
}

func rabbitTopology(t *testing.T, r *RabbitMQ, vhost string) {
	ctx := t.Context()
	_, ch := channel(t, r, vhost)
	if err := ch.ExchangeDeclare("bells", amqp.ExchangeDirect, true, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	q, err := ch.QueueDeclare("tower", true, false, false, false, amqp.Table{"x-expires": 60000, "x-overflow": "reject-publish"})
	if err != nil {
		t.Fatal(err)
	}
	if err := ch.QueueBind(q.Name, "ding", "bells", false, nil); err != nil {
		t.Fatal(err)
	}
	exchanges, err := r.Exchanges(ctx, vhost)
	if want := []Exchange{{Name: "bells", Type: "direct", Durable: true}}; err != nil || !reflect.DeepEqual(exchanges, want) {
		t.Errorf("got %v, %v, want %v", exchanges, err, want)
	}
	bindings, err := r.Bindings(ctx, vhost)
	if want := []Binding{{Exchange: "bells", Key: "ding", Destination: "tower", Kind: "queue", Arguments: map[string]any{}}}; err != nil || !reflect.DeepEqual(bindings, want) {
		t.Errorf("got %v, %v, want %v", bindings, err, want)
	}

	for range 3 {
		if err := ch.PublishWithContext(ctx, "bells", "ding", true, false, amqp.Publishing{Body: []byte("x")}); err != nil {
			t.Fatal(err)
		}
	}
	want := Queue{Name: "tower", Durable: true, Messages: 3, Ready: 3, Arguments: map[string]any{"x-expires": 60000.0, "x-overflow": "reject-publish"}}
	waitQueue(t, r, vhost, want)
	if _, err := ch.Consume("tower", "", false, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	want.Ready, want.Unacked, want.Consumers = 0, 3, 1
	waitQueue(t, r, vhost, want)

	if err := r.DeleteQueue(ctx, vhost, "tower"); err != nil {
		t.Error(err)
	}
	if queues, err := r.Queues(ctx, vhost); err != nil || len(queues) > 0 {
		t.Errorf("got queues %v, %v", queues, err)
	}
	if err := r.DeleteQueue(ctx, vhost, "tower"); err == nil {
		t.Error("deleted a queue twice")
	}
}

func waitQueue(t *testing.T, r *RabbitMQ, vhost string, want Queue) {
	t.Helper()
	waitFor(t, "the queue is as it should be", func() string {
		queues, err := r.Queues(t.Context(), vhost)
		if err != nil {
			t.Fatal(err)
		}
		if len(queues) == 1 && reflect.DeepEqual(queues[0], want) {
			return ""
		}
		return fmt.Sprint(queues)
	})
}

func rabbitConnections(t *testing.T, r *RabbitMQ, vhost string) {
	ctx := t.Context()
	c, _ := channel(t, r, vhost)
	closed := c.NotifyClose(make(chan *amqp.Error, 1))
	connections, err := r.Connections(ctx, vhost)
	want := []Connection{{Name: t.Name(), User: "carillon", State: "running", Channels: 1, Port: c.LocalAddr().(*net.TCPAddr).Port}}
	if err != nil || !reflect.DeepEqual(connections, want) {
		t.Errorf("got %v, %v, want %v", connections, err, want)
	}
	if other, err := r.CloseConnections(ctx, "/"); err != nil || other != 0 {
		t.Errorf("closed %d connections of another host, %v", other, err)
	}
	if n, err := r.CloseConnections(ctx, vhost); err != nil || n != 1 {
		t.Errorf("closed %d connections, %v", n, err)
	}
	if err := <-closed; err == nil || err.Code != amqp.ConnectionForced {
		t.Errorf("closed with %v", err)
	}
}

func rabbitAlarm(t *testing.T, r *RabbitMQ, vhost string) {
	ctx := t.Context()
	c, ch := channel(t, r, vhost)
	blocked := c.NotifyBlocked(make(chan amqp.Blocking, 2))
	if err := r.BlockPublishers(ctx); err != nil {
		t.Fatal(err)
	}
	if err := ch.PublishWithContext(ctx, "", "nobody", false, false, amqp.Publishing{}); err != nil {
		t.Fatal(err)
	}
	if b := <-blocked; !b.Active {
		t.Error("first notice is not that of a block")
	}
	if err := r.UnblockPublishers(ctx); err != nil {
		t.Fatal(err)
	}
	if b := <-blocked; b.Active {
		t.Error("blocked twice")
	}
}

func rabbitPause(t *testing.T, r *RabbitMQ, vhost string) {
	_, ch := channel(t, r, vhost)
	if err := r.Pause(); err != nil {
		t.Fatal(err)
	}
	answered := make(chan error, 1)
	go func() {
		_, err := ch.QueueDeclare("late", false, true, true, false, nil)
		answered <- err
	}()
	select {
	case err := <-answered:
		t.Errorf("answered while paused: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	if err := r.Resume(); err != nil {
		t.Fatal(err)
	}
	if err := <-answered; err != nil {
		t.Errorf("after the pause: %v", err)
	}
}

func rabbitAccess(t *testing.T, r *RabbitMQ, vhost string) {
	if c, err := amqp.DialTLS("amqps://guest:guest@"+r.Addr()+"/", r.TLS()); err == nil {
		_ = c.Close()
		t.Error("let in guest")
	}
	if c, err := amqp.DialTLS(r.URL("no-such-host"), r.TLS()); err == nil {
		_ = c.Close()
		t.Error("let in to a virtual host that is not there")
	}
	if err := listens(t.Context(), strings.TrimSuffix(strings.TrimPrefix(r.ManagementURL(), "http://"), "/")); err != nil {
		t.Error(err)
	}
	var answer int
	if err := r.eval(t.Context(), "1 = 2.", nil); err == nil || !strings.Contains(err.Error(), "badmatch") {
		t.Errorf("got %v", err)
	}
	if err := r.eval(t.Context(), "oops(", &answer); err == nil {
		t.Error("evaluated nonsense")
	}
	if err := r.AddVhost(t.Context(), vhost); err != nil {
		t.Errorf("a virtual host that is there already: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.eval(ctx, "true.", nil); err == nil {
		t.Error("evaluated although the context has ended")
	}
}

func rabbitRestart(t *testing.T, r *RabbitMQ, vhost string) {
	ctx := t.Context()
	_, ch := channel(t, r, vhost)
	if err := ch.Confirm(false); err != nil {
		t.Fatal(err)
	}
	for name, durable := range map[string]bool{"kept": true, "lost": false} {
		if _, err := ch.QueueDeclare(name, durable, false, false, false, nil); err != nil {
			t.Fatal(err)
		}
		confirm, err := ch.PublishWithDeferredConfirmWithContext(ctx, "", name, false, false, amqp.Publishing{DeliveryMode: amqp.Persistent, Body: []byte(name)})
		if err != nil || !confirm.Wait() {
			t.Fatalf("not confirmed, %v", err)
		}
	}
	r.Kill()
	if err := r.eval(ctx, "true.", nil); err == nil || r.Running() {
		t.Error("killed, but answers")
	}
	if err := r.Restart(ctx, true); err != nil {
		t.Fatal(err)
	}
	waitQueue(t, r, vhost, Queue{Name: "kept", Durable: true, Messages: 1, Ready: 1, Arguments: map[string]any{}})
	_, ch = channel(t, r, vhost)
	if got, ok, err := ch.Get("kept", true); err != nil || !ok || string(got.Body) != "kept" {
		t.Errorf("got %q, %v, %v", got.Body, ok, err)
	}
}

func TestErlangBinary(t *testing.T) {
	for in, want := range map[string]string{"": "<<>>", "a": "<<97>>", `">>`: "<<34,62,62>>", "é": "<<195,169>>"} {
		if got := erlangBinary(in); got != want {
			t.Errorf("%q: got %s, want %s", in, got, want)
		}
	}
}

// TestRabbitMQPortTaken asks for a port that another process has.
func TestRabbitMQPortTaken(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", Host+":0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	if _, err := StartRabbitMQ(t.Context(), RabbitOptions{Port: l.Addr().(*net.TCPAddr).Port}); err == nil || !collided(err) {
		t.Errorf("got %v", err)
	}
}
