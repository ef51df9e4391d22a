package redis

import (
	"context"
	"errors"
	"time"

	"carillon/cluster"
)

// errBehind means that so much waits to be written that it was not the time to look at
// what is.
var errBehind = errors.New("too much waits to be written")

// passChunk is how many sessions are looked at in one round trip.
const passChunk = 1000

// behindPause is between two looks whether something is written.
const behindPause = 2 * time.Millisecond

// pass goes over all local sessions in chunks, spread over about the time given. What
// was noted before a chunk was gathered is written when the chunk is handed on: what Redis
// does not know of it is missing there, and a server that is busy with writes is not
// asked for more meanwhile. A pass that has waited for the writer as long as its spread
// ends with errBehind.
func (p *Presence) pass(ctx context.Context, spread time.Duration, chunk func(users []string, ids []string) error) error {
	j := p.joined.Load()
	_, total := j.local.Len()
	pause := spread / time.Duration(total/passChunk+1)
	patience := spread
	var users, ids []string
	for cursor := uint64(0); ; {
		cursor = j.local.Scan(cursor, func(user string, id cluster.SessionID) {
			users = append(users, user)
			ids = append(ids, id.String())
		})
		if len(ids) >= passChunk || cursor == 0 && len(ids) > 0 {
			if err := p.awaitWriter(ctx, &patience); err != nil {
				return err
			}
			if err := chunk(users, ids); err != nil {
				return err
			}
			users, ids = users[:0], ids[:0]
			if cursor != 0 && !sleep(ctx, pause) {
				return ctx.Err()
			}
		}
		if cursor == 0 {
			return nil
		}
	}
}

// awaitWriter waits until everything that is noted by now is written, and takes the
// time off patience.
func (p *Presence) awaitWriter(ctx context.Context, patience *time.Duration) error {
	noted, begun := p.queue.noted.Load(), time.Now()
	for p.queue.settled.Load() < noted {
		if time.Since(begun) >= *patience {
			return errBehind
		}
		if !sleep(ctx, behindPause) {
			return ctx.Err()
		}
	}
	*patience -= time.Since(begun)
	return nil
}

// sleep waits, and tells whether it did so to the end.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
