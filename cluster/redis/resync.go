package redis

import (
	"context"

	"carillon/cluster"
)

// resync writes all sessions of the node, and removes what Redis holds of it beside
// them. It goes in steps, between which changes are written as ever.
//
// First it reads which sessions Redis knows, then it goes over the local ones. One
// that Redis knew and that is not met has gone, or goes with a change of its own.
type resync struct {
	phase  phase
	cursor uint64
	stale  map[cluster.SessionID]struct{} // known to Redis and not met yet
	alien  []string                       // known to Redis, and no ids of ours
}

type phase int

const (
	listSessions   phase = iota // in the node's set
	listHeartbeats              // in its zset
	scanLocal
	removeStale
	resynced
)

func (r *resync) finished() bool { return r.phase == resynced }

// staleChunk is how many sessions are looked up and removed at once.
const staleChunk = 500

// step appends what is to be written next to entries, until there are about most.
func (r *resync) step(ctx context.Context, p *Presence, j *joined, entries []entry, most int) ([]entry, error) {
	ctx, cancel := context.WithTimeout(ctx, p.writeTimeout())
	defer cancel()
	switch r.phase {
	case listSessions:
		ids, next, err := p.client.SScan(ctx, keyNodeSessions+j.self.ID, r.cursor, "", passChunk).Result()
		if err != nil {
			return entries, err
		}
		r.known(ids)
		r.to(next, listHeartbeats)

	case listHeartbeats:
		pairs, next, err := p.client.ZScan(ctx, keyHeartbeats+j.self.ID, r.cursor, "", passChunk).Result()
		if err != nil {
			return entries, err
		}
		for i := 0; i+1 < len(pairs); i += 2 {
			r.known(pairs[i : i+1])
		}
		r.to(next, scanLocal)

	case scanLocal:
		for len(entries) < most {
			next := j.local.Scan(r.cursor, func(user string, id cluster.SessionID) {
				delete(r.stale, id)
				entries = append(entries, entry{user: user, session: id.String(), kind: come})
			})
			r.to(next, removeStale)
			if next == 0 {
				break
			}
		}

	case removeStale:
		chunk := r.nextStale()
		if len(chunk) == 0 {
			r.phase = resynced
			break
		}
		users, err := p.client.HMGet(ctx, keySessionUser, chunk...).Result()
		if err != nil {
			r.alien = append(r.alien, chunk...)
			return entries, err
		}
		for i, id := range chunk {
			user, _ := users[i].(string)
			entries = append(entries, entry{user: user, session: id, kind: gone})
		}
	}
	return entries, nil
}

// to goes on at a cursor, or with the next phase.
func (r *resync) to(next uint64, then phase) {
	r.cursor = next
	if next == 0 {
		r.phase = then
	}
}

// known notes sessions that Redis knows.
func (r *resync) known(ids []string) {
	for _, text := range ids {
		id, err := cluster.ParseSessionID(text)
		if err != nil || id.String() != text {
			r.alien = append(r.alien, text)
			continue
		}
		if r.stale == nil {
			r.stale = make(map[cluster.SessionID]struct{})
		}
		r.stale[id] = struct{}{}
	}
}

func (r *resync) nextStale() []string {
	n := min(len(r.alien), staleChunk)
	chunk := append([]string(nil), r.alien[len(r.alien)-n:]...)
	r.alien = r.alien[:len(r.alien)-n]
	for id := range r.stale {
		if len(chunk) >= staleChunk {
			break
		}
		chunk = append(chunk, id.String())
		delete(r.stale, id)
	}
	return chunk
}
