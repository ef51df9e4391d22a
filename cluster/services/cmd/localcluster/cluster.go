package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"carillon/cluster/services"
)

// options say what run starts.
type options struct {
	gateway string
	port    int
	nodes   int
}

// run starts everything and waits until ctx ends, or until a gateway does, which is
// an error.
func run(ctx context.Context, o options, w io.Writer) (err error) {
	if o.nodes < 1 {
		return fmt.Errorf("%d gateways", o.nodes)
	}
	if _, err := os.Stat(o.gateway); err != nil {
		return fmt.Errorf("%w: make build makes it", err)
	}
	out := &output{w: w}
	out.say("Starting Redis and RabbitMQ, which takes some seconds ...")
	var redis *services.Redis
	var rabbit *services.RabbitMQ
	var redisErr, rabbitErr error
	var both sync.WaitGroup
	both.Go(func() { redis, redisErr = services.StartRedis(ctx, services.RedisOptions{}) })
	both.Go(func() { rabbit, rabbitErr = services.StartRabbitMQ(ctx, services.RabbitOptions{Management: true}) })
	both.Wait()
	defer func() {
		if redisErr == nil {
			err = errors.Join(err, redis.Stop(false))
		}
		if rabbitErr == nil {
			err = errors.Join(err, rabbit.Stop(false))
		}
	}()
	if err := errors.Join(redisErr, rabbitErr); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	dir, err := os.MkdirTemp("", "carillon-localcluster-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	var gateways []*gateway
	defer func() {
		for _, g := range gateways {
			g.terminate()
		}
		for _, g := range gateways {
			<-g.done
		}
	}()
	ended := make(chan *gateway, o.nodes)
	for i := range o.nodes {
		g, err := startGateway(o, i, dir, redis, rabbit, out, ended)
		if err != nil {
			return err
		}
		gateways = append(gateways, g)
	}
	for _, g := range gateways {
		if err := g.waitReady(ctx); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
	}
	out.say("%s", instructions(gateways, redis, rabbit))
	select {
	case <-ctx.Done():
		out.say("Ending everything ...")
		return nil
	case g := <-ended:
		return fmt.Errorf("%s has ended: %w", g.name, g.err)
	}
}
