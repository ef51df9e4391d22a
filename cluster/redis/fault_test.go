package redis

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"carillon/cluster"
	"carillon/cluster/services"
)

// idsOf returns the ids of the sessions of a node.
func (g *gateway) ids() []string {
	var ids []string
	for cursor := uint64(0); ; {
		cursor = g.sessions.Scan(cursor, func(_ string, id cluster.SessionID) { ids = append(ids, id.String()) })
		if cursor == 0 {
			return ids
		}
	}
}

// whole waits until Redis holds exactly what the nodes do.
func whole(t testing.TB, c goredis.Cmdable, nodes ...*gateway) {
	t.Helper()
	eventually(t, func() error {
		online := make(map[string]bool)
		sessions := 0
		for _, g := range nodes {
			if err := g.Ready(); err != nil {
				return fmt.Errorf("%s: %w", g.self.ID, err)
			}
			if err := registered(c, g.self.ID, g.ids()); err != nil {
				return err
			}
			sessions += len(g.ids())
			for cursor := uint64(0); ; {
				cursor = g.sessions.Scan(cursor, func(user string, _ cluster.SessionID) { online[user] = true })
				if cursor == 0 {
					break
				}
			}
		}
		ctx := context.Background()
		if got := c.SCard(ctx, keyOnline).Val(); got != int64(len(online)) {
			return fmt.Errorf("%d users online, want %d", got, len(online))
		}
		if got := c.HLen(ctx, keySessionNode).Val(); got != int64(sessions) {
			return fmt.Errorf("%d sessions, want %d", got, sessions)
		}
		return nil
	})
}

// What was forgotten is written again: at once when a change or a renewal comes upon it.
func TestWiped(t *testing.T) {
	t.Parallel()
	r, o, c := single(t)
	o.Lease = 3 * time.Second
	a, b := joinedNode(t, "a", 1, o), joinedNode(t, "b", 2, o)
	for i := range 1500 {
		a.connect(fmt.Sprint("user-", i))
	}
	b.connect("user-0")
	settled(t, a, b)
	if err := r.Wipe(context.Background()); err != nil {
		t.Fatal(err)
	}
	a.connect("late") // b notices when it renews
	whole(t, c, a, b)
	if a.Stats().Resyncs < 2 || a.Stats().LeasesLost != 1 {
		t.Errorf("got %+v", a.Stats())
	}
}

// A server that comes back with what it had on disk, which lacks the last changes, is
// told everything again, also when no change was under way while it was gone.
func TestRestarted(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	r := services.NewRedis(t, services.RedisOptions{Lines: []string{`save ""`}})
	c := r.Client()
	defer c.Close()
	a := joinedNode(t, "a", 1, Options{Addrs: []string{r.Addr()}, Lease: 3 * time.Second})
	first := a.connect("leaves")
	a.connect("stays")
	settled(t, a)
	if err := c.Save(ctx).Err(); err != nil {
		t.Fatal(err)
	}
	a.connect("comes")
	a.disconnect("leaves", first)
	settled(t, a)
	if err := r.Restart(ctx, true); err != nil {
		t.Fatal(err)
	}
	if got := c.SIsMember(ctx, keyOnline, "leaves").Val(); !got {
		t.Error("the server has come back with the last changes: nothing is tested")
	}
	whole(t, c, a)
}

// While Redis is away nothing waits, and changes beyond the bound are replaced by
// writing everything.
func TestOverflow(t *testing.T) {
	t.Parallel()
	r, o, c := single(t)
	proxy := services.NewProxy(t, r.Addr())
	o.Addrs, o.MaxPending = []string{proxy.Addr()}, 100
	a := joinedNode(t, "a", 1, o)
	var held []cluster.SessionID
	for range 50 {
		held = append(held, a.connect("before"))
	}
	settled(t, a)
	proxy.Refuse(services.RST)
	for i, id := range held {
		if i%2 == 0 {
			a.disconnect("before", id)
		}
		a.connect(fmt.Sprint("user-", i%20))
		for range 10 {
			a.disconnect("passes", a.connect("passes"))
		}
	}
	if got := a.Stats().Pending; got > o.MaxPending {
		t.Errorf("%d changes wait, at most %d may", got, o.MaxPending)
	}
	if err := proxy.Restore(); err != nil {
		t.Fatal(err)
	}
	whole(t, c, a)
	settled(t, a)
}

// A server that neither answers nor refuses costs a caller the timeout, and nothing
// once that is known. Nobody is told where it is.
func TestBlackhole(t *testing.T) {
	t.Parallel()
	r, o, c := single(t)
	proxy := services.NewProxy(t, r.Addr())
	o.Addrs, o.Timeout, o.Lease = []string{proxy.Addr()}, 200*time.Millisecond, shortLease
	a := joinedNode(t, "a", 1, o)
	a.connect("user")
	settled(t, a)
	proxy.Blackhole()
	begun := time.Now()
	_, err := a.Locate(context.Background(), []string{"other"})
	if !errors.Is(err, cluster.ErrAway) || time.Since(begun) > 10*o.Timeout {
		t.Errorf("got %v after %v", err, time.Since(begun))
	}
	eventually(t, func() error {
		if !errors.Is(a.Ready(), cluster.ErrAway) {
			return fmt.Errorf("ready: %v", a.Ready())
		}
		return nil
	})
	ready := a.Ready()
	before := a.Stats().Commands
	for range 1000 {
		a.connect("user")
		if _, err := a.Count(context.Background()); !errors.Is(err, cluster.ErrAway) {
			t.Fatalf("got %v", err)
		}
	}
	if sent := a.Stats().Commands - before; sent > 100 {
		t.Errorf("%d commands for 1000 calls while redis is known to be away", sent)
	}
	for _, err := range []error{ready, err} {
		if text := err.Error(); strings.Contains(text, "127.0.0.1") || strings.Contains(text, proxy.Addr()) {
			t.Errorf("an address in %q", text)
		}
	}
	// Longer than the lease: it has to be noticed on return.
	eventually(t, func() error {
		lease := c.ZScore(context.Background(), keyLeases, "a").Val()
		if now := c.Time(context.Background()).Val(); int64(lease) > now.UnixMilli() {
			return errors.New("the lease still runs")
		}
		return nil
	})
	if err := proxy.Restore(); err != nil {
		t.Fatal(err)
	}
	whole(t, c, a)
	if a.Stats().LeasesLost == 0 {
		t.Error("the lease was not lost")
	}
}

// The master dies and a replica takes over, which may lack the last changes.
func TestSentinelFailover(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := services.NewSentinel(t)
	o := Options{Addrs: s.Addrs(), MasterName: services.SentinelMaster}
	a, b := joinedNode(t, "a", 1, o), joinedNode(t, "b", 2, o)
	for i := range 300 {
		a.connect(fmt.Sprint("user-", i))
	}
	b.connect("user-0")
	settled(t, a, b)
	old, err := s.KillMaster(ctx)
	if err != nil {
		t.Fatal(err)
	}
	a.connect("meanwhile")
	b.disconnect("passes", b.connect("passes"))
	bounded, cancel := context.WithTimeout(ctx, patient)
	defer cancel()
	master, err := s.WaitFailover(bounded, old)
	if err != nil {
		t.Fatal(err)
	}
	c := master.Client()
	defer c.Close()
	whole(t, c, a, b)
	// Locations are remembered again, and dropped on change.
	eventually(t, func() error {
		if _, err := a.Locate(ctx, []string{"user-0"}); err != nil {
			return err
		}
		if a.Stats().CacheHits == 0 {
			return errors.New("nothing from memory")
		}
		return nil
	})
}

// A master of a cluster dies and its replica takes over.
func TestClusterFailover(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	rc := services.NewRedisCluster(t, 3, 1)
	c := rc.Client()
	defer c.Close()
	o := Options{Addrs: rc.Addrs()}
	a, b := joinedNode(t, "a", 1, o), joinedNode(t, "b", 2, o)
	for i := range 300 {
		a.connect(fmt.Sprint("user-", i))
	}
	settled(t, a, b)
	rc.Kill(0)
	for i := range 100 {
		b.connect(fmt.Sprint("user-", i))
	}
	bounded, cancel := context.WithTimeout(ctx, patient)
	defer cancel()
	if err := rc.WaitOK(bounded); err != nil {
		t.Fatal(err)
	}
	whole(t, c, a, b)
}

func TestTLSAndUser(t *testing.T) {
	t.Parallel()
	r := services.NewRedis(t, services.RedisOptions{User: "gateway", Password: "s3cret/pass", TLS: true})
	o := Options{Addrs: []string{r.Addr()}, Username: "gateway", Password: "s3cret/pass", TLSConfig: r.TLS()}
	a := joinedNode(t, "a", 1, o)
	a.connect("user")
	settled(t, a)

	o.Password = "wr0ng"
	wrong := newGateway(t, "b", 2, o)
	err := wrong.Join(context.Background(), wrong.self, wrong.sessions)
	if !errors.Is(err, cluster.ErrAway) || !strings.Contains(err.Error(), "WRONGPASS") || strings.Contains(err.Error(), "wr0ng") {
		t.Errorf("wrong password: got %v", err)
	}
}

// What someone else removes of a node's sessions is written again within an interval,
// and leaving is bounded while Redis is away.
func TestTampered(t *testing.T) {
	t.Parallel()
	r, o, c := single(t)
	proxy := services.NewProxy(t, r.Addr())
	o.Addrs, o.ReconcileInterval = []string{proxy.Addr()}, time.Second
	a := joinedNode(t, "a", 1, o)
	for i := range 20 {
		a.connect(fmt.Sprint("user-", i))
	}
	settled(t, a)
	ctx := context.Background()
	c.SPopN(ctx, keyNodeSessions+"a", 5)
	whole(t, c, a)
	c.SAdd(ctx, keyNodeSessions+"a", "not of this node")
	whole(t, c, a)

	proxy.Blackhole()
	bounded, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	if err := a.Leave(bounded); !errors.Is(err, cluster.ErrAway) {
		t.Errorf("leave while away: got %v, want %v", err, cluster.ErrAway)
	}
	if err := proxy.Restore(); err != nil {
		t.Fatal(err)
	}
}
