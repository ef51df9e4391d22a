package systemtest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// crowdSize is how many clients there are in all, however many nodes hold them.
const crowdSize = 15_000

// gather connects n clients, spread over nodes evenly, and waits until all are
// registered.
func gather(b *testing.B, w *world, nodes []*process, n int) *crowd {
	b.Helper()
	c := newCrowd(b)
	c.join(n, func(i int) (*process, string) { return nodes[i%len(nodes)], fmt.Sprintf("u%d", i%maxUsers) })
	waitFor(b, "all sessions", func() bool { return w.db.HLen(context.Background(), "ws:session:node").Val() == int64(n) })
	return c
}

func benchNodes(b *testing.B, n int) (*world, []*process) {
	b.Helper()
	w := newWorld(b)
	var list []*process
	for i := range n {
		list = append(list, serve(b, fmt.Sprintf("n%d", i), w.flags("--log.level=warn", "--cluster.lease=15s", "--cluster.reconcile-interval=30s")...))
	}
	for _, p := range list {
		p.ready(n)
	}
	return w, list
}

// BenchmarkBroadcast publishes 128 B to 15,000 clients on one node and on ten, one
// at a time and eight at a time. The order alternates, so that both see the same
// machine.
func BenchmarkBroadcast(b *testing.B) {
	text := strings.Repeat("x", 128)
	frame := 4 + len(text)
	for _, n := range []int{1, 10, 1, 10} {
		b.Run(fmt.Sprintf("nodes=%d", n), func(b *testing.B) {
			w, nodes := benchNodes(b, n)
			c := gather(b, w, nodes, crowdSize)
			for _, burst := range []int{1, 8} {
				b.Run(fmt.Sprintf("burst=%d", burst), func(b *testing.B) {
					frames := 0
					for b.Loop() {
						for range burst {
							nodes[0].pushed("broadcast", text)
						}
						c.wait(burst * frame * crowdSize)
						c.each(burst * frame)
						frames += burst * crowdSize
					}
					b.ReportMetric(float64(frames)/b.Elapsed().Seconds(), "frames/s")
					b.ReportMetric(0, "ns/op")
				})
			}
			c.close()
		})
	}
}

// BenchmarkTargeted pushes from one node to users on nine others, and checks that
// each node gets the messages for its users and no other.
func BenchmarkTargeted(b *testing.B) {
	w, nodes := benchNodes(b, 10)
	c := newCrowd(b)
	const users = 180
	c.join(users, func(i int) (*process, string) { return nodes[1+i%9], fmt.Sprintf("u%d", i) })
	waitFor(b, "all sessions", func() bool { return w.db.HLen(context.Background(), "ws:session:node").Val() == users })
	received := func() (list []float64) {
		for _, p := range nodes {
			list = append(list, p.metric("carillon_cluster_bus_received_total"))
		}
		return list
	}
	text := strings.Repeat("x", 128)
	body, _ := json.Marshal(map[string]string{"message": text})
	before := received()
	const producers = 8
	pushes := 0
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: producers}}
	defer client.CloseIdleConnections()
	for b.Loop() {
		var wg sync.WaitGroup
		for k := range producers {
			wg.Go(func() {
				for i := k; i < users*20; i += producers {
					res, err := client.Post(fmt.Sprintf("http://%s/websocket/send/user/u%d", nodes[0].addr, i%users), "application/json", strings.NewReader(string(body)))
					if err != nil || res.StatusCode != http.StatusOK {
						b.Errorf("push: %v %v", res, err)
						return
					}
					_ = res.Body.Close()
				}
			})
		}
		wg.Wait()
		c.wait(20 * users * (4 + len(text)))
		c.each(20 * (4 + len(text)))
		pushes += 20 * users
	}
	b.ReportMetric(float64(pushes)/b.Elapsed().Seconds(), "pushes/s")
	b.ReportMetric(0, "ns/op")
	for i, n := range received() {
		want := float64(pushes / 9)
		if i == 0 {
			want = 0
		}
		if n-before[i] != want {
			b.Errorf("node %d received %v messages, want %v", i, n-before[i], want)
		}
	}
}

// BenchmarkPresence counts what a storm of connects, and heartbeats, cost Redis.
func BenchmarkPresence(b *testing.B) {
	w, nodes := benchNodes(b, 10)
	calls := func() (n float64) {
		for _, p := range nodes {
			n += p.metric("carillon_cluster_presence_round_trips_total")
		}
		return n
	}
	commands := func() (n int) {
		for line := range strings.Lines(w.db.Info(context.Background(), "stats").Val()) {
			if rest, ok := strings.CutPrefix(line, "total_commands_processed:"); ok {
				_, _ = fmt.Sscan(rest, &n)
			}
		}
		return n
	}
	for b.Loop() {
		trips, cmds := calls(), commands()
		start := time.Now()
		c := gather(b, w, nodes, crowdSize)
		b.ReportMetric(float64(crowdSize)/time.Since(start).Seconds(), "connects/s")
		b.ReportMetric((calls()-trips)/crowdSize, "roundtrips/connect")
		b.ReportMetric(float64(commands()-cmds)/crowdSize, "commands/connect")
		trips = calls()
		c.heartbeat()
		c.heartbeat()
		b.ReportMetric((calls()-trips)/(2*crowdSize), "roundtrips/heartbeat")
		c.close()
		waitFor(b, "nobody", func() bool { return w.db.Exists(context.Background(), "ws:session:node").Val() == 0 })
	}
	b.ReportMetric(0, "ns/op")
}

// BenchmarkFailover kills a node with 1,500 sessions and waits until nothing of it
// is left in Redis, with the default lease of 15 s.
func BenchmarkFailover(b *testing.B) {
	for b.Loop() {
		w, nodes := benchNodes(b, 3)
		c := gather(b, w, nodes, 4500)
		start := time.Now()
		nodes[2].kill()
		waitFor(b, "a clean presence", func() bool { return w.db.Exists(context.Background(), "ws:node:sessions:n2").Val() == 0 })
		waitFor(b, "a clean presence", func() bool { return len(w.traces("n2")) == 0 })
		b.ReportMetric(time.Since(start).Seconds(), "s-to-clean")
		c.close()
	}
	b.ReportMetric(0, "ns/op")
}
