package clustertest

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// checkTime is how long a whole check may take, cleaning up included.
const checkTime = 3 * time.Minute

// begin makes ready for a check. What it returns ends when everything that is
// registered with Cleanup later has run.
func begin(t testing.TB) context.Context {
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
	ctx, cancel := context.WithTimeout(context.Background(), checkTime)
	t.Cleanup(cancel)
	return ctx
}

// within limits ctx to the patience of a cluster.
func within(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	if limit == 0 {
		limit = patience
	}
	return context.WithTimeout(ctx, limit)
}

var tags atomic.Uint32

// newTag returns a tag that no other node has.
func newTag() uint32 { return 0xca000000 + tags.Add(1) }
