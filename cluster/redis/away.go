package redis

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"

	goredis "github.com/redis/go-redis/v9"

	"carillon/cluster"
)

// reason says in a few words, without an address, why Redis did not do something.
// What a server has answered begins with a word in capitals, which is all that is
// told of it: the rest may name users, addresses and keys.
func reason(err error) string {
	var server goredis.Error
	var network net.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return "redis does not answer in time"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "redis refuses the connection"
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "redis has closed the connection"
	case errors.As(err, &server):
		word, _, _ := strings.Cut(server.Error(), " ")
		if word == strings.ToUpper(word) && len(word) <= 20 {
			return "redis answers " + word
		}
		return "redis answers an error"
	}
	return "redis is not reached"
}

// call runs one round trip on behalf of a caller. While Redis is known to be away it
// fails at once, else within the timeout. The error wraps [cluster.ErrAway], and
// that of ctx when it has ended.
func (p *Presence) call(ctx context.Context, trip func(context.Context) error) error {
	if why := p.away.Load(); why != nil {
		return fmt.Errorf("%w: %s", cluster.ErrAway, *why)
	}
	bounded, cancel := context.WithTimeout(ctx, p.opt.Timeout)
	defer cancel()
	err := trip(bounded)
	if err == nil || errors.Is(err, goredis.Nil) {
		return nil
	}
	if ended := ctx.Err(); ended != nil {
		if errors.Is(ended, context.DeadlineExceeded) {
			return fmt.Errorf("%w: %w", cluster.ErrAway, ended)
		}
		return ended
	}
	p.log.DebugContext(ctx, "redis round trip has not succeeded", "error", err)
	// Whether it is away for all is for the lease to find out.
	p.renewNow()
	return fmt.Errorf("%w: %s", cluster.ErrAway, reason(err))
}
