package redis

import (
	"context"
	"fmt"
	"strconv"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"carillon/cluster"
)

// Cursors of the listings: a letter and Redis's own, so that one of another listing
// is told.
const (
	cursorUsers        = 'u'
	cursorSessions     = 's'
	cursorNodeSessions = 'n'
)

func parseCursor(listing byte, text string) (uint64, error) {
	if text == "" {
		return 0, nil
	}
	if text[0] == listing && len(text) > 1 && text[1] != '0' && text[1] != '+' {
		if c, err := strconv.ParseUint(text[1:], 10, 64); err == nil {
			return c, nil
		}
	}
	return 0, fmt.Errorf("%w: %.40q", cluster.ErrBadCursor, text)
}

func formatCursor(listing byte, c uint64) string {
	if c == 0 {
		return ""
	}
	return string(listing) + strconv.FormatUint(c, 10)
}

// maxPage bounds what is asked for in one round trip.
const maxPage = 10_000

// list calls scan until it has brought a page of anything, or the end.
func (p *Presence) list(ctx context.Context, listing byte, cursor string, limit int,
	scan func(ctx context.Context, cursor uint64, limit int64) (found int, next uint64, err error)) (string, error) {
	at, err := parseCursor(listing, cursor)
	if err != nil {
		return "", err
	}
	limit = min(max(limit, 1), maxPage)
	for got := 0; ; {
		err := p.call(ctx, func(ctx context.Context) error {
			n, next, err := scan(ctx, at, int64(limit-got))
			if err == nil {
				got, at = got+n, next
			}
			return err
		})
		if err != nil {
			return "", err
		}
		if at == 0 || got >= limit {
			return formatCursor(listing, at), nil
		}
	}
}

// ListUsers implements [cluster.Presence].
func (p *Presence) ListUsers(ctx context.Context, cursor string, limit int) (page []string, next string, err error) {
	next, err = p.list(ctx, cursorUsers, cursor, limit, func(ctx context.Context, at uint64, limit int64) (int, uint64, error) {
		users, next, err := p.client.SScan(ctx, keyOnline, at, "", limit).Result()
		page = append(page, users...)
		return len(users), next, err
	})
	return page, next, err
}

// ListSessions implements [cluster.Presence].
func (p *Presence) ListSessions(ctx context.Context, node, cursor string, limit int) (page []cluster.Session, next string, err error) {
	listing, scan := byte(cursorSessions), p.scanSessions
	if node != "" {
		listing, scan = cursorNodeSessions, p.scanSessionsOf(node)
	}
	next, err = p.list(ctx, listing, cursor, limit, func(ctx context.Context, at uint64, limit int64) (int, uint64, error) {
		sessions, next, err := scan(ctx, at, limit)
		page = append(page, sessions...)
		return len(sessions), next, err
	})
	return page, next, err
}

func (p *Presence) scanSessions(ctx context.Context, cursor uint64, limit int64) ([]cluster.Session, uint64, error) {
	pairs, next, err := p.client.HScan(ctx, keySessionUser, cursor, "", limit).Result()
	if err != nil || len(pairs) == 0 {
		return nil, next, err
	}
	list := make([]cluster.Session, 0, len(pairs)/2)
	ids := make([]string, 0, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		list = append(list, cluster.Session{ID: pairs[i], User: pairs[i+1]})
		ids = append(ids, pairs[i])
	}
	nodes, err := p.client.HMGet(ctx, keySessionNode, ids...).Result()
	if err != nil {
		return nil, 0, err
	}
	for i := range list {
		list[i].Node, _ = nodes[i].(string)
	}
	return list, next, nil
}

func (p *Presence) scanSessionsOf(node string) func(context.Context, uint64, int64) ([]cluster.Session, uint64, error) {
	return func(ctx context.Context, cursor uint64, limit int64) ([]cluster.Session, uint64, error) {
		ids, next, err := p.client.SScan(ctx, keyNodeSessions+node, cursor, "", limit).Result()
		if err != nil || len(ids) == 0 {
			return nil, next, err
		}
		users, err := p.client.HMGet(ctx, keySessionUser, ids...).Result()
		if err != nil {
			return nil, 0, err
		}
		list := make([]cluster.Session, 0, len(ids))
		for i, id := range ids {
			if user, ok := users[i].(string); ok { // else it has just gone
				list = append(list, cluster.Session{ID: id, User: user, Node: node})
			}
		}
		return list, next, nil
	}
}

// Count implements [cluster.Presence].
func (p *Presence) Count(ctx context.Context) (cluster.Counts, error) {
	now := time.Now().UnixMilli()
	if v := p.view.Load(); v != nil {
		now = v.estimate()
	}
	var users, sessions, nodes *goredis.IntCmd
	err := p.call(ctx, func(ctx context.Context) error {
		_, err := p.client.Pipelined(ctx, func(pipe goredis.Pipeliner) error {
			users, sessions = pipe.SCard(ctx, keyOnline), pipe.HLen(ctx, keySessionNode)
			nodes = pipe.ZCount(ctx, keyLeases, "("+strconv.FormatInt(now, 10), "+inf")
			return nil
		})
		return err
	})
	if err != nil {
		return cluster.Counts{}, err
	}
	return cluster.Counts{Users: int(users.Val()), Sessions: int(sessions.Val()), Nodes: int(nodes.Val())}, nil
}

// Nodes implements [cluster.Presence].
func (p *Presence) Nodes(ctx context.Context) ([]cluster.Node, error) {
	r := p.reg.Load()
	if r != nil {
		if err := p.call(ctx, func(ctx context.Context) error { return p.renew(ctx, r) }); err != nil {
			return nil, err
		}
	}
	nodes := p.Members()
	if len(nodes) == 0 {
		return nodes, nil
	}
	ids := make([]string, len(nodes))
	for i, n := range nodes {
		ids[i] = n.ID
	}
	var users *goredis.SliceCmd
	sessions := make([]*goredis.IntCmd, len(nodes))
	err := p.call(ctx, func(ctx context.Context) error {
		_, err := p.client.Pipelined(ctx, func(pipe goredis.Pipeliner) error {
			users = pipe.HMGet(ctx, keyUsers, ids...)
			for i, id := range ids {
				sessions[i] = pipe.SCard(ctx, keyNodeSessions+id)
			}
			return nil
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	for i := range nodes {
		text, _ := users.Val()[i].(string)
		nodes[i].Users, _ = strconv.Atoi(text)
		nodes[i].Sessions = int(sessions[i].Val())
	}
	return nodes, nil
}
