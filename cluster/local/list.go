package local

import (
	"context"

	"carillon/cluster"
)

// ListUsers lists the users of one member after the other. It finds a user by its
// sessions: one of them has to live through the listing for the user to be met for
// sure, and a user with several may be met several times.
func (p *Presence) ListUsers(ctx context.Context, cursor string, limit int) ([]string, string, error) {
	page := []string{}
	seen := make(map[string]struct{})
	next, err := p.list(ctx, listing{users: true}, cursor,
		func(_, user string, _ cluster.SessionID) {
			if _, twice := seen[user]; !twice {
				seen[user] = struct{}{}
				page = append(page, user)
			}
		},
		func() bool { return len(page) >= limit })
	if err != nil {
		return nil, "", err
	}
	return page, next, nil
}

// ListSessions lists the sessions of one member after the other.
func (p *Presence) ListSessions(ctx context.Context, node, cursor string, limit int) ([]cluster.Session, string, error) {
	page := []cluster.Session{}
	next, err := p.list(ctx, listing{node: node}, cursor,
		func(node, user string, id cluster.SessionID) {
			page = append(page, cluster.Session{ID: id.String(), User: user, Node: node})
		},
		func() bool { return len(page) >= limit })
	if err != nil {
		return nil, "", err
	}
	return page, next, nil
}

// list calls visit for the sessions of a page and returns the cursor of the next.
func (p *Presence) list(ctx context.Context, l listing, cursor string, visit func(node, user string, id cluster.SessionID), full func() bool) (string, error) {
	holders, err := p.hub.seen()
	if err != nil {
		return "", err
	}
	var at position
	if cursor != "" {
		if at, err = p.hub.parseCursor(l, cursor); err != nil {
			return "", err
		}
	}
	begun := false
	for _, o := range holders {
		if o.number < at.holder || l.node != "" && l.node != o.node.ID {
			continue
		}
		scan := uint64(0)
		if o.number == at.holder {
			scan = at.scan
		}
		for {
			if begun && full() {
				return p.hub.cursor(l, position{o.number, scan}), nil
			}
			if err := ctx.Err(); err != nil {
				return "", err
			}
			begun = true
			scan = o.Scan(scan, func(user string, id cluster.SessionID) { visit(o.node.ID, user, id) })
			if scan == 0 {
				break
			}
		}
	}
	return "", nil
}
