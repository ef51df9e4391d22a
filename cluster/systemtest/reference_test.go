package systemtest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	goredis "github.com/redis/go-redis/v9"
)

// referenceNode does in Redis and RabbitMQ what a node of the Spring Boot cluster
// was recorded to do, and writes down what it gets.
type referenceNode struct {
	w    *world
	id   string
	conn *amqp.Connection
	ch   *amqp.Channel
	done chan struct{}

	mu       sync.Mutex
	got      []string // targets, then payload, of what it could read
	unread   []string // what it could not
	sessions map[string]string
}

const typeID = "io.github.atengk.entity.WebSocketBroadcastMessage"

func newReferenceNode(w *world, id string) *referenceNode {
	w.t.Helper()
	conn, err := amqp.Dial(broker.URL(w.vhost))
	if err != nil {
		w.t.Fatal(err)
	}
	n := &referenceNode{w: w, id: id, conn: conn, done: make(chan struct{}), sessions: make(map[string]string)}
	ch, err := conn.Channel()
	n.must(err)
	n.ch = ch
	n.must(ch.ExchangeDeclare("ws.exchange", "direct", true, false, false, false, nil))
	_, err = ch.QueueDeclare("ws.queue."+id, true, false, false, false, nil)
	n.must(err)
	n.must(ch.QueueBind("ws.queue."+id, "ws.broadcast", "ws.exchange", false, nil))
	deliveries, err := ch.Consume("ws.queue."+id, "", false, false, false, false, nil)
	n.must(err)
	go func() {
		defer close(n.done)
		for d := range deliveries {
			n.take(d)
		}
	}()
	w.t.Cleanup(n.stop)
	return n
}

func (n *referenceNode) must(err error) {
	n.w.t.Helper()
	if err != nil {
		n.w.t.Fatal(err)
	}
}

// stop ends the process, which leaves its keys and its queue behind.
func (n *referenceNode) stop() {
	_ = n.conn.Close()
	<-n.done
}

func (n *referenceNode) take(d amqp.Delivery) {
	var m struct {
		FromNode    *string
		Payload     *string
		TargetUsers []string
	}
	err := json.Unmarshal(d.Body, &m)
	n.mu.Lock()
	defer n.mu.Unlock()
	if err != nil || m.Payload == nil || d.ContentType != "application/json" || d.ContentEncoding != "UTF-8" || d.Headers["__TypeId__"] != typeID ||
		d.DeliveryMode != amqp.Persistent {
		n.unread = append(n.unread, fmt.Sprintf("%q %v %.200q", d.RoutingKey, d.Headers, d.Body))
	} else if m.FromNode == nil || *m.FromNode != n.id {
		slices.Sort(m.TargetUsers)
		n.got = append(n.got, strings.Join(m.TargetUsers, ",")+": "+*m.Payload)
	}
	_ = d.Ack(false)
}

// publish sends a broadcast or, with targets, a message to users.
func (n *referenceNode) publish(payload string, targets ...string) {
	n.w.t.Helper()
	body, err := json.Marshal(map[string]any{"fromNode": n.id, "payload": payload, "targetUsers": targets})
	n.must(err)
	n.raw(body)
}

func (n *referenceNode) raw(body []byte) {
	n.w.t.Helper()
	n.must(n.ch.PublishWithContext(context.Background(), "ws.exchange", "ws.broadcast", false, false, amqp.Publishing{
		ContentType: "application/json", ContentEncoding: "UTF-8", DeliveryMode: amqp.Persistent,
		Headers: amqp.Table{"__TypeId__": typeID}, Body: body,
	}))
}

// connect registers a session, one command after the other.
func (n *referenceNode) connect(session, user string) {
	ctx := context.Background()
	n.sessions[session] = user
	n.must(n.w.db.SAdd(ctx, "ws:online:users", user).Err())
	n.must(n.w.db.HSet(ctx, "ws:session:user", session, user).Err())
	n.must(n.w.db.HSet(ctx, "ws:session:node", session, n.id).Err())
	n.must(n.w.db.SAdd(ctx, "ws:node:sessions:"+n.id, session).Err())
	n.must(n.w.db.ZAdd(ctx, "ws:heartbeat:zset:"+n.id, goredis.Z{Score: float64(time.Now().UnixMilli()), Member: session}).Err())
}

// leave removes a session, and its user from the shared set whoever else holds it.
func (n *referenceNode) leave(session string) {
	ctx := context.Background()
	n.must(n.w.db.HDel(ctx, "ws:session:user", session).Err())
	n.must(n.w.db.HDel(ctx, "ws:session:node", session).Err())
	n.must(n.w.db.SRem(ctx, "ws:node:sessions:"+n.id, session).Err())
	n.must(n.w.db.ZRem(ctx, "ws:heartbeat:zset:"+n.id, session).Err())
	n.must(n.w.db.SRem(ctx, "ws:online:users", n.sessions[session]).Err())
}

// expects waits for messages in this order and checks that it could read all it got.
func (n *referenceNode) expects(want ...string) {
	n.w.t.Helper()
	list := func() ([]string, []string) {
		n.mu.Lock()
		defer n.mu.Unlock()
		return slices.Clone(n.got), slices.Clone(n.unread)
	}
	waitFor(n.w.t, "messages of the reference node", func() bool { got, _ := list(); return len(got) >= len(want) })
	got, unread := list()
	if !slices.Equal(got, want) {
		n.w.t.Errorf("the reference node got %q, want %q", got, want)
	}
	if len(unread) > 0 {
		n.w.t.Errorf("the reference node could not read %q", unread)
	}
}

const javaSession = "0f8fad5b-d9cb-469f-a165-70867728950e"

// TestMixedCluster: two carillon nodes and one of the reference.
func TestMixedCluster(t *testing.T) {
	w := newWorld(t)
	java := newReferenceNode(w, "java")
	java.connect(javaSession, "joe")
	nodes := w.nodes("a", "b")
	a, b := nodes[0], nodes[1]
	ann, bob := connect(t, a, "u1"), connect(t, b, "u2")
	w.online("joe", "u1", "u2")
	waitFor(t, "the reference node to be noticed", func() bool {
		return a.metric("carillon_cluster_mixed") == 1 && b.metric("carillon_cluster_mixed") == 1
	})
	if got := a.get("/websocket/online/count"); got != "3" {
		t.Errorf("online/count %s, want 3", got)
	}

	a.pushed("broadcast", "héllo 😀")
	a.pushed("send/user/joe", "for joe")
	ann.expects("héllo 😀")
	bob.expects("héllo 😀")
	java.expects(": héllo 😀", "joe: for joe")
	if status, _, err := b.call("POST", "/websocket/send/users", `{"userIds":["u1","joe","u2"],"message":"for three"}`); err != nil || status != http.StatusOK {
		t.Fatalf("send/users: %d %v", status, err)
	}
	ann.expects("héllo 😀", "for three")
	bob.expects("héllo 😀", "for three")
	java.expects(": héllo 😀", "joe: for joe", "joe,u1,u2: for three")

	java.publish("from java")
	java.publish("to two", "u2", "joe")
	java.raw([]byte(`{"fromNode":"java","payload":"to an empty list, which is everyone","targetUsers":[]}`))
	ann.expects("héllo 😀", "for three", "from java", "to an empty list, which is everyone")
	bob.expects("héllo 😀", "for three", "from java", "to two", "to an empty list, which is everyone")

	// What the reference cannot do is said, and never sent to it.
	for _, path := range []string{"kick/user/joe", "kick/session/" + javaSession, "send/session/" + javaSession} {
		status, answer, err := a.call("POST", "/websocket/"+path, `{"message":"x"}`, "Prefer", "return=representation")
		if err != nil || status != http.StatusOK || !strings.Contains(answer, `"unreachable"`) {
			t.Errorf("%s: %d %s %v", path, status, answer, err)
		}
	}
	a.call("POST", "/websocket/kick/user/u2", "")
	if code := bob.closed(); code != 1000 {
		t.Errorf("kick: %d", code)
	}
	java.expects(": héllo 😀", "joe: for joe", "joe,u1,u2: for three")

	// It removes a user who is still online on a carillon node.
	java.connect("1f8fad5b-d9cb-469f-a165-70867728950e", "u1")
	java.leave("1f8fad5b-d9cb-469f-a165-70867728950e")
	w.online("joe", "u1")
	if n := a.metric("carillon_cluster_presence_repaired_total"); n < 1 {
		t.Errorf("repaired %v users", n)
	}

	// Poison stops nobody.
	for _, body := range []string{"", "{bad", "[]", "null", `{"payload":null}`, `{"fromNode":"java"}`, `{"payload":{"a":1}}`, `{"payload":"x","targetUsers":5}`} {
		java.raw([]byte(body))
	}
	java.publish("after poison")
	ann.expects("héllo 😀", "for three", "from java", "to an empty list, which is everyone", "after poison")
	if n := a.metric("carillon_cluster_bus_poison_total"); n != 8 {
		t.Errorf("%v poisonous messages counted, want 8", n)
	}
	java.leave(javaSession)
	java.stop()
	if err := java.purge(); err != nil {
		t.Fatal(err)
	}
	w.leave(nodes...)
}

// purge removes the queue, which the reference leaves behind.
func (n *referenceNode) purge() error {
	return broker.DeleteQueue(context.Background(), n.w.vhost, "ws.queue."+n.id)
}

// TestTakeOverFromReference: carillon starts under the id of a node of the reference
// that has stopped: what that one left in Redis goes, its queue is used as it is,
// and what waits in it is delivered. A node that is still there is not pushed out.
func TestTakeOverFromReference(t *testing.T) {
	w := newWorld(t)
	java := newReferenceNode(w, "node-1")
	java.connect(javaSession, "joe")
	refused := w.serve("node-1")
	if code := refused.wait(); code != 7 {
		t.Errorf("beside a reference node of the same id: code %d\n%s", code, refused.log)
	}
	if n := w.db.SCard(context.Background(), "ws:node:sessions:node-1").Val(); n != 1 {
		t.Errorf("the reference node has %d sessions left, want 1", n)
	}
	java.stop()
	other := newReferenceNode(w, "node-2")
	other.publish("waited")
	p := w.serve("node-1")
	p.ready(1)
	w.online()
	ann := connect(t, p, "u1")
	w.online("u1")
	other.publish("now")
	waitFor(t, "a message", func() bool { return len(ann.messages()) > 0 })
	if got := ann.messages(); got[len(got)-1] != "now" {
		t.Errorf("got %q", got)
	}
	queues, err := broker.Queues(t.Context(), w.vhost)
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range queues {
		if !q.Durable || len(q.Arguments) > 0 {
			t.Errorf("queue %s: durable %v, arguments %v", q.Name, q.Durable, q.Arguments)
		}
	}
	other.stop()
	if err := other.purge(); err != nil {
		t.Fatal(err)
	}
	w.leave(p)
}
