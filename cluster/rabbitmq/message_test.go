package rabbitmq_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"

	"carillon/cluster"
	"carillon/cluster/rabbitmq"
	"carillon/cluster/wire"
)

// What a node of the reference gets is what it gets from its like, byte for byte,
// and nothing else.
func TestMessagesForTheReference(t *testing.T) {
	v := newVhost(t)
	deliveries := v.reference(t, "node-b")
	n := openNode(t, rabbitmq.Options{URLs: []string{v.url}}, "node-a")
	said := make(chan error, 10)
	done := func(err error) { said <- err }
	n.SendAll(push("for carillon nodes"), done)
	n.Send("node-b", push("for a carillon node"), done)
	n.Broadcast(&cluster.Operation{Kind: cluster.PushUsers, Payload: "to nobody, which would mean everyone"}, done)
	n.Broadcast(push("héllo 😀"), done)
	n.Broadcast(&cluster.Operation{Kind: cluster.PushUsers, Payload: "m", Users: []string{"x", "10001"}}, done)
	for _, want := range []string{
		`{"fromNode":"node-a","payload":"héllo \uD83D\uDE00","targetUsers":null}`,
		`{"fromNode":"node-a","payload":"m","targetUsers":["x","10001"]}`,
	} {
		d := receive(t, deliveries)
		if string(d.Body) != want {
			t.Errorf("got %s, want %s", d.Body, want)
		}
		if d.ContentType != "application/json" || d.ContentEncoding != "UTF-8" || d.DeliveryMode != amqp.Persistent || d.Priority != 0 ||
			d.RoutingKey != "ws.broadcast" || d.Exchange != "ws.exchange" ||
			len(d.Headers) != 1 || d.Headers["__TypeId__"] != "io.github.atengk.entity.WebSocketBroadcastMessage" {
			t.Errorf("got properties %+v", d)
		}
		if !regexp.MustCompile(`^node-a:[0-9a-f]{16}:[0-9]+$`).MatchString(d.MessageId) {
			t.Errorf("got message id %q", d.MessageId)
		}
	}
	var unroutable int
	for range 5 {
		switch err := receive(t, said); err {
		case nil:
		case cluster.ErrUnroutable:
			unroutable++
		default:
			t.Error(err)
		}
	}
	if unroutable != 1 { // Send: the node of the reference has no queue for it
		t.Errorf("%d were unroutable", unroutable)
	}
	if s := n.Stats(); s.Unroutable != 1 || s.Published != 4 || s.Confirmed != 4 {
		t.Errorf("got %+v", s)
	}
}

// What carillon nodes send to each other is persistent, for a broker that confirms it
// and dies must have it, and has no content type.
func TestMessagesForCarillonNodes(t *testing.T) {
	v := newVhost(t)
	n := openNode(t, rabbitmq.Options{URLs: []string{v.url}}, "node-a")
	ch := v.channel(t)
	if _, err := ch.QueueDeclare("tap", true, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"ws.carillon", "ws.node.tap"} {
		if err := ch.QueueBind("tap", key, "ws.exchange", false, nil); err != nil {
			t.Fatal(err)
		}
	}
	deliveries, err := ch.Consume("tap", "", true, false, false, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	op := &cluster.Operation{Kind: cluster.KickUsers, Users: []string{"x"}, Code: 4000, Reason: "bye"}
	n.SendAll(op, nil)
	n.Send("tap", op, nil)
	for _, key := range []string{"ws.carillon", "ws.node.tap"} {
		d := receive(t, deliveries)
		m, err := wire.Decode(d.Body)
		if err != nil || m.From != "node-a" || m.Op.Kind != op.Kind || m.Op.Reason != op.Reason || !slices.Equal(m.Op.Users, op.Users) {
			t.Errorf("got %+v, %v", m, err)
		}
		if d.RoutingKey != key || d.DeliveryMode != amqp.Persistent || d.ContentType != "" || len(d.Headers) != 0 || d.Type != "carillon.operation" {
			t.Errorf("got properties %+v", d)
		}
	}
}

// What a node of the reference sends is delivered as it would deliver it.
func TestMessagesFromTheReference(t *testing.T) {
	v := newVhost(t)
	n := openNode(t, rabbitmq.Options{URLs: []string{v.url}}, "node-a")
	ch := v.channel(t)
	for _, body := range []string{
		`{"fromNode":"node-b","payload":"1","targetUsers":null}`,
		`{"fromNode":"node-a","payload":"own","targetUsers":null}`,
		`{"fromNode":"node-b","payload":"2","targetUsers":["x","10001"]}`,
		`{"fromNode":null,"payload":"3","targetUsers":[]}`,
		`{"payload":"4","more":{"a":[1]}}`,
		`{"payload":"\ud800"}`,
	} {
		asReference(t, ch, body)
	}
	// As others publish: no type, another type, no content type, another key of ours.
	for key, p := range map[string]amqp.Publishing{
		"ws.broadcast":   {ContentType: "application/json", Headers: amqp.Table{"__TypeId__": "x.Y"}, Body: []byte(`{"payload":"6"}`)},
		"ws.carillon":    {Body: []byte(`{"payload":"6"}`)},
		"ws.node.node-a": {ContentType: "text/plain", MessageId: "node-a:1", Body: []byte(`{"payload":"6"}`)},
	} {
		if err := ch.Publish("ws.exchange", key, false, false, p); err != nil {
			t.Fatal(err)
		}
	}
	got := n.awaits(t, 8)
	if p := payloads(got); !slices.Equal(p, []string{"1", "2", "3", "4", "\ufffd", "6", "6", "6"}) {
		t.Errorf("got %q", p)
	}
	if got[0].from != "node-b" || got[2].from != "" || got[0].op.Kind != cluster.PushAll ||
		got[1].op.Kind != cluster.PushUsers || !slices.Equal(got[1].op.Users, []string{"x", "10001"}) || got[2].op.Kind != cluster.PushAll {
		t.Errorf("got %+v", got)
	}
	if s := n.Stats(); s.Own != 1 || s.Poison != 0 {
		t.Errorf("got %+v", s)
	}
}

// Poison is dropped, counted, and logged once, without what was in it.
func TestPoison(t *testing.T) {
	v := newVhost(t)
	n := openNode(t, rabbitmq.Options{URLs: []string{v.url}}, "node-a")
	ch := v.channel(t)
	poison := []string{
		``, ` `, `{bad`, `{"payload":"SECRET`, `[]`, `5`, `null`, `"SECRET"`, "\xff\xfe", "\x00", "\xc1", "\xc1\x01", "\xc1\x02\x00\x01\x00",
		`{"fromNode":"node-b","payload":null,"targetUsers":null}`, `{"fromNode":"node-b"}`, `{}`,
		`{"payload":{"SECRET":1}}`, `{"payload":["SECRET"]}`, `{"payload":5}`, `{"payload":"SECRET","targetUsers":"x"}`,
		`{"payload":"SECRET","targetUsers":[{}]}`, `{"payload":"SECRET","fromNode":5}`,
	}
	for i, body := range poison {
		asReference(t, ch, body)
		if i%5 == 0 {
			asReference(t, ch, `{"fromNode":"node-b","payload":"good"}`)
		}
	}
	asReference(t, ch, `{"fromNode":"node-b","payload":"end"}`)
	good := len(poison)/5 + 2
	if got := payloads(n.awaits(t, good)); len(got) != good || got[good-1] != "end" {
		t.Errorf("got %q", got)
	}
	s := n.Stats()
	if int(s.Poison) != len(poison) || int(s.Received) != len(poison)+good || s.Reconnects != 0 {
		t.Errorf("got %+v, want %d", s, len(poison))
	}
	if lines := n.logs.lines("message dropped"); lines != 1 {
		t.Errorf("%d lines of log", lines)
	}
	if log := n.logs.String(); strings.Contains(log, "SECRET") || !strings.Contains(log, "routing_key=ws.broadcast") {
		t.Errorf("the log has %s", log)
	}
	q, _ := v.queue(t, "ws.queue.node-a")
	if q.Ready != 0 {
		t.Errorf("got %+v", q)
	}
}
