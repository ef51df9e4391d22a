package redis

import (
	"context"
	"errors"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// reconcile compares what Redis holds with what is true, now and then. A pass begins
// early enough that the next one meets each user within the interval, whatever the
// pace of both.
func (p *Presence) reconcile(ctx context.Context) {
	for sleep(ctx, p.opt.ReconcileInterval/2) {
		if p.reg.Load() == nil || p.syncing.Load() {
			continue
		}
		err := p.pass(ctx, p.opt.ReconcileInterval/4, func(users, _ []string) error { return p.repair(ctx, users) })
		if err == nil {
			err = p.compareCounts(ctx)
		}
		if err == nil {
			err = p.repairForeign(ctx)
		}
		p.passed(ctx, "reconciling", err)
	}
}

// repair puts users back into the shared online set that a node of the reference has
// removed. It is left to the flusher to do so, which knows whether they still are online.
func (p *Presence) repair(ctx context.Context, users []string) error {
	ctx, cancel := context.WithTimeout(ctx, p.writeTimeout())
	defer cancel()
	online, err := p.client.SMIsMember(ctx, keyOnline, anys(users)...).Result()
	if err != nil {
		return err
	}
	missing := make(map[string]*goredis.BoolCmd)
	for i, user := range users {
		if !online[i] {
			missing[user] = nil
		}
	}
	if len(missing) == 0 {
		return nil
	}
	// One that is not written yet is missing too, but needs no repair.
	j := p.joined.Load()
	_, err = p.client.Pipelined(ctx, func(pipe goredis.Pipeliner) error {
		for user := range missing {
			missing[user] = pipe.HExists(ctx, keyUser+user, j.self.ID)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for user, held := range missing {
		if held.Val() && j.local.CountOf(user) > 0 {
			p.repaired.Add(1)
		}
		p.queue.put(change{user: user, kind: check})
	}
	return nil
}

// compareCounts has everything written again when Redis holds more or fewer sessions of
// this node than there are. Changes that are under way are no difference.
func (p *Presence) compareCounts(ctx context.Context) error {
	const looks, pause = 3, 50 * time.Millisecond
	j := p.joined.Load()
	for range looks {
		settled := p.queue.settled.Load()
		bounded, cancel := context.WithTimeout(ctx, p.writeTimeout())
		there, err := p.client.SCard(bounded, keyNodeSessions+j.self.ID).Result()
		cancel()
		if err != nil {
			return err
		}
		_, here := j.local.Len()
		underWay := int64(p.queue.noted.Load() - settled)
		if difference := there - int64(here); max(difference, -difference) <= underWay || p.syncing.Load() {
			return nil
		}
		if !sleep(ctx, pause) {
			return nil
		}
	}
	p.log.Warn("redis: holds other sessions of this node than there are, writing all again")
	p.resyncNow()
	return nil
}

// refreshHeartbeats keeps the zset of heartbeats recent enough that its readers take
// the sessions for alive. A session that has gone meanwhile is not put back.
func (p *Presence) refreshHeartbeats(ctx context.Context) {
	for sleep(ctx, p.opt.RefreshInterval/2) {
		if p.reg.Load() == nil || p.syncing.Load() {
			continue
		}
		key := keyHeartbeats + p.joined.Load().self.ID
		err := p.pass(ctx, p.opt.RefreshInterval/2, func(_, ids []string) error {
			ctx, cancel := context.WithTimeout(ctx, p.writeTimeout())
			defer cancel()
			now := float64(time.Now().UnixMilli())
			beats := make([]goredis.Z, len(ids))
			for i, id := range ids {
				beats[i] = goredis.Z{Score: now, Member: id}
			}
			return p.client.ZAddXX(ctx, key, beats...).Err()
		})
		p.passed(ctx, "refreshing heartbeats", err)
	}
}

// passed notes how a pass has ended. A failure is a reason to look at Redis.
func (p *Presence) passed(ctx context.Context, what string, err error) {
	if err == nil || ctx.Err() != nil {
		return
	}
	p.log.Debug("redis: "+what+" has not succeeded", "error", err)
	if !errors.Is(err, errBehind) {
		p.renewNow()
	}
}
