package redis

import (
	"context"
	_ "embed"
	"strings"

	goredis "github.com/redis/go-redis/v9"
)

var (
	//go:embed lua/register.lua
	registerSource string
	//go:embed lua/renew.lua
	renewSource string
	//go:embed lua/foreign.lua
	foreignSource string
	//go:embed lua/claim.lua
	claimSource string
	//go:embed lua/finish.lua
	finishSource string
	//go:embed lua/fence.lua
	fenceSource string
	//go:embed lua/write.lua
	writeSource string
	//go:embed lua/user.lua
	userSource string

	registerScript = goredis.NewScript(registerSource)
	renewScript    = goredis.NewScript(renewSource)
	foreignScript  = goredis.NewScript(foreignSource)
	claimScript    = goredis.NewScript(claimSource)
	finishScript   = goredis.NewScript(finishSource)
	fenceScript    = goredis.NewScript(fenceSource + succeed)
	writeScript    = goredis.NewScript(fenceSource + writeSource)
	userScript     = goredis.NewScript(userSource)
)

// succeed ends a script that is only a fence.
const succeed = "return 1\n"

// noScript tells whether a server does not know a script, because it was restarted,
// say, or is a replica that was promoted.
func noScript(err error) bool {
	return err != nil && strings.HasPrefix(err.Error(), "NOSCRIPT")
}

// loadScripts gives the scripts that pipelines use to every server that may have to
// run them. A pipeline can only name scripts, it cannot fall back to their text.
func loadScripts(ctx context.Context, c goredis.UniversalClient) error {
	load := func(ctx context.Context, c goredis.Cmdable) error {
		_, err := c.Pipelined(ctx, func(pipe goredis.Pipeliner) error {
			// Script.Load would take the name from a pipeline that has not run yet.
			for _, source := range []string{renewSource, foreignSource, fenceSource + succeed, fenceSource + writeSource, userSource} {
				pipe.ScriptLoad(ctx, source)
			}
			return nil
		})
		return err
	}
	if c, ok := c.(*goredis.ClusterClient); ok {
		return c.ForEachMaster(ctx, func(ctx context.Context, c *goredis.Client) error { return load(ctx, c) })
	}
	return load(ctx, c)
}

// pipelined runs a pipeline that names scripts. It is run again when a server does
// not know them, so running it twice must do no harm.
func pipelined(ctx context.Context, c goredis.UniversalClient, build func(goredis.Pipeliner)) error {
	run := func() error {
		pipe := c.Pipeline()
		build(pipe)
		cmds, err := pipe.Exec(ctx)
		for _, cmd := range cmds {
			if noScript(cmd.Err()) {
				return cmd.Err()
			}
		}
		return err
	}
	err := run()
	if !noScript(err) {
		return err
	}
	if err := loadScripts(ctx, c); err != nil {
		return err
	}
	return run()
}
