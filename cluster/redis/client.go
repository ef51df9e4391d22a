package redis

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync/atomic"

	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// universal returns the driver's options. Its own retries are off: whoever calls
// knows better what to do after a failure, and how long it may take.
func (o Options) universal() *goredis.UniversalOptions {
	return &goredis.UniversalOptions{
		Addrs:            o.Addrs,
		MasterName:       o.MasterName,
		IsClusterMode:    o.cluster(),
		DB:               o.DB,
		Username:         o.Username,
		Password:         o.Password,
		SentinelUsername: o.SentinelUsername,
		SentinelPassword: o.SentinelPassword,
		TLSConfig:        o.TLSConfig,
		ClientName:       o.ClientName,
		Protocol:         2,
		DialTimeout:      o.DialTimeout,
		// A context bounds every round trip, most to less than this: the driver takes
		// whichever ends first.
		ReadTimeout:           patience * o.Timeout,
		WriteTimeout:          patience * o.Timeout,
		PoolTimeout:           o.Timeout,
		ContextTimeoutEnabled: true,
		MaxRetries:            -1,
		DialerRetries:         1,
		DisableIdentity:       true,
		PipelinePoolSize:      -1,
		// A node of the cluster that failed is asked again soon, not after the
		// driver's 15 s: it is the only one that has its slots.
		FailingTimeoutSeconds:    1,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
}

// counter counts what a client sends.
type counter struct {
	commands, failures atomic.Uint64
}

func (c *counter) DialHook(next goredis.DialHook) goredis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := next(ctx, network, addr)
		if err != nil {
			c.failures.Add(1)
		}
		return conn, err
	}
}

func (c *counter) ProcessHook(next goredis.ProcessHook) goredis.ProcessHook {
	return func(ctx context.Context, cmd goredis.Cmder) error {
		err := next(ctx, cmd)
		c.count(1, err)
		return err
	}
}

func (c *counter) ProcessPipelineHook(next goredis.ProcessPipelineHook) goredis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []goredis.Cmder) error {
		err := next(ctx, cmds)
		c.count(len(cmds), err)
		return err
	}
}

func (c *counter) count(commands int, err error) {
	c.commands.Add(uint64(commands))
	if err != nil && !errors.Is(err, goredis.Nil) && !noScript(err) {
		c.failures.Add(1)
	}
}

// driverLog takes what the driver says; it has one logger for all its clients.
type driverLog struct{ to atomic.Pointer[slog.Logger] }

var driver driverLog

func init() { goredis.SetLogger(&driver) }

func (d *driverLog) Printf(ctx context.Context, format string, args ...any) {
	if log := d.to.Load(); log != nil && log.Enabled(ctx, slog.LevelDebug) {
		log.DebugContext(ctx, "redis driver: "+fmt.Sprintf(format, args...))
	}
}
