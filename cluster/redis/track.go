package redis

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"
	goredis "github.com/redis/go-redis/v9"
)

// tracked is a cache that Redis keeps true (client-side caching): what is read by
// reader is remembered by the server, which tells changes to a subscriber. When the
// connection of the subscriber ends, so does the cache.
type tracked struct {
	cache  *cache
	reader *goredis.Client
	sub    *goredis.PubSub
}

// invalidations is the channel on which Redis tells changes.
const invalidations = "__redis__:invalidate"

// maxTrackPause bounds the pauses between attempts: a user may not be allowed to
// have changes told at all.
const maxTrackPause = 30 * time.Second

// track keeps a tracked cache. There is none with a Redis Cluster, where each server
// would have to be subscribed to and keys move between them.
func (p *Presence) track(ctx context.Context) {
	if p.cluster || p.opt.CacheTTL < 0 {
		return
	}
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = firstPause, maxTrackPause
	for ctx.Err() == nil {
		err := p.trackOnce(ctx, pause.Reset)
		if ctx.Err() != nil {
			return
		}
		p.log.Debug("redis: locations come from memory no longer, until redis tells changes again", "error", err)
		if !sleep(ctx, pause.NextBackOff()) {
			return
		}
	}
}

// newClient returns a client of its own, which runs hook on each connection to the
// server; the driver also runs it on those to Sentinels.
func (p *Presence) newClient(hook func(context.Context, *goredis.Conn) error) *goredis.Client {
	o := p.opt.universal()
	o.OnConnect = func(ctx context.Context, c *goredis.Conn) error {
		if p.opt.MasterName != "" {
			role := goredis.NewSliceCmd(ctx, "role")
			if err := c.Process(ctx, role); err != nil {
				return err
			}
			if r := role.Val(); len(r) > 0 && r[0] == "sentinel" {
				return nil
			}
		}
		return hook(ctx, c)
	}
	c := goredis.NewUniversalClient(o).(*goredis.Client)
	c.AddHook(&p.counter)
	return c
}

// trackOnce has a tracked cache for as long as its connection lasts.
func (p *Presence) trackOnce(ctx context.Context, established func()) error {
	var subscriber atomic.Int64
	subClient := p.newClient(func(ctx context.Context, c *goredis.Conn) error {
		id, err := c.ClientID(ctx).Result()
		subscriber.Store(id)
		return err
	})
	defer subClient.Close()
	sub := subClient.Subscribe(ctx, invalidations)
	defer sub.Close()
	// The driver does not look at ctx while it reads.
	defer context.AfterFunc(ctx, func() { sub.Close() })()
	if _, err := sub.ReceiveTimeout(ctx, p.opt.Timeout); err != nil {
		return err
	}
	redirect := subscriber.Load()

	reader := p.newClient(func(ctx context.Context, c *goredis.Conn) error {
		return c.Process(ctx, goredis.NewStatusCmd(ctx, "client", "tracking", "on", "redirect", redirect))
	})
	defer reader.Close()
	if err := reader.Ping(ctx).Err(); err != nil {
		return err
	}
	t := &tracked{cache: newCache(p.opt.CacheTTL, p.opt.CacheMax), reader: reader, sub: sub}
	p.tracked.Store(t)
	defer p.tracked.Store(nil)
	established()

	// A connection that is silently cut would keep the cache for ever.
	for silent := false; ; {
		message, err := sub.ReceiveTimeout(ctx, p.opt.Timeout)
		if redirect != subscriber.Load() {
			return errors.New("the driver has connected anew")
		}
		switch {
		case isTimeout(err) && !silent:
			silent = true
			if err := sub.Ping(ctx); err != nil {
				return err
			}
			continue
		case err != nil:
			return err // also when all keys are gone, which comes without their names
		}
		silent = false
		if m, ok := message.(*goredis.Message); ok {
			for _, key := range m.PayloadSlice {
				if user, ok := strings.CutPrefix(key, keyUser); ok {
					t.cache.forget(user)
				}
			}
		}
	}
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}
