package redis

import (
	"context"
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"carillon/cluster"
	"carillon/cluster/clustertest"
	"carillon/cluster/services"
)

func TestMain(m *testing.M) {
	if address := os.Getenv(nodeEnv); address != "" {
		runNode(address)
		return
	}
	// Most tests wait for leases and elections most of the time.
	flag.Parse()
	if err := flag.Set("test.parallel", "6"); err != nil {
		panic(err)
	}
	// The driver dials once a second after many dials have failed, and notices up to a
	// second late that its client is closed.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/redis/go-redis/v9/internal/pool.(*ConnPool).tryDial"))
}

// patient is how long a test waits for something that happens soon.
const patient = 20 * time.Second

// eventually waits until check is content.
func eventually(t testing.TB, check func() error) {
	t.Helper()
	clustertest.Eventually(t, patient, check)
}

// gateway is a node as a gateway would have it.
type gateway struct {
	*Presence
	t        testing.TB
	self     cluster.Node
	sessions *clustertest.Sessions
}

// newGateway returns a node that has not joined. It leaves at the end of the test.
func newGateway(t testing.TB, id string, tag uint32, o Options) *gateway {
	t.Helper()
	p, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	g := &gateway{Presence: p, t: t, sessions: clustertest.NewSessions(tag),
		self: cluster.Node{ID: id, Tag: tag, Version: "v1", Address: "[::1]:18001", Started: time.Now()}}
	t.Cleanup(func() { g.leave() })
	return g
}

func joinedNode(t testing.TB, id string, tag uint32, o Options) *gateway {
	t.Helper()
	g := newGateway(t, id, tag, o)
	g.join()
	return g
}

func (g *gateway) join() {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patient)
	defer cancel()
	if err := g.Join(ctx, g.self, g.sessions); err != nil {
		g.t.Fatalf("%s: join: %v", g.self.ID, err)
	}
}

// leave leaves, also when the server is gone.
func (g *gateway) leave() error {
	ctx, cancel := context.WithTimeout(context.Background(), patient)
	defer cancel()
	return g.Leave(ctx)
}

func (g *gateway) connect(user string) cluster.SessionID {
	id := g.sessions.NewID()
	g.sessions.Add(user, id)
	g.Connect(user, id)
	return id
}

func (g *gateway) disconnect(user string, id cluster.SessionID) {
	g.sessions.Remove(user, id)
	g.Disconnect(user, id)
}

// settled waits until everything of the nodes is written.
func settled(t testing.TB, nodes ...*gateway) {
	t.Helper()
	eventually(t, func() error {
		for _, g := range nodes {
			if err := g.Ready(); err != nil {
				return fmt.Errorf("%s: %w", g.self.ID, err)
			}
			if settled, noted := g.queue.settled.Load(), g.queue.noted.Load(); settled != noted || g.syncing.Load() || g.everything.Load() {
				return fmt.Errorf("%s: %d of %d changes are written, writing everything: %t", g.self.ID, settled, noted, g.syncing.Load())
			}
		}
		return nil
	})
}

// single starts a server and returns the options of its nodes, with times that suit
// a test, and a client of the test's own.
func single(t testing.TB) (*services.Redis, Options, *goredis.Client) {
	t.Helper()
	r := services.NewRedis(t, services.RedisOptions{})
	c := r.Client()
	t.Cleanup(func() { _ = c.Close() })
	return r, Options{Addrs: []string{r.Addr()}, Timeout: long}, c
}

func z(score float64, member string) goredis.Z { return goredis.Z{Score: score, Member: member} }
