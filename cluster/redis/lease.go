package redis

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync/atomic"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"carillon/cluster"
)

// errCleaning means that another node cleans up under this id, which ends soon.
var errCleaning = errors.New("another node cleans up under this id")

// cleaningPause is how long to wait before asking again whether it has ended.
const cleaningPause = 20 * time.Millisecond

// registration is one under an incarnation.
type registration struct {
	incarnation uint64
	renewed     atomic.Pointer[time.Time] // when the last renewal that succeeded was begun
}

// overdue tells whether the lease has certainly run out at Redis, by a clock that
// goes on while the process is stopped.
func (r *registration) overdue(lease time.Duration) bool {
	return time.Since(*r.renewed.Load()) > lease
}

// register takes the node id under a new incarnation. Errors: a [*cluster.TakenError],
// errCleaning, and what the driver says. One goroutine at a time.
func (p *Presence) register(ctx context.Context) error {
	begun := time.Now()
	bounded, cancel := context.WithTimeout(ctx, p.renewTimeout())
	defer cancel()
	j := p.joined.Load()
	reply, err := registerScript.Run(bounded, p.client,
		[]string{keyIncarnations, keyLeases, keyNodes, keyCleaning},
		j.self.ID, p.token, p.opt.Lease.Milliseconds(), j.json, strconv.FormatUint(p.incarnation+1, 10)).Slice()
	if err != nil {
		return err
	}
	status, _ := number(reply, 0)
	switch status {
	case 2:
		p.reached()
		return errCleaning
	case 3:
		p.reached()
		taken := &cluster.TakenError{Node: j.self.ID}
		if expires, err := number(reply, 1); err == nil {
			taken.Expires = time.UnixMilli(expires)
		}
		return taken
	}
	incarnation, err := number(reply, 1)
	if err != nil {
		return err
	}
	// A request that was given up may have arrived late and have taken the lease again.
	if fresh, _ := number(reply, 3); p.last != nil && (fresh != 0 || p.last.overdue(p.opt.Lease)) {
		p.leasesLost.Add(1)
		p.log.Warn("redis: the node's lease had run out, registering it and all its sessions again")
	}
	p.incarnation = uint64(incarnation)
	servers, _ := p.whichServers(bounded) // when it does not tell, the next look finds another one
	p.servers.Store(&servers)
	r := &registration{incarnation: p.incarnation}
	r.renewed.Store(&begun)
	p.last = r
	p.reg.Store(r)
	p.reached()
	p.renewNow()
	return nil
}

// renewTimeout is for a round trip that decides whether Redis is away.
func (p *Presence) renewTimeout() time.Duration { return min(3*p.opt.Timeout, p.opt.Lease) }

// reached notes that Redis answers.
func (p *Presence) reached() {
	if p.away.Swap(nil) != nil {
		p.log.Info("redis: back")
	}
}

// failed notes that Redis does not answer. What it holds is in doubt from now on, so
// the node registers again when it does.
func (p *Presence) failed(err error) {
	why := reason(err)
	if p.away.Swap(&why) == nil {
		p.log.Warn("redis: away", "reason", why, "error", err)
	}
}

// unregister notes that r has ended, unless that is known.
func (p *Presence) unregister(r *registration) bool {
	if !p.reg.CompareAndSwap(r, nil) {
		return false
	}
	p.queue.kick()
	return true
}

// renewNow asks for a renewal without waiting for it.
func (p *Presence) renewNow() {
	select {
	case p.renewal <- struct{}{}:
	default:
	}
}

// keepLease renews the lease three times in it, and looks at the cluster then. It
// also does so when the lease of another node runs out, so that what that node has
// left is cleaned up soon.
func (p *Presence) keepLease(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-p.renewal:
		}
		begun := time.Now()
		if r := p.reg.Load(); r != nil {
			if err := p.renew(ctx, r); err != nil && ctx.Err() == nil && p.unregister(r) {
				p.failed(err)
			}
		}
		timer.Reset(p.nextLook(begun))
	}
}

// lookJitter spreads the nodes that look at a dead one.
const lookJitter = 100 * time.Millisecond

// nextLook returns when to look again after a look that was begun then: the lease runs
// from there, however long Redis took to answer.
func (p *Presence) nextLook(begun time.Time) time.Duration {
	next := max(p.opt.Lease/3-time.Since(begun), 0)
	v := p.view.Load()
	if v == nil {
		return next
	}
	now := v.estimate()
	for _, expiry := range v.leases {
		if left := time.Duration(expiry-now) * time.Millisecond; left > 0 {
			next = min(next, left+time.Millisecond+rand.N(min(lookJitter, p.opt.Lease/10)))
		}
	}
	return next
}

// renew renews the lease and brings the view up to date. When the lease is lost
// that is noted, and no error.
func (p *Presence) renew(ctx context.Context, r *registration) error {
	select {
	case p.looking <- struct{}{}:
		defer func() { <-p.looking }()
	case <-ctx.Done():
		return ctx.Err()
	}
	ctx, cancel := context.WithTimeout(ctx, p.renewTimeout())
	defer cancel()
	self := p.joined.Load().self.ID
	begun := time.Now()
	reply, servers, told, err := p.askToRenew(ctx, self, r)
	if err != nil {
		return err
	}
	if status, _ := number(reply, 0); status == 0 {
		p.unregister(r)
		return nil
	}
	r.renewed.Store(&begun)
	v, err := p.look(ctx, reply, begun)
	if err != nil {
		return err
	}
	if p.cluster {
		if err := p.lookForForeign(ctx, v); err != nil {
			return err
		}
	} else if foreign, err := number(reply, 4); err == nil {
		p.mixed.observe(foreign, true)
	}

	// One that does not tell now, because it is busy, say, is asked again at the next look.
	if told {
		if before := p.servers.Swap(&servers); before != nil && *before != servers {
			// Restarted, or failed over: it may have forgotten anything.
			p.log.Info("redis: another server than before, writing all sessions again")
			p.resyncNow()
		}
	}
	if dead := v.expired(self); len(dead) > 0 {
		select {
		case p.expired <- dead:
		default: // still at the last ones
		}
	}
	return nil
}

// askToRenew runs the script that renews, and asks which servers there are. On one
// server that is one round trip, since each is a long wait when it is busy.
func (p *Presence) askToRenew(ctx context.Context, id string, r *registration) (reply []any, servers string, told bool, err error) {
	args := []any{id, strconv.FormatUint(r.incarnation, 10), p.opt.Lease.Milliseconds(), keyNodeSessions}
	keys := []string{keyIncarnations, keyLeases}
	if p.cluster {
		reply, err = renewScript.Run(ctx, p.client, keys, args...).Slice()
		if err == nil {
			var e error
			servers, e = p.whichServers(ctx)
			told = e == nil
		}
		return reply, servers, told, err
	}
	var renewal *goredis.Cmd
	var info *goredis.StringCmd
	_ = pipelined(ctx, p.client, func(pipe goredis.Pipeliner) { // each command has its own error
		renewal = renewScript.EvalSha(ctx, pipe, append(keys, keySessionNode), args...)
		info = pipe.Info(ctx, "server")
	})
	if reply, err = renewal.Slice(); err != nil {
		return nil, "", false, err
	}
	servers, e := runID(info)
	return reply, servers, e == nil, nil
}

// number reads an integer of a script's reply; scripts send large ones as text.
func number(reply []any, i int) (int64, error) {
	if i >= len(reply) {
		return 0, fmt.Errorf("reply of %d elements", len(reply))
	}
	switch v := reply[i].(type) {
	case int64:
		return v, nil
	case string:
		return strconv.ParseInt(v, 10, 64)
	}
	return 0, fmt.Errorf("%T in a reply", reply[i])
}

func texts(reply []any, i int) []any {
	if i >= len(reply) {
		return nil
	}
	list, _ := reply[i].([]any)
	return list
}
