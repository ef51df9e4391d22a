package local

import (
	"cmp"
	"context"
	"slices"

	"carillon/cluster"
)

// Locate asks the sessions of every member for each of the users.
func (p *Presence) Locate(_ context.Context, users []string) ([]cluster.Location, error) {
	holders, err := p.hub.seen()
	if err != nil {
		return nil, err
	}
	locations := make([]cluster.Location, len(users))
	for i, user := range users {
		at, foreign := &locations[i], false
		for _, o := range holders {
			n := o.CountOf(user)
			switch {
			case n == 0:
			case o.presence == nil:
				foreign = true
			default:
				at.Places = append(at.Places, cluster.Place{Node: o.node.ID, Sessions: n})
			}
		}
		at.Foreign = foreign && len(at.Places) == 0
	}
	return locations, nil
}

// LocateSessions asks the member whose tag is in the id, by one scan of its
// sessions for all ids; nodes of the reference have no tag and are asked for the rest.
func (p *Presence) LocateSessions(ctx context.Context, ids []string) ([]string, error) {
	holders, err := p.hub.seen()
	if err != nil {
		return nil, err
	}
	nodes := make([]string, len(ids))
	places := make(map[cluster.SessionID][]int, len(ids))
	tags := make(map[uint32]bool)
	for i, text := range ids {
		if id, err := cluster.ParseSessionID(text); err == nil {
			places[id] = append(places[id], i)
			tags[id.Tag()] = true
		}
	}
	for _, o := range holders {
		if len(places) == 0 {
			break
		}
		if o.presence != nil && !tags[o.node.Tag] {
			continue
		}
		err := scan(ctx, o, func(_ string, id cluster.SessionID) {
			for _, i := range places[id] {
				nodes[i] = o.node.ID
			}
			delete(places, id)
		})
		if err != nil {
			return nil, err
		}
	}
	return nodes, nil
}

// Count counts each user once, on however many nodes it is.
func (p *Presence) Count(ctx context.Context) (cluster.Counts, error) {
	holders, err := p.hub.seen()
	if err != nil {
		return cluster.Counts{}, err
	}
	var c cluster.Counts
	for _, o := range holders {
		users, sessions := o.Len()
		c.Users += users
		c.Sessions += sessions
		if o.presence != nil {
			c.Nodes++
		}
	}
	if len(holders) < 2 {
		return c, nil
	}
	seen := make(map[string]struct{}, c.Users)
	for _, o := range holders {
		err := scan(ctx, o, func(user string, _ cluster.SessionID) { seen[user] = struct{}{} })
		if err != nil {
			return cluster.Counts{}, err
		}
	}
	c.Users = len(seen)
	return c, nil
}

// Nodes returns the members with their counts.
func (p *Presence) Nodes(context.Context) ([]cluster.Node, error) {
	holders, err := p.hub.seen()
	if err != nil {
		return nil, err
	}
	nodes := make([]cluster.Node, 0, len(holders))
	for _, o := range holders {
		if o.presence == nil {
			continue
		}
		n := o.node
		n.Users, n.Sessions = o.Len()
		nodes = append(nodes, n)
	}
	slices.SortFunc(nodes, func(a, b cluster.Node) int { return cmp.Compare(a.ID, b.ID) })
	return nodes, nil
}

// scan calls f for every session of a holder.
func scan(ctx context.Context, o holder, f func(user string, id cluster.SessionID)) error {
	for cursor := o.Scan(0, f); cursor != 0; cursor = o.Scan(cursor, f) {
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}
