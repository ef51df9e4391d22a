package rabbitmq

import (
	"context"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// steady is how long a connection has to last for the next one to be tried at once.
const steady = time.Second

// retry spaces attempts to reconnect.
type retry struct {
	backoff *backoff.ExponentialBackOff
	last    time.Time // of the last success
}

func newRetry() *retry {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval = 100 * time.Millisecond
	b.MaxInterval = 3 * time.Second
	return &retry{backoff: b, last: time.Now()}
}

// reconnect calls connect until it succeeds; it returns nil when ctx ends before.
func reconnect[T any](ctx context.Context, r *retry, s *status, connect func(context.Context) (*T, error)) *T {
	var wait time.Duration
	if time.Since(r.last) < steady {
		wait = r.backoff.NextBackOff()
	} else {
		r.backoff.Reset()
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
		t, err := connect(ctx)
		if err == nil {
			r.last = time.Now()
			return t
		}
		if ctx.Err() != nil {
			return nil
		}
		s.failed(err)
		wait = r.backoff.NextBackOff()
	}
}
