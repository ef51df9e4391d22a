package redis

import (
	"context"
	"time"

	"carillon/cluster"
)

// pass goes over all local sessions in chunks, spread over about the time given.
func (p *Presence) pass(ctx context.Context, spread time.Duration, chunk func(users []string, ids []string) error) error {
	j := p.joined.Load()
	_, total := j.local.Len()
	pause := spread / time.Duration(total/batchSize+1)
	var users, ids []string
	for cursor := uint64(0); ; {
		cursor = j.local.Scan(cursor, func(user string, id cluster.SessionID) {
			users = append(users, user)
			ids = append(ids, id.String())
		})
		if len(ids) >= batchSize || cursor == 0 && len(ids) > 0 {
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
