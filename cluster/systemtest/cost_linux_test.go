package systemtest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	goredis "github.com/redis/go-redis/v9"

	"carillon/cluster"
	"carillon/cluster/clustertest"
	"carillon/cluster/redis"
	"carillon/cluster/services"
)

// cpu returns the CPU time that a process has used. Unlike a rate, it says the same
// on a busy machine.
func cpu(t testing.TB, pid int) time.Duration {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	// The name in parentheses may hold anything; user and system time are the
	// 14th and 15th fields.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	const tick = time.Second / 100 // USER_HZ
	var sum time.Duration
	for _, f := range fields[11:13] {
		n, err := strconv.Atoi(string(f))
		if err != nil {
			t.Fatal(err)
		}
		sum += time.Duration(n) * tick
	}
	return sum
}

// BenchmarkRedisCost is the CPU time of Redis for what nodes ask of it, by piece.
// docs/scaling.md is made of these figures.
func BenchmarkRedisCost(b *testing.B) {
	server := services.NewRedis(b, services.RedisOptions{})
	db := server.Client()
	b.Cleanup(func() { _ = db.Close() })
	ctx := context.Background()
	p, err := redis.New(redis.Options{Addrs: []string{server.Addr()}, Reference: redis.ReferenceNever, CacheTTL: -1})
	if err != nil {
		b.Fatal(err)
	}
	sessions := clustertest.NewSessions(1)
	if err := p.Join(ctx, cluster.Node{ID: "n0", Tag: 1}, sessions); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := p.Leave(context.Background()); err != nil {
			b.Error(err)
		}
	})
	const crowd, batch = 20_000, 1000
	ids, users := make([]cluster.SessionID, crowd), make([]string, crowd)
	for i := range ids {
		ids[i], users[i] = sessions.NewID(), fmt.Sprint("user-", i)
	}
	written := func(n int64) {
		waitFor(b, "changes to be written", func() bool { return db.HLen(ctx, "ws:session:node").Val() == n })
	}
	// each reports the CPU time for one of n pieces.
	each := func(b *testing.B, n int, what string, work func()) {
		before := cpu(b, server.PID())
		work()
		b.ReportMetric(float64((cpu(b, server.PID())-before).Microseconds())/float64(n), what)
		b.ReportMetric(0, "ns/op")
	}
	for b.Loop() {
		for _, pace := range []int{5, crowd} {
			b.Run(fmt.Sprintf("changes/together=%d", pace), func(b *testing.B) {
				// Few at a time make small batches.
				change := func(f func(i int)) {
					for i := range crowd {
						f(i)
						if i%pace == pace-1 && pace < crowd {
							time.Sleep(200 * time.Microsecond) // about a round trip
						}
					}
				}
				trips := p.Stats().RoundTrips
				each(b, crowd, "µs/connect", func() {
					change(func(i int) {
						sessions.Add(users[i], ids[i])
						p.Connect(users[i], ids[i])
					})
					written(crowd)
				})
				b.ReportMetric(float64(p.Stats().RoundTrips-trips)/crowd, "trips/connect")
				each(b, crowd, "µs/disconnect", func() {
					change(func(i int) {
						sessions.Remove(users[i], ids[i])
						p.Disconnect(users[i], ids[i])
					})
					written(0)
				})
			})
		}
		for i := range crowd {
			sessions.Add(users[i], ids[i])
			p.Connect(users[i], ids[i])
		}
		written(crowd)
		b.Run("memory", func(b *testing.B) {
			b.ReportMetric(float64(memory(b, db))/crowd, "B/session")
			b.ReportMetric(0, "ns/op")
		})
		b.Run("heartbeats", func(b *testing.B) {
			each(b, 10*crowd, "µs/member", func() {
				for at := range 10 * crowd / batch {
					beats := make([]goredis.Z, batch)
					for i := range beats {
						beats[i] = goredis.Z{Score: float64(time.Now().UnixMilli()), Member: ids[(at*batch+i)%crowd].String()}
					}
					if err := db.ZAddXX(ctx, "ws:heartbeat:zset:n0", beats...).Err(); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
		b.Run("reconcile", func(b *testing.B) {
			each(b, 10*crowd, "µs/member", func() {
				for at := range 10 * crowd / batch {
					names := make([]any, batch)
					for i := range names {
						names[i] = users[(at*batch+i)%crowd]
					}
					if err := db.SMIsMember(ctx, "ws:online:users", names...).Err(); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
		for _, size := range []int{1, 100} {
			b.Run(fmt.Sprintf("lookups/together=%d", size), func(b *testing.B) {
				each(b, crowd, "µs/user", func() {
					for at := 0; at < crowd; at += size {
						if _, err := p.Locate(ctx, users[at:at+size]); err != nil {
							b.Fatal(err)
						}
					}
				})
			})
		}
		for i := range crowd {
			sessions.Remove(users[i], ids[i])
			p.Disconnect(users[i], ids[i])
		}
		written(0)
	}
}

func memory(t testing.TB, db *goredis.Client) (n int) {
	t.Helper()
	for line := range strings.Lines(db.Info(context.Background(), "memory").Val()) {
		if rest, ok := strings.CutPrefix(line, "used_memory_dataset:"); ok {
			_, _ = fmt.Sscan(rest, &n)
		}
	}
	return n
}

// BenchmarkRedisClusterCost is the CPU time of three masters for connects and
// disconnects.
func BenchmarkRedisClusterCost(b *testing.B) {
	servers := services.NewRedisCluster(b, 3, 0)
	db := servers.Client()
	b.Cleanup(func() { _ = db.Close() })
	ctx := context.Background()
	p, err := redis.New(redis.Options{Addrs: servers.Addrs(), Cluster: true, Reference: redis.ReferenceNever})
	if err != nil {
		b.Fatal(err)
	}
	sessions := clustertest.NewSessions(1)
	if err := p.Join(ctx, cluster.Node{ID: "n0", Tag: 1}, sessions); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := p.Leave(context.Background()); err != nil {
			b.Error(err)
		}
	})
	used := func() (sum time.Duration) {
		for _, s := range servers.Nodes {
			sum += cpu(b, s.PID())
		}
		return sum
	}
	const crowd = 20_000
	ids, users := make([]cluster.SessionID, crowd), make([]string, crowd)
	for i := range ids {
		ids[i], users[i] = sessions.NewID(), fmt.Sprint("user-", i)
	}
	written := func(n int64) {
		waitFor(b, "changes to be written", func() bool {
			return db.HLen(ctx, "ws:session:node").Val() == n && db.SCard(ctx, "ws:online:users").Val() == n
		})
	}
	for b.Loop() {
		before := used()
		for i := range crowd {
			sessions.Add(users[i], ids[i])
			p.Connect(users[i], ids[i])
		}
		written(crowd)
		b.ReportMetric(float64((used()-before).Microseconds())/crowd, "µs/connect")
		before = used()
		for i := range crowd {
			sessions.Remove(users[i], ids[i])
			p.Disconnect(users[i], ids[i])
		}
		written(0)
		b.ReportMetric(float64((used()-before).Microseconds())/crowd, "µs/disconnect")
		b.ReportMetric(0, "ns/op")
	}
}

// BenchmarkLeaseCost is how long one renewal keeps Redis busy in a cluster of n
// nodes: it reads the lease and counts the sessions of each. The shortest of some
// counts, because Redis measures with a clock that goes on while it waits for a core.
func BenchmarkLeaseCost(b *testing.B) {
	for _, n := range []int{10, 100, 1000, 5000} {
		b.Run(fmt.Sprintf("nodes=%d", n), func(b *testing.B) {
			server := services.NewRedis(b, services.RedisOptions{})
			db := server.Client()
			defer db.Close()
			ctx := context.Background()
			expiry := float64(time.Now().Add(time.Hour).UnixMilli())
			pipe := db.Pipeline()
			for i := range n - 1 {
				id := fmt.Sprint("other-", i)
				pipe.ZAdd(ctx, "{carillon}:leases", goredis.Z{Score: expiry, Member: id})
				pipe.HSet(ctx, "{carillon}:incarnations", id, "1")
				pipe.HSet(ctx, "{carillon}:nodes", id, fmt.Sprintf(`{"incarnation":1,"tag":%d}`, i+2))
				pipe.SAdd(ctx, "ws:node:sessions:"+id, "session")
			}
			if _, err := pipe.Exec(ctx); err != nil {
				b.Fatal(err)
			}
			const lease = 600 * time.Millisecond
			p := join(b, server.Addr(), lease)
			for b.Loop() {
				shortest := 0.0
				for range 20 {
					calls, busy := scripts(b, db)
					var c, u float64
					waitFor(b, "a renewal", func() bool { c, u = scripts(b, db); return c > calls })
					if took := (u - busy) / (c - calls); shortest == 0 || took < shortest {
						shortest = took
					}
				}
				b.ReportMetric(shortest, "µs/renewal")
				b.ReportMetric(0, "ns/op")
			}
			if got := len(p.Members()); got != n {
				b.Errorf("the node saw %d nodes, want %d", got, n)
			}
		})
	}
}

// join makes a node's presence, which leaves when the benchmark ends.
func join(b *testing.B, addr string, lease time.Duration) *redis.Presence {
	b.Helper()
	p, err := redis.New(redis.Options{Addrs: []string{addr}, Lease: lease, CacheTTL: -1})
	if err != nil {
		b.Fatal(err)
	}
	if err := p.Join(context.Background(), cluster.Node{ID: "n0", Tag: 1}, clustertest.NewSessions(1)); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := p.Leave(context.Background()); err != nil {
			b.Error(err)
		}
	})
	return p
}

// scripts returns how many scripts Redis has run, and for how many µs.
func scripts(t testing.TB, db *goredis.Client) (calls, busy float64) {
	t.Helper()
	for line := range strings.Lines(db.Info(context.Background(), "commandstats").Val()) {
		if rest, ok := strings.CutPrefix(line, "cmdstat_evalsha:"); ok {
			_, _ = fmt.Sscanf(rest, "calls=%f,usec=%f", &calls, &busy)
		}
	}
	return calls, busy
}

// BenchmarkNodeCost is the CPU time of two nodes for targeted pushes, which one
// takes over HTTP and publishes, and the other receives and sends to its client;
// and of one for connects.
func BenchmarkNodeCost(b *testing.B) {
	w, nodes := benchNodes(b, 2)
	from, to := nodes[0], nodes[1]
	c := newCrowd(b)
	b.Run("connect", func(b *testing.B) {
		for b.Loop() {
			const clients = 5000
			before := cpu(b, to.cmd.Process.Pid)
			c.join(clients, func(i int) (*process, string) { return to, fmt.Sprintf("u%d", i%maxUsers) })
			waitFor(b, "all sessions", func() bool { return w.db.HLen(context.Background(), "ws:session:node").Val() == clients })
			b.ReportMetric(float64((cpu(b, to.cmd.Process.Pid)-before).Microseconds())/clients, "µs/connect")
			b.ReportMetric(0, "ns/op")
			c.close()
			waitFor(b, "nobody", func() bool { return w.db.Exists(context.Background(), "ws:session:node").Val() == 0 })
		}
	})
	b.Run("push", func(b *testing.B) {
		c := newCrowd(b)
		c.join(maxUsers, func(i int) (*process, string) { return to, fmt.Sprintf("u%d", i) })
		waitFor(b, "all sessions", func() bool { return w.db.HLen(context.Background(), "ws:session:node").Val() == maxUsers })
		for b.Loop() {
			const rounds = 20
			text := strings.Repeat("x", 128)
			at, there := cpu(b, from.cmd.Process.Pid), cpu(b, to.cmd.Process.Pid)
			for range rounds {
				for i := range maxUsers {
					from.pushed(fmt.Sprintf("send/user/u%d", i), text)
				}
			}
			c.wait(rounds * maxUsers * (4 + len(text)))
			c.each(rounds * (4 + len(text)))
			b.ReportMetric(float64((cpu(b, from.cmd.Process.Pid)-at).Microseconds())/(rounds*maxUsers), "µs/published")
			b.ReportMetric(float64((cpu(b, to.cmd.Process.Pid)-there).Microseconds())/(rounds*maxUsers), "µs/received")
			b.ReportMetric(0, "ns/op")
		}
	})
}

// BenchmarkFanOutCost is the CPU time of RabbitMQ for one message of 1 KiB through
// one direct exchange to n queues: what comes in, and each copy that goes out.
func BenchmarkFanOutCost(b *testing.B) {
	ctx := context.Background()
	for _, n := range []int{0, 1, 10, 100} {
		b.Run(fmt.Sprintf("queues=%d", n), func(b *testing.B) {
			vhost, err := broker.NewVhost(ctx)
			if err != nil {
				b.Fatal(err)
			}
			defer func() {
				if err := broker.DeleteVhost(ctx, vhost); err != nil {
					b.Error(err)
				}
			}()
			out := openChannel(b, vhost)
			if err := out.ExchangeDeclare("ws.exchange", amqp.ExchangeDirect, true, false, false, false, nil); err != nil {
				b.Fatal(err)
			}
			if err := out.Confirm(false); err != nil {
				b.Fatal(err)
			}
			confirms := out.NotifyPublish(make(chan amqp.Confirmation, 1024))
			got := make(chan struct{}, 1<<16)
			for i := range n {
				ch := openChannel(b, vhost)
				name := fmt.Sprint("ws.queue.n", i)
				if _, err := ch.QueueDeclare(name, true, false, false, false, nil); err != nil {
					b.Fatal(err)
				}
				if err := ch.QueueBind(name, "ws.broadcast", "ws.exchange", false, nil); err != nil {
					b.Fatal(err)
				}
				if err := ch.Qos(256, 0, false); err != nil {
					b.Fatal(err)
				}
				deliveries, err := ch.Consume(name, "", false, true, false, false, nil)
				if err != nil {
					b.Fatal(err)
				}
				go func() {
					for k := 1; ; k++ {
						d, ok := <-deliveries
						if !ok {
							return
						}
						if k%64 == 0 {
							_ = ch.Ack(d.DeliveryTag, true)
						}
						got <- struct{}{}
					}
				}()
			}
			body := bytes.Repeat([]byte("x"), 1024)
			messages := 20_000 / max(n, 1)
			for b.Loop() {
				before, start := cpu(b, broker.PID()), time.Now()
				window := 0
				for range messages {
					if window == 200 {
						<-confirms
						window--
					}
					if err := out.Publish("ws.exchange", "ws.broadcast", false, false, amqp.Publishing{DeliveryMode: amqp.Persistent, Body: body}); err != nil {
						b.Fatal(err)
					}
					window++
				}
				for range messages * n {
					<-got
				}
				for range window {
					<-confirms
				}
				used := cpu(b, broker.PID()) - before
				b.ReportMetric(float64(used.Microseconds())/float64(messages), "µs/message")
				if n > 0 {
					b.ReportMetric(float64(used.Microseconds())/float64(messages*n), "µs/copy")
					b.ReportMetric(float64(messages*n)/time.Since(start).Seconds(), "copies/s")
				}
				b.ReportMetric(0, "ns/op")
			}
		})
	}
}

func openChannel(b *testing.B, vhost string) *amqp.Channel {
	b.Helper()
	conn, err := amqp.Dial(broker.URL(vhost))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = conn.Close() })
	ch, err := conn.Channel()
	if err != nil {
		b.Fatal(err)
	}
	return ch
}
