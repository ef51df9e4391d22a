package systemtest

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"

	"carillon/bench/scaling"
	"carillon/cluster/services"
)

// quiet keeps what a node asks of Redis by itself, its lease aside, out of a short count.
var quiet = []string{"--cluster.reconcile-interval=10m", "--cluster.heartbeat-refresh=10m", "--cluster.reference-nodes=never"}

// spy has a queue of its own for each routing key, so that what is published is
// counted by the broker and not by those who publish.
type spy struct {
	t     *testing.T
	vhost string
}

func newSpy(t *testing.T, w *world, keys ...string) *spy {
	t.Helper()
	conn, err := amqp.Dial(broker.URL(w.vhost))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		if _, err := ch.QueueDeclare("spy."+key, false, false, true, false, nil); err != nil {
			t.Fatal(err)
		}
		if err := ch.QueueBind("spy."+key, key, "ws.exchange", false, nil); err != nil {
			t.Fatal(err)
		}
	}
	return &spy{t, w.vhost}
}

// published returns how many messages were published under the keys with a prefix.
func (s *spy) published(prefix string) (n int) {
	s.t.Helper()
	queues, err := broker.Queues(context.Background(), s.vhost)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, q := range queues {
		if strings.HasPrefix(q.Name, "spy."+prefix) {
			n += q.Messages
		}
	}
	return n
}

// TestModelOfRabbitMQ: the model of bench/scaling counts the messages that real
// clusters of two and four nodes cause, exactly: those that are published, those that
// each queue gets, and those that come back to their publisher. There is one user for
// each way in which two sessions can be spread over the nodes, so that what the model
// says of chance is what happens.
func TestModelOfRabbitMQ(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		nodes int
		mixed bool
	}{{2, false}, {4, false}, {4, true}} {
		t.Run(fmt.Sprintf("nodes=%d,mixed=%v", c.nodes, c.mixed), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			reference := "never"
			if c.mixed {
				reference = "always"
			}
			var nodes []*process
			keys := []string{"ws.broadcast", "ws.carillon"}
			for i := range c.nodes {
				id := fmt.Sprint("n", i)
				nodes = append(nodes, w.serve(id, "--cluster.reference-nodes="+reference))
				keys = append(keys, "ws.node."+id)
			}
			for _, p := range nodes {
				p.ready(c.nodes)
			}
			spy := newSpy(t, w, keys...)
			var clients []*client
			users := 0
			for first := range c.nodes {
				for second := range c.nodes {
					user := fmt.Sprint("u", users)
					clients = append(clients, connect(t, nodes[first], user), connect(t, nodes[second], user))
					users++
				}
			}
			waitFor(t, "all sessions", func() bool { return w.db.HLen(context.Background(), "ws:session:node").Val() == int64(len(clients)) })

			const broadcasts = 10
			load := scaling.Everyday(float64(len(clients)))
			load.PerUser, load.Broadcasts, load.Pushes = 2, broadcasts, float64(users)
			shape := scaling.Plain(float64(c.nodes))
			shape.Mixed = c.mixed
			want := scaling.Count(load, shape, scaling.Default())

			var texts []string
			for i := range broadcasts {
				texts = append(texts, fmt.Sprint("all ", i))
				nodes[0].pushed("broadcast", texts[i])
			}
			for i := range users {
				nodes[0].pushed(fmt.Sprint("send/user/u", i), "one")
			}
			received := func(metric string) (list []float64, sum float64) {
				for _, p := range nodes {
					list = append(list, p.metric(metric))
					sum += list[len(list)-1]
				}
				return list, sum
			}
			waitFor(t, fmt.Sprintf("%v copies", want.Copies), func() bool {
				_, sum := received("carillon_cluster_bus_received_total")
				return sum >= math.Round(want.Copies)
			})
			for _, who := range clients {
				who.expects(append(texts, "one")...)
			}
			each, copies := received("carillon_cluster_bus_received_total")
			_, own := received("carillon_cluster_bus_own_total")
			in := spy.published("")
			t.Logf("published %d, copies %v (%v), own %v", in, copies, each, own)
			for _, v := range []struct {
				what      string
				got, want float64
			}{
				{"published", float64(in), want.In},
				{"copies", copies, want.Copies},
				{"own copies", own, want.Own},
			} {
				if math.Abs(v.got-v.want) > 1e-6 {
					t.Errorf("%s: %v, the model says %v", v.what, v.got, v.want)
				}
			}
			for i, got := range each {
				// A push goes to the other nodes where the user has a session, or to all.
				want := broadcasts
				switch {
				case c.mixed:
					want += users
				case i > 0:
					want += 2*c.nodes - 1
				}
				if got != float64(want) {
					t.Errorf("node %d got %v messages, want %d", i, got, want)
				}
			}
		})
	}
}

// TestModelOfRedis: the model counts the commands that Redis executes for connects and
// disconnects, given how many scripts they come in, and bounds the scripts.
func TestModelOfRedis(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	node := w.serve("n0", append(quiet, "--cluster.lease=60s")...)
	node.ready(1)
	// What a change is made of; what a renewal has of it is subtracted.
	commands := []string{"evalsha", "time", "hget", "zscore", "hset", "sadd", "zadd", "hdel", "srem", "zrem", "exists"}
	const ofRenewal = 5 // evalsha, time, hget, zscore, zadd
	type counted struct{ all, scripts float64 }
	count := func() (c counted) {
		info := w.db.Info(context.Background(), "commandstats").Val()
		calls := make(map[string]float64)
		for _, m := range regexp.MustCompile(`cmdstat_(\S+?):calls=(\d+)`).FindAllStringSubmatch(info, -1) {
			calls[m[1]], _ = strconv.ParseFloat(m[2], 64)
		}
		for _, name := range commands {
			c.all += calls[name]
		}
		renewals := calls["zrange"]
		c.all -= ofRenewal * renewals
		c.scripts = calls["evalsha"] - renewals
		return c
	}
	check := func(what string, before, after counted, connects, leaves float64) {
		t.Helper()
		got, scripts := after.all-before.all, after.scripts-before.scripts
		want := scaling.PresenceCommands(connects, leaves, scripts)
		t.Logf("%s: %v commands in %v scripts, the model says %v", what, got, scripts, want)
		if math.Abs(got-want) > 0.02*want {
			t.Errorf("%s: %v commands in %v scripts, the model says %v", what, got, scripts, want)
		}
		if changes := connects + leaves; scripts > changes || scripts < changes/100 {
			t.Errorf("%s: %v scripts for %v changes", what, scripts, changes)
		}
	}

	// The first change makes Redis load the script.
	first := connect(t, node, "u0")
	sessions := func(n int64) {
		waitFor(t, fmt.Sprintf("%d sessions", n), func() bool { return w.db.HLen(context.Background(), "ws:session:node").Val() == n })
	}
	sessions(1)
	_ = first.conn.Close()
	sessions(0)

	before := count()
	clients := make([]*client, maxUsers)
	var storm sync.WaitGroup
	for i := range clients {
		storm.Go(func() {
			var err error
			if clients[i], err = dial(t, node, fmt.Sprint("u", i)); err != nil {
				t.Error(err)
			}
		})
	}
	storm.Wait()
	sessions(maxUsers)
	if t.Failed() {
		return
	}
	joined := count()
	check("connects", before, joined, maxUsers, 0)
	for _, c := range clients {
		_ = c.conn.Close()
	}
	sessions(0)
	check("leaves", joined, count(), 0, maxUsers)
}

// TestModelOfBytes: a message has as many bytes on the way from the broker as the
// model says, beyond its payload.
func TestModelOfBytes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	proxy := services.NewProxy(t, broker.Addr())
	sender := w.serve("n0", quiet...)
	flags := w.flags(quiet...)
	for i := range flags {
		flags[i] = strings.Replace(flags[i], broker.Addr(), proxy.Addr(), 1)
	}
	receiver := serve(t, "n1", flags...)
	for _, p := range []*process{sender, receiver} {
		p.ready(2)
	}
	ann := connect(t, receiver, "u0")
	w.online("u0")
	costs := scaling.Default()
	const messages, payload = 100, 512
	text := string(bytes.Repeat([]byte("x"), payload))
	for _, kind := range []struct {
		path string
		want scaling.Figure
	}{{"broadcast", costs.JSONEnvelope}, {"send/user/u0", costs.BinaryEnvelope}} {
		ann.forget()
		before := proxy.Bytes(services.ToClient)
		for range messages {
			sender.pushed(kind.path, text)
		}
		waitFor(t, "all messages", func() bool { return len(ann.messages()) == messages })
		got := float64(proxy.Bytes(services.ToClient)-before)/messages - payload
		t.Logf("%s: %v bytes beyond the payload, the model says %v", kind.path, got, kind.want.Value)
		if math.Abs(got-kind.want.Value) > 0.1*kind.want.Value {
			t.Errorf("%s: %v bytes beyond the payload, the model says %v", kind.path, got, kind.want.Value)
		}
	}
}
