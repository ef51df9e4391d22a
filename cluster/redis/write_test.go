package redis

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	goredis "github.com/redis/go-redis/v9"

	"carillon/cluster"
	"carillon/cluster/services"
)

// consistent reads the keys of a user at one moment and answers 1 when they agree.
var consistent = goredis.NewScript(`
local held, member = redis.call('EXISTS', KEYS[1]), redis.call('SISMEMBER', KEYS[2], ARGV[1])
local sessions = redis.call('HLEN', KEYS[3])
local sets = redis.call('SCARD', KEYS[4]) + redis.call('SCARD', KEYS[5])
local counts = 0
for _, v in ipairs(redis.call('HVALS', KEYS[1])) do counts = counts + tonumber(string.match(v, ':(%d+)$')) end
if held == member and sessions == sets and redis.call('HLEN', KEYS[6]) == sessions and (counts > 0) == (sessions > 0) then return 'ok' end
return held .. member .. ' sessions ' .. sessions .. ' sets ' .. sets .. ' counts ' .. counts`)

// hammer lets two nodes connect and disconnect one user from several goroutines.
func hammer(a, b *gateway, rounds int) (keep map[*gateway][]cluster.SessionID) {
	keep = make(map[*gateway][]cluster.SessionID)
	var mu sync.Mutex
	var loops sync.WaitGroup
	for _, g := range []*gateway{a, b} {
		for k := range 4 {
			loops.Go(func() {
				random := rand.New(rand.NewPCG(uint64(g.self.Tag), uint64(k)))
				var held []cluster.SessionID
				for range rounds {
					if len(held) == 0 || random.IntN(2) == 0 && len(held) < 3 {
						held = append(held, g.connect("user"))
					} else {
						g.disconnect("user", held[0])
						held = held[1:]
					}
					if random.IntN(8) == 0 {
						_, _ = g.Count(context.Background()) // lets a batch go
					}
				}
				mu.Lock()
				defer mu.Unlock()
				keep[g] = append(keep[g], held...)
			})
		}
	}
	loops.Wait()
	return keep
}

// On one server the keys of a user agree at every moment, whatever two nodes do.
func TestAtomic(t *testing.T) {
	t.Parallel()
	_, o, c := single(t)
	a, b := joinedNode(t, "a", 1, o), joinedNode(t, "b", 2, o)
	stop := make(chan struct{})
	watched := make(chan int)
	go func() {
		n := 0
		defer func() { watched <- n }()
		for {
			got, err := consistent.Run(context.Background(), c, []string{keyUser + "user", keyOnline, keySessionUser,
				keyNodeSessions + "a", keyNodeSessions + "b", keySessionNode}, "user").Text()
			if err != nil || got != "ok" {
				t.Errorf("got %s, %v", got, err)
				return
			}
			n++
			select {
			case <-stop:
				return
			default:
			}
		}
	}()
	keep := hammer(a, b, 1500)
	settled(t, a, b)
	whole(t, c, a, b)
	for g, ids := range keep {
		for _, id := range ids {
			g.disconnect("user", id)
		}
	}
	settled(t, a, b)
	close(stop)
	if n := <-watched; n < 100 {
		t.Errorf("looked only %d times", n)
	}
	if c.Exists(context.Background(), keyUser+"user", keyOnline, keySessionUser).Val() != 0 {
		t.Error("the user is still there")
	}
}

// In a Redis Cluster the keys agree as soon as the writers are done.
func TestConverges(t *testing.T) {
	t.Parallel()
	rc := services.NewRedisCluster(t, 3, 0)
	c := rc.Client()
	t.Cleanup(func() { _ = c.Close() })
	o := Options{Addrs: rc.Addrs()}
	a, b := joinedNode(t, "a", 1, o), joinedNode(t, "b", 2, o)
	for range 5 {
		for g, ids := range hammer(a, b, 200) {
			for _, id := range ids {
				g.disconnect("user", id)
			}
		}
		settled(t, a, b)
		online := c.SIsMember(context.Background(), keyOnline, "user").Val()
		held := c.Exists(context.Background(), keyUser+"user").Val() > 0
		if online || held {
			t.Fatalf("nobody is there: online %t, held %t", online, held)
		}
		id := a.connect("user")
		hammer(b, b, 50)
		settled(t, a, b)
		whole(t, c, a, b)
		a.disconnect("user", id)
		for cursor := uint64(0); ; {
			var left []cluster.SessionID
			cursor = b.sessions.Scan(cursor, func(_ string, id cluster.SessionID) { left = append(left, id) })
			for _, id := range left {
				b.disconnect("user", id)
			}
			if cursor == 0 {
				break
			}
		}
	}
	settled(t, a, b)
	whole(t, c, a, b)
}

// interloper does something between two steps of a writer.
type interloper struct {
	before func(cmds []goredis.Cmder)
}

func (i interloper) DialHook(next goredis.DialHook) goredis.DialHook          { return next }
func (i interloper) ProcessHook(next goredis.ProcessHook) goredis.ProcessHook { return next }
func (i interloper) ProcessPipelineHook(next goredis.ProcessPipelineHook) goredis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []goredis.Cmder) error {
		i.before(cmds)
		return next(ctx, cmds)
	}
}

// Node a takes the user out of the online set just after node b has put the user in,
// and the other way round: the verification puts that right.
func TestVerified(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	rc := services.NewRedisCluster(t, 3, 0)
	own, other := rc.Client(), rc.Client()
	t.Cleanup(func() { _, _ = own.Close(), other.Close() })
	for _, node := range []string{"a", "b"} {
		other.HSet(ctx, keyIncarnations, node, 7)
		other.ZAdd(ctx, keyLeases, goredis.Z{Score: 1e15, Member: node})
	}
	wa, wb := &clusterWriter{client: own, timeout: patient}, &clusterWriter{client: other, timeout: patient}
	b := holder{node: "b", incarnation: 7}
	one, none := func(string) int { return 1 }, func(string) int { return 0 }
	comes, goes := []entry{{"user", "s-b", come}}, []entry{{"user", "s-b", gone}}

	interfere := true
	own.AddHook(interloper{before: func(cmds []goredis.Cmder) {
		if cmds[0].Name() != "srem" || !interfere {
			return
		}
		interfere = false
		if _, err := wb.write(ctx, b, comes, one); err != nil {
			t.Error(err)
		}
	}})
	a := holder{node: "a", incarnation: 7}
	if _, err := wa.write(ctx, a, []entry{{"user", "s-a", come}}, one); err != nil {
		t.Fatal(err)
	}
	if _, err := wa.write(ctx, a, []entry{{"user", "s-a", gone}}, none); err != nil {
		t.Fatal(err)
	}
	if interfere {
		t.Fatal("the other node has not interfered")
	}
	if !other.SIsMember(ctx, keyOnline, "user").Val() {
		t.Error("b holds the user, who is not online")
	}
	if _, err := wb.write(ctx, b, goes, none); err != nil {
		t.Fatal(err)
	}
	if other.SIsMember(ctx, keyOnline, "user").Val() {
		t.Error("nobody holds the user, who is online")
	}

	// Again, and the other node leaves before a corrects.
	turn := 0
	own.AddHook(interloper{before: func(cmds []goredis.Cmder) {
		var err error
		switch name := cmds[0].Name(); {
		case name == "srem" && turn == 0:
			turn++
			_, err = wb.write(ctx, b, comes, one)
		case name == "sadd" && turn == 1 && cmds[0].Args()[1] == keyOnline:
			turn++
			_, err = wb.write(ctx, b, goes, none)
		}
		if err != nil {
			t.Error(err)
		}
	}})
	if _, err := wa.write(ctx, a, []entry{{"user", "s-a", gone}}, none); err != nil {
		t.Fatal(err)
	}
	if turn != 2 {
		t.Fatalf("the other node has interfered %d times", turn)
	}
	if other.SIsMember(ctx, keyOnline, "user").Val() {
		t.Error("nobody holds the user, who is online again")
	}
}

// What an earlier incarnation, or a node without a lease, writes changes nothing.
func TestFenced(t *testing.T) {
	t.Parallel()
	_, o, c := single(t)
	ctx := context.Background()
	a := joinedNode(t, "a", 1, o)
	id := a.connect("user").String()
	settled(t, a)
	before := keysOf(t, c)
	inc := a.reg.Load().incarnation
	writers := map[string]writer{"single": &atomicWriter{client: c, timeout: patient}, "cluster": &clusterWriter{client: c, timeout: patient}}
	for name, w := range writers {
		for _, as := range []holder{
			{node: "a", incarnation: inc - 1},
			{node: "a", incarnation: inc + 1},
			{node: "a", incarnation: inc, cleaning: true},
			{node: "unknown", incarnation: inc},
		} {
			if _, err := w.write(ctx, as, []entry{{"user", id, gone}}, func(string) int { return 0 }); !errors.Is(err, errFenced) {
				t.Errorf("%s: %+v: got %v, want %v", name, as, err, errFenced)
			}
		}
	}
	if got := keysOf(t, c); fmt.Sprint(got) != fmt.Sprint(before) {
		t.Errorf("keys: got %q, want %q", got, before)
	}
	if err := registered(c, "a", []string{id}); err != nil {
		t.Error(err)
	}
	for _, count := range []int{0, 5} {
		if got := userScript.Run(ctx, c, []string{keyUser + "user"}, "a", inc-1, count).Val(); got != int64(2) {
			t.Errorf("an older incarnation's count: got %v, want 2", got)
		}
	}
	if err := registered(c, "a", []string{id}); err != nil {
		t.Error(err)
	}
	// A lease that has run out is none, even when nobody has noticed.
	c.ZAdd(ctx, keyLeases, goredis.Z{Score: 1, Member: "a"})
	if _, err := writers["single"].write(ctx, holder{node: "a", incarnation: inc}, []entry{{"user", id, gone}}, func(string) int { return 0 }); !errors.Is(err, errFenced) {
		t.Errorf("got %v, want %v", err, errFenced)
	}
}

// Everything a batch can hold, in its order: the last word about a session counts.
func TestBlock(t *testing.T) {
	var b block
	counts := map[string]int{"u": 2, "v": 0}
	b.fill([]entry{
		{"u", "1", come}, {"v", "2", come}, {"u", "1", gone}, {"u", "3", come},
		{"v", "2", gone}, {"v", "2", gone}, {"w", "", check}, {"", "4", gone},
	}, func(user string) int { return counts[user] })
	got := fmt.Sprint(b.come, b.gone, b.users, b.counts)
	if want := "[{u 3 0}] [{u 1 1} {v 2 1} { 4 1}] [u v w] [2 0 0]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
