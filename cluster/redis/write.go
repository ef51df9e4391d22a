package redis

import (
	"context"
	"errors"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// errFenced means that the holder's lease or claim has run out, or that the node is
// another incarnation's. Nothing, or in a Redis Cluster nothing that lasts, was written.
var errFenced = errors.New("the lease has run out")

// blockSize is how many changes one script writes: Redis does nothing else
// meanwhile, for about half a millisecond.
const blockSize = 100

// atomicMost is how many changes a round trip writes at most. Redis does them in one go:
// with a thousand of each of fifty nodes, on a processor that it has to share, leases
// ran out before their renewals came to their turn. More in one trip saves nothing.
const atomicMost = 2 * blockSize

// writer writes batches, one at a time.
type writer interface {
	// most is how many entries to give write at once.
	most() int
	// write writes the entries, and how many sessions countOf says that their users
	// have. It may be called again with the same ones after an error. trips is how
	// many round trips it took.
	write(ctx context.Context, as holder, entries []entry, countOf func(user string) int) (trips int, err error)
}

// atomicWriter writes to one server, where one script writes all keys of a change.
type atomicWriter struct {
	client  goredis.UniversalClient
	timeout time.Duration
	blocks  []block
}

func (w *atomicWriter) most() int { return atomicMost }

func (w *atomicWriter) write(ctx context.Context, as holder, entries []entry, countOf func(string) int) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, w.timeout)
	defer cancel()
	n := (len(entries) + blockSize - 1) / blockSize
	for len(w.blocks) < n {
		w.blocks = append(w.blocks, block{})
	}
	for i := range n {
		w.blocks[i].fill(entries[i*blockSize:min((i+1)*blockSize, len(entries))], countOf)
	}

	results := make([]*goredis.Cmd, n)
	err := pipelined(ctx, w.client, func(pipe goredis.Pipeliner) {
		for i := range n {
			keys, args := w.blocks[i].arguments(as)
			results[i] = writeScript.EvalSha(ctx, pipe, keys, args...)
		}
	})
	if err != nil {
		return 1, err
	}
	for _, r := range results {
		written, err := r.Int()
		if err != nil {
			return 1, err
		}
		if written == 0 {
			return 1, errFenced
		}
	}
	return 1, nil
}

// arguments returns those of the script write.
func (b *block) arguments(as holder) (keys []string, args []any) {
	keys, args = as.fence(5+len(b.users), 3+2*len(b.come)+len(b.gone)+len(b.users))
	keys = append(keys, keySessionUser, keySessionNode, keyNodeSessions+as.node, keyHeartbeats+as.node, keyOnline)
	args = append(args, as.now, len(b.come), len(b.gone))
	for _, e := range b.come {
		args = append(args, e.session, e.user)
	}
	for _, e := range b.gone {
		args = append(args, e.session)
	}
	for i, user := range b.users {
		keys = append(keys, keyUser+user)
		args = append(args, b.counts[i])
	}
	return keys, args
}
