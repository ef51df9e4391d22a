package redis

import (
	"context"
	"sort"
	"strconv"
	"time"

	"carillon/cluster"
)

// view is the cluster as last seen.
type view struct {
	begun  time.Time               // when the look was begun
	at     time.Time               // when it came back
	now    int64                   // Redis's clock then, Unix ms
	leases map[string]int64        // node -> when its lease runs out, by that clock
	nodes  map[string]cluster.Node // what they are
}

// estimate returns Redis's clock now.
func (v *view) estimate() int64 { return v.now + time.Since(v.at).Milliseconds() }

// expired returns the nodes whose leases have run out, self aside.
func (v *view) expired(self string) []string {
	var dead []string
	for id, expiry := range v.leases {
		if expiry <= v.now && id != self {
			dead = append(dead, id)
		}
	}
	return dead
}

// look makes a view of the reply to a renewal. It asks for nothing unless a node has
// come, or registered again.
func (p *Presence) look(ctx context.Context, reply []any, begun time.Time) (*view, error) {
	leases, incarnations := texts(reply, 2), texts(reply, 3)
	now, err := number(reply, 1)
	if err != nil {
		return nil, err
	}
	n := len(leases) / 2
	v := &view{begun: begun, at: time.Now(), now: now, leases: make(map[string]int64, n), nodes: make(map[string]cluster.Node, n)}
	old := p.view.Load()
	var unknown []string
	for i := range n {
		id, _ := leases[2*i].(string)
		score, _ := leases[2*i+1].(string)
		expiry, err := strconv.ParseFloat(score, 64)
		if err != nil {
			return nil, err
		}
		v.leases[id] = int64(expiry)
		incarnation, _ := number(incarnations, i)
		if old != nil {
			if known, ok := old.nodes[id]; ok && known.Incarnation == uint64(incarnation) {
				v.nodes[id] = known
				continue
			}
		}
		unknown = append(unknown, id)
	}
	if len(unknown) > 0 {
		records, err := p.client.HMGet(ctx, keyNodes, unknown...).Result()
		if err != nil {
			return nil, err
		}
		for i, id := range unknown {
			text, _ := records[i].(string)
			v.nodes[id] = decodeNode(id, text)
		}
	}
	p.view.Store(v)
	return v, nil
}

// Members implements [cluster.Presence].
func (p *Presence) Members() []cluster.Node {
	v := p.view.Load()
	if v == nil {
		if j := p.joined.Load(); j != nil {
			return []cluster.Node{j.self}
		}
		return nil
	}
	members := make([]cluster.Node, 0, len(v.leases))
	for id, expiry := range v.leases {
		if expiry > v.now {
			n := v.nodes[id]
			n.Expires = time.UnixMilli(expiry)
			members = append(members, n)
		}
	}
	sort.Slice(members, func(i, k int) bool { return members[i].ID < members[k].ID })
	return members
}

// alive tells whether a node has a lease, and whether it is known at all. A view too
// old to have seen renewals buries nobody.
func (p *Presence) alive(node string) (alive, known bool) {
	v := p.view.Load()
	if v == nil || time.Since(v.at) > p.opt.Lease/2 {
		return true, true
	}
	expiry, known := v.leases[node]
	return expiry > v.estimate(), known
}
