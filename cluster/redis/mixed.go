package redis

import (
	"context"
	"sync/atomic"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// mixed is whether nodes of the reference are about: whether there are sessions that
// no carillon node's set has. Until it is known there are.
type mixed struct {
	none   atomic.Bool  // no nodes of the reference
	equal  atomic.Bool  // the last look that was not exact found none
	looked atomic.Int64 // Unix ns
}

// observe notes how many sessions belonged to no carillon node. Numbers that were not
// read at one moment can agree by chance: then two in a row have to.
func (m *mixed) observe(foreign int64, exact bool) {
	m.looked.Store(time.Now().UnixNano())
	switch {
	case foreign != 0:
		m.equal.Store(false)
		m.none.Store(false)
	case exact || m.equal.Swap(true):
		m.none.Store(true)
	}
}

// due tells whether to look again. A look costs Redis half a microsecond a node, and
// every node looks: between looks passes as much time that all together take less
// than a twentieth of Redis's.
func (m *mixed) due(nodes int) bool {
	interval := time.Duration(nodes*nodes) * 10 * time.Microsecond
	return time.Now().UnixNano()-m.looked.Load() >= int64(interval)
}

// Mixed implements [cluster.Presence].
func (p *Presence) Mixed() bool {
	switch p.opt.Reference {
	case ReferenceAlways:
		return true
	case ReferenceNever:
		return false
	}
	return !p.mixed.none.Load()
}

// addForeign adds a look to a pipeline. The result is for after it.
func (p *Presence) addForeign(ctx context.Context, pipe goredis.Pipeliner, v *view) (observe func()) {
	if !p.cluster {
		foreign := foreignScript.EvalSha(ctx, pipe, []string{keyLeases, keySessionNode}, keyNodeSessions)
		return func() {
			if n, err := foreign.Int64(); err == nil {
				p.mixed.observe(n, true)
			}
		}
	}
	nodes := pipe.ZCard(ctx, keyLeases)
	all := pipe.HLen(ctx, keySessionNode)
	own := make([]*goredis.IntCmd, 0, len(v.leases))
	for id := range v.leases {
		own = append(own, pipe.SCard(ctx, keyNodeSessions+id))
	}
	return func() {
		if nodes.Val() != int64(len(v.leases)) {
			p.renewNow() // a node has come, whose sessions look foreign until it is known
		}
		foreign := all.Val()
		for _, n := range own {
			foreign -= n.Val()
		}
		p.mixed.observe(foreign, false)
	}
}

func (p *Presence) lookForForeign(ctx context.Context, v *view) error {
	var observe func()
	err := pipelined(ctx, p.client, func(pipe goredis.Pipeliner) { observe = p.addForeign(ctx, pipe, v) })
	if err == nil {
		observe()
	}
	return err
}
