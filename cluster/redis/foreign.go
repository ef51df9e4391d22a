package redis

import (
	"context"
	"slices"
	"time"

	"carillon/cluster"
)

// foreignPage is how many sessions one round trip of repairForeign looks at,
// foreignPause is between two: a million sessions take five seconds.
const (
	foreignPage  = 1000
	foreignPause = 5 * time.Millisecond
)

// repairForeign puts users back into the shared online set who are on a node of the
// reference and left a carillon node, which takes them out: that they are elsewhere is
// nowhere to be seen by user. It reads all sessions, so that only the first of the
// nodes does it, and only while there are nodes of the reference.
func (p *Presence) repairForeign(ctx context.Context) error {
	v := p.view.Load()
	if v == nil || !p.Mixed() || !p.isFirst() {
		return nil
	}
	for cursor := uint64(0); ; {
		bounded, cancel := context.WithTimeout(ctx, p.writeTimeout())
		pairs, next, err := p.client.HScan(bounded, keySessionNode, cursor, "", foreignPage).Result()
		if err == nil {
			err = p.repairSessions(bounded, foreignIn(pairs, v))
		}
		cancel()
		if err != nil {
			return err
		}
		if cursor = next; cursor == 0 || !sleep(ctx, foreignPause) {
			return nil
		}
	}
}

// isFirst tells whether this node is the first of those alive, by id.
func (p *Presence) isFirst() bool {
	self := p.joined.Load().self.ID
	return !slices.ContainsFunc(p.Members(), func(n cluster.Node) bool { return n.ID < self })
}

// foreignIn returns the sessions on nodes that are not carillon's, of pairs of session
// and node.
func foreignIn(pairs []string, v *view) (ids []string) {
	for i := 0; i+1 < len(pairs); i += 2 {
		if _, ours := v.leases[pairs[i+1]]; !ours {
			ids = append(ids, pairs[i])
		}
	}
	return ids
}

// repairSessions puts the users of foreign sessions back who are missing.
func (p *Presence) repairSessions(ctx context.Context, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	users, err := p.client.HMGet(ctx, keySessionUser, ids...).Result()
	if err != nil {
		return err
	}
	sessionOf := make(map[string]string, len(ids))
	for i, user := range users {
		if name, ok := user.(string); ok {
			sessionOf[name] = ids[i]
		}
	}
	if len(sessionOf) == 0 {
		return nil
	}
	names := make([]string, 0, len(sessionOf))
	for name := range sessionOf {
		names = append(names, name)
	}
	online, err := p.client.SMIsMember(ctx, keyOnline, anys(names)...).Result()
	if err != nil {
		return err
	}
	missing := names[:0]
	for i, name := range names {
		if !online[i] {
			missing = append(missing, name)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	// A node of the reference ends a session before it takes the user out of the set.
	// So a session that is there after the user was put back is one whose end is still
	// to come; of any other, the flusher finds out what is true.
	if err := p.client.SAdd(ctx, keyOnline, anys(missing)...).Err(); err != nil {
		return err
	}
	last := make([]string, len(missing))
	for i, name := range missing {
		last[i] = sessionOf[name]
	}
	there, err := p.client.HMGet(ctx, keySessionUser, last...).Result()
	if err != nil {
		return err
	}
	for i, user := range there {
		if user == nil {
			p.queue.put(change{user: missing[i], kind: check})
		} else {
			p.repaired.Add(1)
		}
	}
	return nil
}
