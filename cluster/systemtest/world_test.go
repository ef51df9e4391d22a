package systemtest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	goredis "github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"carillon/cluster/services"
)

// broker is shared by the tests, which take a virtual host each.
var broker *services.RabbitMQ

func TestMain(m *testing.M) {
	if err := services.Install(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var err error
	if broker, err = services.StartRabbitMQ(context.Background(), services.RabbitOptions{}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	if err := broker.Stop(false); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	if path, err := binary(); err == nil {
		_ = os.RemoveAll(filepath.Dir(path))
	}
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// world is the servers of one cluster.
type world struct {
	t     testing.TB
	redis *services.Redis
	vhost string
	db    *goredis.Client
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, redis: services.NewRedis(t, services.RedisOptions{})}
	var err error
	if w.vhost, err = broker.NewVhost(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := broker.DeleteVhost(context.Background(), w.vhost); err != nil {
			t.Error(err)
		}
	})
	w.db = w.redis.Client()
	t.Cleanup(func() { _ = w.db.Close() })
	return w
}

// flags are those that make a node a member of the cluster. Times are short, so
// that tests are.
func (w *world) flags(more ...string) []string {
	return append([]string{
		"--spring.data.redis.host=127.0.0.1", fmt.Sprintf("--spring.data.redis.port=%d", w.redis.Port()),
		"--spring.rabbitmq.addresses=" + broker.URL(w.vhost), "--spring.data.redis.timeout=1s",
		"--cluster.lease=3s", "--cluster.reconcile-interval=1s", "--cluster.queue-expires=10s",
	}, more...)
}

// serve starts a node of the cluster.
func (w *world) serve(id string, more ...string) *process {
	w.t.Helper()
	return serve(w.t, id, w.flags(more...)...)
}

// nodes starts some and waits until they see each other.
func (w *world) nodes(ids ...string) (list []*process) {
	w.t.Helper()
	for _, id := range ids {
		list = append(list, w.serve(id))
	}
	for _, p := range list {
		p.ready(len(ids))
	}
	return list
}

// keys returns every key in Redis, with the number of its members.
func (w *world) keys() (list []string) {
	w.t.Helper()
	ctx := context.Background()
	names, err := w.db.Keys(ctx, "*").Result()
	if err != nil {
		w.t.Fatal(err)
	}
	for _, name := range names {
		var n int64
		switch kind := w.db.Type(ctx, name).Val(); kind {
		case "set":
			n = w.db.SCard(ctx, name).Val()
		case "hash":
			n = w.db.HLen(ctx, name).Val()
		case "zset":
			n = w.db.ZCard(ctx, name).Val()
		case "none":
			continue // gone meanwhile
		default:
			w.t.Errorf("key %s is a %s", name, kind)
		}
		list = append(list, fmt.Sprintf("%s=%d", name, n))
	}
	slices.Sort(list)
	return list
}

// queues returns the names of the queues at the broker.
func (w *world) queues() (names []string) {
	w.t.Helper()
	queues, err := broker.Queues(context.Background(), w.vhost)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, q := range queues {
		names = append(names, q.Name)
	}
	slices.Sort(names)
	return names
}

// traces returns the keys that name a node, as key or member.
func (w *world) traces(node string) (list []string) {
	w.t.Helper()
	ctx := context.Background()
	for _, key := range []string{"ws:node:sessions:" + node, "ws:heartbeat:zset:" + node} {
		if w.db.Exists(ctx, key).Val() > 0 {
			list = append(list, key)
		}
	}
	for id, at := range w.db.HGetAll(ctx, "ws:session:node").Val() {
		if at == node {
			list = append(list, "ws:session:node "+id)
		}
	}
	for _, key := range w.db.Keys(ctx, "carillon:user:*").Val() {
		if w.db.HExists(ctx, key, node).Val() {
			list = append(list, key)
		}
	}
	for _, key := range []string{"{carillon}:nodes", "{carillon}:users"} {
		if w.db.HExists(ctx, key, node).Val() {
			list = append(list, key)
		}
	}
	if w.db.ZScore(ctx, "{carillon}:leases", node).Err() == nil {
		list = append(list, "{carillon}:leases")
	}
	return list
}

// online waits until exactly these users are in the shared online set.
func (w *world) online(users ...string) {
	w.t.Helper()
	slices.Sort(users)
	waitFor(w.t, "online users "+strings.Join(users, ","), func() bool {
		got := w.db.SMembers(context.Background(), "ws:online:users").Val()
		slices.Sort(got)
		return slices.Equal(got, users)
	})
}

// leave drains nodes and checks that nothing of them is left anywhere. Redis keeps
// the incarnations, so that those of a next start are higher.
func (w *world) leave(nodes ...*process) {
	w.t.Helper()
	for _, p := range nodes {
		if code := p.stop(); code != 0 {
			w.t.Errorf("node %s ended with code %d:\n%s", p.id, code, p.log)
		}
	}
	if keys := w.keys(); len(keys) > 0 {
		w.t.Errorf("left in Redis: %q", keys)
	}
	if queues := w.queues(); len(queues) > 0 {
		w.t.Errorf("left in RabbitMQ: %q", queues)
	}
}
