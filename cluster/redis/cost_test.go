package redis

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"carillon/cluster/services"
)

// callsOf returns how often a server was asked for each command by clients.
func callsOf(t testing.TB, c *goredis.Client) map[string]int {
	t.Helper()
	info, err := c.Info(context.Background(), "commandstats").Result()
	if err != nil {
		t.Fatal(err)
	}
	calls := make(map[string]int)
	for _, m := range regexp.MustCompile(`cmdstat_(\S+?):calls=(\d+)`).FindAllStringSubmatch(info, -1) {
		calls[m[1]], _ = strconv.Atoi(m[2])
	}
	return calls
}

// A storm of connects does not queue behind round trips: the server is asked to run
// a script for about a hundred of them, and the node waits for far fewer answers.
func TestStorm(t *testing.T) {
	t.Parallel()
	_, o, c := single(t)
	const connects, loops = 20_000, 4
	a := joinedNode(t, "a", 1, o)
	trips := a.Stats().RoundTrips
	scripts := callsOf(t, c)["evalsha"]
	var storm sync.WaitGroup
	for l := range loops {
		storm.Go(func() {
			for i := range connects / loops {
				a.connect(fmt.Sprint("user-", l, "-", i))
			}
		})
	}
	storm.Wait()
	settled(t, a)
	s := a.Stats()
	trips = s.RoundTrips - trips
	scripts = callsOf(t, c)["evalsha"] - scripts
	t.Logf("%d connects: %d round trips, %d scripts", connects, trips, scripts)
	if s.Changes != connects {
		t.Errorf("%d changes", s.Changes)
	}
	// With one round trip a connect a connect would still be free to be the only one
	// in its batch: that this is not so under load is the point.
	if trips > connects/4 || scripts > connects/4 {
		t.Errorf("%d round trips and %d scripts for %d connects", trips, scripts, connects)
	}
	if got := c.HLen(context.Background(), keySessionNode).Val(); got != connects {
		t.Errorf("%d sessions", got)
	}
}

// An idle node asks for nothing but its lease, however many sessions it has and
// whatever they send.
func TestIdle(t *testing.T) {
	t.Parallel()
	_, o, c := single(t)
	a := joinedNode(t, "a", 1, o)
	for i := range 5000 {
		a.connect(fmt.Sprint("user-", i))
	}
	settled(t, a)
	before := callsOf(t, c)
	for range 3 { // three renewals, which are fifteen seconds' worth
		if err := a.renew(context.Background(), a.reg.Load()); err != nil {
			t.Fatal(err)
		}
	}
	after := callsOf(t, c)
	for _, writing := range []string{"zadd", "hset", "sadd"} {
		if n := after[writing] - before[writing]; writing != "zadd" && n > 0 || n > 10 { // the lease itself
			t.Errorf("%s: %d calls", writing, n)
		}
	}
	if n := after["evalsha"] - before["evalsha"]; n > 10 {
		t.Errorf("%d scripts", n)
	}
}

// BenchmarkConnect is a connect and its end until both are written, with as many
// under way as four event loops bring.
func BenchmarkConnect(b *testing.B) {
	servers := map[string]func(b *testing.B) Options{
		"single": func(b *testing.B) Options {
			return Options{Addrs: []string{services.NewRedis(b, services.RedisOptions{}).Addr()}}
		},
		"cluster": func(b *testing.B) Options { return Options{Addrs: services.NewRedisCluster(b, 3, 0).Addrs()} },
	}
	for name, start := range servers {
		b.Run(name, func(b *testing.B) {
			a := joinedNode(b, "a", 1, start(b))
			const storm = 20_000
			var trips, changes uint64
			b.ReportAllocs()
			for b.Loop() {
				before := a.Stats()
				for i := range storm {
					id := numberedID(i)
					a.sessions.Add("user-"+strconv.Itoa(i), id)
					a.Connect("user-"+strconv.Itoa(i), id)
				}
				written(a)
				for i := range storm {
					id := numberedID(i)
					a.sessions.Remove("user-"+strconv.Itoa(i), id)
					a.Disconnect("user-"+strconv.Itoa(i), id)
				}
				written(a)
				after := a.Stats()
				trips, changes = trips+after.RoundTrips-before.RoundTrips, changes+after.Changes-before.Changes
			}
			b.ReportMetric(float64(trips)/float64(changes), "trips/change")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(changes), "ns/change")
		})
	}
}

func written(g *gateway) {
	for g.queue.settled.Load() != g.queue.noted.Load() {
		time.Sleep(100 * time.Microsecond)
	}
}

// BenchmarkVisible is how long it takes from a connect until another node finds the
// user, Redis being near and nothing else under way.
func BenchmarkVisible(b *testing.B) {
	r := services.NewRedis(b, services.RedisOptions{})
	o := Options{Addrs: []string{r.Addr()}, CacheTTL: -1}
	x, y := joinedNode(b, "x", 1, o), joinedNode(b, "y", 2, o)
	i := 0
	for b.Loop() {
		i++
		user := "user-" + strconv.Itoa(i)
		x.connect(user)
		for {
			if got, err := y.places(user); err != nil {
				b.Fatal(err)
			} else if got != "[]" {
				break
			}
		}
	}
}

// BenchmarkLocate asks for users, from memory and from Redis.
func BenchmarkLocate(b *testing.B) {
	r := services.NewRedis(b, services.RedisOptions{})
	for _, n := range []int{1, 100, 1000} {
		for name, ttl := range map[string]time.Duration{"memory": time.Hour, "redis": -1} {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				o := Options{Addrs: []string{r.Addr()}, CacheTTL: ttl}
				x, y := joinedNode(b, "x", 1, o), joinedNode(b, "y", 2, o)
				names := make([]string, n)
				for i := range names {
					names[i] = fmt.Sprint("user-", i)
					x.connect(names[i])
				}
				settled(b, x, y)
				for ttl > 0 && y.tracked.Load() == nil {
					time.Sleep(time.Millisecond)
				}
				b.ReportAllocs()
				for b.Loop() {
					if _, err := y.Locate(context.Background(), names); err != nil {
						b.Fatal(err)
					}
				}
				if err := errors.Join(x.leave(), y.leave()); err != nil {
					b.Fatal(err)
				}
			})
		}
	}
}
