package redis

import (
	"context"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"carillon/cluster"
)

// found is what Redis says about a user.
type found struct {
	holdings []holding
	online   bool // in the shared set; not known, and of no interest, when a node holds the user
}

// Locate implements [cluster.Presence].
func (p *Presence) Locate(ctx context.Context, users []string) ([]cluster.Location, error) {
	all := make([]found, len(users))
	begun := time.Now()
	if err := p.find(ctx, users, all); err != nil {
		return nil, err
	}
	if p.unheardOf(all) {
		p.lookAgain(ctx, begun)
	}
	out := make([]cluster.Location, len(users))
	for i, user := range users {
		out[i] = p.location(user, all[i])
	}
	return out, nil
}

// find fills all from memory and, in one round trip, from Redis.
func (p *Presence) find(ctx context.Context, users []string, all []found) error {
	t := p.tracked.Load()
	misses := make([]int, 0, len(users))
	var questions []*cached
	if t == nil {
		for i := range users {
			misses = append(misses, i)
		}
	} else {
		t.cache.get(users,
			func(i int, h []holding) { all[i].holdings = h },
			func(i int, question *cached) { misses, questions = append(misses, i), append(questions, question) })
	}
	p.hits.Add(uint64(len(users) - len(misses)))
	p.misses.Add(uint64(len(misses)))
	if len(misses) == 0 {
		return nil
	}

	asked := make([]string, len(misses))
	for k, i := range misses {
		asked[k] = users[i]
	}
	answers := make([]found, len(misses))
	err := p.call(ctx, func(ctx context.Context) error {
		if t != nil {
			if err := p.ask(ctx, t.reader, asked, answers); err == nil {
				return nil
			}
			// The subscriber may be gone, or with another server.
			t.sub.Close()
			questions = nil
		}
		return p.ask(ctx, p.client, asked, answers)
	})
	if err != nil {
		return err
	}
	for k, i := range misses {
		all[i] = answers[k]
		if questions != nil {
			t.cache.answer(users[i], questions[k], answers[k].holdings)
		}
	}
	return nil
}

// ask asks Redis about users.
func (p *Presence) ask(ctx context.Context, client goredis.UniversalClient, users []string, answers []found) error {
	held := make([]*goredis.MapStringStringCmd, len(users))
	var online *goredis.BoolSliceCmd
	var observe func()
	v := p.view.Load()
	err := pipelined(ctx, client, func(pipe goredis.Pipeliner) {
		for i, user := range users {
			held[i] = pipe.HGetAll(ctx, keyUser+user)
		}
		online = pipe.SMIsMember(ctx, keyOnline, anys(users)...)
		if v != nil && p.opt.Reference == ReferenceAuto && p.mixed.due(len(v.leases)) {
			observe = p.addForeign(ctx, pipe, v)
		}
	})
	if err != nil {
		return err
	}
	for i := range users {
		answers[i] = found{holdings: holdings(held[i].Val()), online: online.Val()[i]}
	}
	if observe != nil {
		observe()
	}
	return nil
}

// holdings reads a user's hash, in the order of the nodes.
func holdings(hash map[string]string) []holding {
	if len(hash) == 0 {
		return nil
	}
	list := make([]holding, 0, len(hash))
	for node, value := range hash {
		list = append(list, parseHolding(node, value))
	}
	sort.Slice(list, func(i, k int) bool { return list[i].node < list[k].node })
	return list
}

// parseHolding reads "incarnation:sessions". A value that is no such still says that
// the node holds the user, in an incarnation before all others.
func parseHolding(node, value string) holding {
	incarnation, sessions, _ := strings.Cut(value, ":")
	h := holding{node: node, sessions: 1}
	if n, err := strconv.Atoi(sessions); err == nil && n > 1 {
		h.sessions = n
	}
	if n, err := strconv.ParseUint(incarnation, 10, 64); err == nil {
		h.incarnation = n
	}
	return h
}

// location makes a location of what Redis says and what is known here: who is on this
// node, and whose lease has run out.
func (p *Presence) location(user string, f found) cluster.Location {
	var l cluster.Location
	j := p.joined.Load()
	own := 0
	if j != nil {
		own = j.local.CountOf(user)
	}
	add := func(node string, sessions int) {
		if l.Places == nil {
			l.Places = make([]cluster.Place, 0, len(f.holdings)+1)
		}
		l.Places = append(l.Places, cluster.Place{Node: node, Sessions: sessions})
	}
	for _, h := range f.holdings {
		if j != nil && h.node >= j.self.ID && own > 0 {
			add(j.self.ID, own)
			own = 0
		}
		if j != nil && h.node == j.self.ID {
			continue
		}
		if alive, known := p.alive(h.node); alive && known {
			add(h.node, h.sessions)
		}
	}
	if own > 0 {
		add(j.self.ID, own)
	}
	l.Foreign = f.online && len(f.holdings) == 0 && len(l.Places) == 0
	return l
}

// unheardOf tells whether a node holds a user that was not there at the last look, or
// that has registered again since: the lease which was seen is that of its former start.
func (p *Presence) unheardOf(all []found) bool {
	v := p.view.Load()
	for i := range all {
		for _, h := range all[i].holdings {
			if _, known := p.alive(h.node); !known || v != nil && h.incarnation > v.nodes[h.node].Incarnation {
				return true
			}
		}
	}
	return false
}

// lookAgain looks at the cluster, unless someone has since.
func (p *Presence) lookAgain(ctx context.Context, since time.Time) {
	r, v := p.reg.Load(), p.view.Load()
	if r == nil || v != nil && v.begun.After(since) {
		return
	}
	_ = p.call(ctx, func(ctx context.Context) error { return p.renew(ctx, r) })
}

// LocateSessions implements [cluster.Presence].
func (p *Presence) LocateSessions(ctx context.Context, ids []string) ([]string, error) {
	out := make([]string, len(ids))
	if len(ids) == 0 {
		return out, nil
	}
	begun := time.Now()
	err := p.call(ctx, func(ctx context.Context) error {
		nodes, err := p.client.HMGet(ctx, keySessionNode, ids...).Result()
		for i := range nodes {
			out[i], _ = nodes[i].(string)
		}
		return err
	})
	if err == nil && p.haveCome(ctx, out) {
		p.lookAgain(ctx, begun)
	}
	return out, err
}

// haveCome tells whether one of the nodes is of carillon and was not alive at the last
// look. Those of the reference have no lease, so that for them nobody looks again.
func (p *Presence) haveCome(ctx context.Context, nodes []string) bool {
	seen := make(map[string]int64) // when the leases run out that were seen
	now := int64(0)
	if v := p.view.Load(); v != nil {
		seen, now = v.leases, v.now
	}
	var strange []string
	for _, node := range nodes {
		if node != "" && seen[node] <= now && !slices.Contains(strange, node) {
			strange = append(strange, node)
		}
	}
	if len(strange) == 0 {
		return false
	}
	come := false
	_ = p.call(ctx, func(ctx context.Context) error { // without an answer nobody has come
		leases, err := p.client.ZMScore(ctx, keyLeases, strange...).Result()
		for i, lease := range leases {
			come = come || int64(lease) > seen[strange[i]]
		}
		return err
	})
	return come
}
