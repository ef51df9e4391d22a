package redis

import (
	"context"
	"errors"
	"strconv"

	goredis "github.com/redis/go-redis/v9"
)

// cleanChunk is how many sessions of a dead node are removed at once.
const cleanChunk = 500

// cleanUp removes what nodes leave behind whose lease has run out.
func (p *Presence) cleanUp(ctx context.Context) {
	w := p.newWriter()
	for {
		select {
		case <-ctx.Done():
			return
		case dead := <-p.expired:
			for _, node := range dead {
				if err := p.bury(ctx, w, node); err != nil && ctx.Err() == nil {
					p.log.Warn("redis: cleaning up after a dead node has not succeeded", "node", node, "reason", reason(err))
				}
			}
			p.renewNow()
		}
	}
}

// bury cleans up after a node, unless it lives or another node does it.
func (p *Presence) bury(ctx context.Context, w writer, node string) error {
	claim := p.opt.Lease.Milliseconds()
	bounded, cancel := context.WithTimeout(ctx, p.renewTimeout())
	defer cancel()
	text, err := claimScript.Run(bounded, p.client, []string{keyIncarnations, keyLeases, keyCleaning}, node, claim).Text()
	if err != nil {
		return err
	}
	incarnation, err := strconv.ParseUint(text, 10, 64)
	if err != nil || incarnation == 0 {
		return err
	}
	err = p.removeNode(ctx, w, holder{node: node, incarnation: incarnation, cleaning: true, extend: claim})
	if errors.Is(err, errFenced) {
		return nil // this process was paused, and another one has gone on
	}
	if err != nil {
		return err
	}
	p.cleaned.Add(1)
	p.log.Info("redis: cleaned up after a dead node", "node", node)
	if p.opt.OnDead != nil {
		p.opt.OnDead(node)
	}
	return nil
}

// removeNode removes a node and all its sessions, in chunks. The fence is up between
// any two, and the node's entries go last: what is not removed is found again.
func (p *Presence) removeNode(ctx context.Context, w writer, as holder) error {
	none := func(string) int { return 0 }
	for {
		ids, err := p.remaining(ctx, as.node)
		if err != nil {
			return err
		}
		if len(ids) == 0 {
			break
		}
		users, err := p.client.HMGet(ctx, keySessionUser, ids...).Result()
		if err != nil {
			return err
		}
		entries := make([]entry, len(ids))
		for i, id := range ids {
			user, _ := users[i].(string)
			entries[i] = entry{user: user, session: id, kind: gone}
		}
		if _, err := w.write(ctx, as, entries, none); err != nil {
			return err
		}
	}
	removed, err := finishScript.Run(ctx, p.client,
		[]string{keyIncarnations, keyLeases, keyNodes, keyCleaning, keyUsers},
		as.node, strconv.FormatUint(as.incarnation, 10)).Int()
	if err == nil && removed == 0 {
		err = errFenced
	}
	return err
}

// remaining returns some of the sessions that Redis has of a node, or none when
// there are no more.
func (p *Presence) remaining(ctx context.Context, node string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, p.writeTimeout())
	defer cancel()
	var ids, beats *goredis.StringSliceCmd
	_, err := p.client.Pipelined(ctx, func(pipe goredis.Pipeliner) error {
		ids = pipe.SRandMemberN(ctx, keyNodeSessions+node, cleanChunk)
		beats = pipe.ZRange(ctx, keyHeartbeats+node, 0, cleanChunk-1)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(ids.Val()) > 0 {
		return ids.Val(), nil
	}
	return beats.Val(), nil
}
