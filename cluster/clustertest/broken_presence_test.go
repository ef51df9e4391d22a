package clustertest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"carillon/cluster"
	"carillon/cluster/local"
)

// brokenPresence is a Presence of which some methods are replaced.
type brokenPresence struct {
	cluster.Presence
	join         func(ctx context.Context, self cluster.Node, local cluster.Sessions) error
	leave        func(ctx context.Context) error
	ready        func() error
	stats        func() cluster.PresenceStats
	connect      func(user string)
	disconnect   func(user string)
	locate       func(ctx context.Context, users []string) ([]cluster.Location, error)
	locateIDs    func(ctx context.Context, ids []string) ([]string, error)
	members      func() []cluster.Node
	count        func(ctx context.Context) (cluster.Counts, error)
	nodes        func(ctx context.Context) ([]cluster.Node, error)
	listUsers    func(ctx context.Context, cursor string, limit int) ([]string, string, error)
	listSessions func(ctx context.Context, node, cursor string, limit int) ([]cluster.Session, string, error)
}

func (p *brokenPresence) Join(ctx context.Context, self cluster.Node, local cluster.Sessions) error {
	if p.join != nil {
		return p.join(ctx, self, local)
	}
	return p.Presence.Join(ctx, self, local)
}

func (p *brokenPresence) Leave(ctx context.Context) error {
	if p.leave != nil {
		return p.leave(ctx)
	}
	return p.Presence.Leave(ctx)
}

func (p *brokenPresence) Ready() error {
	if p.ready != nil {
		return p.ready()
	}
	return p.Presence.Ready()
}

func (p *brokenPresence) Stats() cluster.PresenceStats {
	if p.stats != nil {
		return p.stats()
	}
	return p.Presence.Stats()
}

func (p *brokenPresence) Connect(user string, _ cluster.SessionID) {
	if p.connect != nil {
		p.connect(user)
	}
}

func (p *brokenPresence) Disconnect(user string, _ cluster.SessionID) {
	if p.disconnect != nil {
		p.disconnect(user)
	}
}

func (p *brokenPresence) Locate(ctx context.Context, users []string) ([]cluster.Location, error) {
	if p.locate != nil {
		return p.locate(ctx, users)
	}
	return p.Presence.Locate(ctx, users)
}

func (p *brokenPresence) LocateSessions(ctx context.Context, ids []string) ([]string, error) {
	if p.locateIDs != nil {
		return p.locateIDs(ctx, ids)
	}
	return p.Presence.LocateSessions(ctx, ids)
}

func (p *brokenPresence) Members() []cluster.Node {
	if p.members != nil {
		return p.members()
	}
	return p.Presence.Members()
}

func (p *brokenPresence) Count(ctx context.Context) (cluster.Counts, error) {
	if p.count != nil {
		return p.count(ctx)
	}
	return p.Presence.Count(ctx)
}

func (p *brokenPresence) Nodes(ctx context.Context) ([]cluster.Node, error) {
	if p.nodes != nil {
		return p.nodes(ctx)
	}
	return p.Presence.Nodes(ctx)
}

func (p *brokenPresence) ListUsers(ctx context.Context, cursor string, limit int) ([]string, string, error) {
	if p.listUsers != nil {
		return p.listUsers(ctx, cursor, limit)
	}
	return p.Presence.ListUsers(ctx, cursor, limit)
}

func (p *brokenPresence) ListSessions(ctx context.Context, node, cursor string, limit int) ([]cluster.Session, string, error) {
	if p.listSessions != nil {
		return p.listSessions(ctx, node, cursor, limit)
	}
	return p.Presence.ListSessions(ctx, node, cursor, limit)
}

// brokenSessions counts and scans only what it is let.
type brokenSessions struct {
	cluster.Sessions
	countOf func(user string) int
	scan    func(cursor uint64, f func(user string, id cluster.SessionID)) uint64
}

func (s *brokenSessions) CountOf(user string) int {
	if s.countOf != nil {
		return s.countOf(user)
	}
	return s.Sessions.CountOf(user)
}

func (s *brokenSessions) Scan(cursor uint64, f func(user string, id cluster.SessionID)) uint64 {
	if s.scan != nil {
		return s.scan(cursor, f)
	}
	return s.Sessions.Scan(cursor, f)
}

// short is the patience with what is broken.
const short = 150 * time.Millisecond

// Each of these breaks something that the interface promises: the check named has
// to notice it.
var brokenPresences = []struct {
	name   string
	checks []string
	breaks func(hub *local.Hub, p cluster.Presence, b *brokenPresence)
}{
	{"forgets what was held before Join", []string{"JoinTellsWhatIsHeld"}, func(_ *local.Hub, p cluster.Presence, b *brokenPresence) {
		b.join = func(ctx context.Context, self cluster.Node, sessions cluster.Sessions) error {
			held := make(map[string]int)
			for cursor, more := uint64(0), true; more; more = cursor != 0 {
				cursor = sessions.Scan(cursor, func(user string, _ cluster.SessionID) { held[user]++ })
			}
			return p.Join(ctx, self, &brokenSessions{Sessions: sessions, countOf: func(user string) int { return sessions.CountOf(user) - held[user] }})
		}
	}},
	{"counts twice what is told before Join", []string{"ConnectBeforeJoin"}, func(_ *local.Hub, p cluster.Presence, b *brokenPresence) {
		var mu sync.Mutex
		early, joined := make(map[string]int), false
		b.connect = func(user string) {
			mu.Lock()
			defer mu.Unlock()
			if !joined {
				early[user]++
			}
		}
		b.disconnect = func(user string) {
			mu.Lock()
			defer mu.Unlock()
			if !joined {
				early[user]--
			}
		}
		b.join = func(ctx context.Context, self cluster.Node, sessions cluster.Sessions) error {
			err := p.Join(ctx, self, &brokenSessions{Sessions: sessions, countOf: func(user string) int {
				mu.Lock()
				defer mu.Unlock()
				return sessions.CountOf(user) + early[user]
			}})
			mu.Lock()
			defer mu.Unlock()
			joined = true
			return err
		}
	}},
	{"joins after the end of the context", []string{"JoinAfterContextEnd"}, func(_ *local.Hub, p cluster.Presence, b *brokenPresence) {
		b.join = func(ctx context.Context, self cluster.Node, sessions cluster.Sessions) error {
			return p.Join(context.WithoutCancel(ctx), self, sessions)
		}
	}},
	{"lets a second node have the id", []string{"NodeTaken"}, func(_ *local.Hub, p cluster.Presence, b *brokenPresence) {
		b.join = func(ctx context.Context, self cluster.Node, sessions cluster.Sessions) error {
			if err := p.Join(ctx, self, sessions); !errors.Is(err, cluster.ErrNodeTaken) {
				return err
			}
			return nil
		}
	}},
	{"takes the id from the first node", []string{"NodeTaken"}, func(hub *local.Hub, p cluster.Presence, b *brokenPresence) {
		b.join = func(ctx context.Context, self cluster.Node, sessions cluster.Sessions) error {
			err := p.Join(ctx, self, sessions)
			if errors.Is(err, cluster.ErrNodeTaken) {
				hub.TakeOver(self.ID)
			}
			return err
		}
	}},
	{"removes the first node when the second leaves", []string{"NodeTaken"}, func(hub *local.Hub, p cluster.Presence, b *brokenPresence) {
		refused := ""
		b.join = func(ctx context.Context, self cluster.Node, sessions cluster.Sessions) error {
			err := p.Join(ctx, self, sessions)
			if err != nil {
				refused = self.ID
			}
			return err
		}
		b.leave = func(ctx context.Context) error {
			hub.TakeOver(refused)
			return p.Leave(ctx)
		}
	}},
	{"leaves nothing", []string{"Leave", "ComeBack"}, func(_ *local.Hub, _ cluster.Presence, b *brokenPresence) {
		b.leave = func(context.Context) error { return nil }
	}},
	{"has one incarnation", []string{"ComeBack"}, func(_ *local.Hub, p cluster.Presence, b *brokenPresence) {
		b.nodes = func(ctx context.Context) ([]cluster.Node, error) {
			nodes, err := p.Nodes(ctx)
			for i := range nodes {
				nodes[i].Incarnation = 1
			}
			return nodes, err
		}
	}},
	{"loses the version", []string{"Join"}, func(_ *local.Hub, p cluster.Presence, b *brokenPresence) {
		b.nodes = func(ctx context.Context) ([]cluster.Node, error) {
			nodes, err := p.Nodes(ctx)
			for i := range nodes {
				nodes[i].Version = ""
			}
			return nodes, err
		}
	}},
	{"leaves a goroutine", []string{"Join"}, func(_ *local.Hub, p cluster.Presence, b *brokenPresence) {
		b.join = func(ctx context.Context, self cluster.Node, sessions cluster.Sessions) error {
			go func() { time.Sleep(2 * time.Second) }()
			return p.Join(ctx, self, sessions)
		}
	}},
	{"takes a user away with the first session that ends", []string{"SeveralSessions", "Hammer"}, func(_ *local.Hub, p cluster.Presence, b *brokenPresence) {
		var mu sync.Mutex
		away := make(map[string]bool)
		b.connect = func(user string) { mu.Lock(); defer mu.Unlock(); away[user] = false }
		b.disconnect = func(user string) { mu.Lock(); defer mu.Unlock(); away[user] = true }
		b.join = func(ctx context.Context, self cluster.Node, sessions cluster.Sessions) error {
			return p.Join(ctx, self, &brokenSessions{Sessions: sessions, countOf: func(user string) int {
				mu.Lock()
				defer mu.Unlock()
				if away[user] {
					return 0
				}
				return sessions.CountOf(user)
			}})
		}
	}},
	{"loses one of a hundred disconnects", []string{"Hammer", "Race"}, func(_ *local.Hub, p cluster.Presence, b *brokenPresence) {
		var mu sync.Mutex
		ghosts, n := make(map[string]int), 0
		b.disconnect = func(user string) {
			mu.Lock()
			defer mu.Unlock()
			if n++; n%100 == 0 {
				ghosts[user]++
			}
		}
		b.join = func(ctx context.Context, self cluster.Node, sessions cluster.Sessions) error {
			return p.Join(ctx, self, &brokenSessions{Sessions: sessions, countOf: func(user string) int {
				mu.Lock()
				defer mu.Unlock()
				return sessions.CountOf(user) + ghosts[user]
			}})
		}
	}},
	{"trims users", []string{"OddUsers"}, func(_ *local.Hub, p cluster.Presence, b *brokenPresence) {
		b.locate = func(ctx context.Context, users []string) ([]cluster.Location, error) {
			trimmed := make([]string, len(users))
			for i, user := range users {
				trimmed[i] = strings.TrimSpace(user)
			}
			return p.Locate(ctx, trimmed)
		}
	}},
	{"cuts users at NUL", []string{"OddUsers"}, func(_ *local.Hub, p cluster.Presence, b *brokenPresence) {
		b.listUsers = func(ctx context.Context, cursor string, limit int) ([]string, string, error) {
			page, next, err := p.ListUsers(ctx, cursor, limit)
			for i := range page {
				page[i], _, _ = strings.Cut(page[i], "\x00")
			}
			return page, next, err
		}
	}},
	{"remembers locations for ever", []string{"LocateAfterChange", "Connect"}, func(_ *local.Hub, p cluster.Presence, b *brokenPresence) {
		var mu sync.Mutex
		known := make(map[string]cluster.Location)
		b.locate = func(ctx context.Context, users []string) ([]cluster.Location, error) {
			locations, err := p.Locate(ctx, users)
			mu.Lock()
			defer mu.Unlock()
			for i, user := range users {
				if l, ok := known[user]; ok && err == nil {
					locations[i] = l
				} else if err == nil && len(locations[i].Places) > 0 {
					known[user] = locations[i]
				}
			}
			return locations, err
		}
	}},
	{"locates in another order", []string{"LocateByIndex", "LocateMany"}, func(_ *local.Hub, p cluster.Presence, b *brokenPresence) {
		b.locate = func(ctx context.Context, users []string) ([]cluster.Location, error) {
			locations, err := p.Locate(ctx, users)
			slices.Reverse(locations)
			return locations, err
		}
	}},
	{"locates each user once", []string{"LocateByIndex"}, func(_ *local.Hub, p cluster.Presence, b *brokenPresence) {
		b.locate = func(ctx context.Context, users []string) ([]cluster.Location, error) {
			return p.Locate(ctx, slices.Compact(slices.Sorted(slices.Values(users))))
		}
	}},
	{"locates at most 8,192 users", []string{"LocateMany"}, func(_ *local.Hub, p cluster.Presence, b *brokenPresence) {
		b.locate = func(ctx context.Context, users []string) ([]cluster.Location, error) {
			locations, err := p.Locate(ctx, users[:min(len(users), 8192)])
			return append(locations, make([]cluster.Location, len(users)-len(locations))...), err
		}
	}},
	{"names the node of any id with its tag", []string{"LocateSessions"}, func(_ *local.Hub, p cluster.Presence, b *brokenPresence) {
		b.locateIDs = func(_ context.Context, ids []string) ([]string, error) {
			names := make([]string, len(ids))
			for i, text := range ids {
				for _, m := range p.Members() {
					if id, err := cluster.ParseSessionID(text); err == nil && id.Tag() == m.Tag {
						names[i] = m.ID
					}
				}
			}
			return names, nil
		}
	}},
	{"counts a user on each node", []string{"Count"}, func(_ *local.Hub, p cluster.Presence, b *brokenPresence) {
		b.count = func(ctx context.Context) (cluster.Counts, error) {
			nodes, err := p.Nodes(ctx)
			c := cluster.Counts{Nodes: len(nodes)}
			for _, n := range nodes {
				c.Users += n.Users
				c.Sessions += n.Sessions
			}
			return c, err
		}
	}},
	{"loses a user per page", []string{"ListUsers"}, func(_ *local.Hub, p cluster.Presence, b *brokenPresence) {
		b.listUsers = func(ctx context.Context, cursor string, limit int) ([]string, string, error) {
			page, next, err := p.ListUsers(ctx, cursor, limit)
			return page[:max(0, len(page)-1)], next, err
		}
	}},
	{"has no second page", []string{"ListUsers", "ListSessions"}, func(_ *local.Hub, p cluster.Presence, b *brokenPresence) {
		b.listUsers = func(ctx context.Context, cursor string, limit int) ([]string, string, error) {
			page, _, err := p.ListUsers(ctx, cursor, limit)
			return page, "", err
		}
		b.listSessions = func(ctx context.Context, node, cursor string, limit int) ([]cluster.Session, string, error) {
			page, _, err := p.ListSessions(ctx, node, cursor, limit)
			return page, "", err
		}
	}},
	{"lists all on one page", []string{"ListUsers"}, func(_ *local.Hub, p cluster.Presence, b *brokenPresence) {
		b.listUsers = func(ctx context.Context, cursor string, _ int) ([]string, string, error) {
			return p.ListUsers(ctx, cursor, 1_000_000)
		}
	}},
	{"lists for ever", []string{"ListEmpty"}, func(_ *local.Hub, p cluster.Presence, b *brokenPresence) {
		b.listUsers = func(ctx context.Context, _ string, limit int) ([]string, string, error) {
			page, _, err := p.ListUsers(ctx, "", limit)
			return page, "again", err
		}
	}},
	{"lists the sessions of every node", []string{"ListSessions"}, func(_ *local.Hub, p cluster.Presence, b *brokenPresence) {
		b.listSessions = func(ctx context.Context, _, cursor string, limit int) ([]cluster.Session, string, error) {
			return p.ListSessions(ctx, "", cursor, limit)
		}
	}},
	{"skips a part of the sessions", []string{"ListSessions"}, func(_ *local.Hub, p cluster.Presence, b *brokenPresence) {
		b.join = func(ctx context.Context, self cluster.Node, sessions cluster.Sessions) error {
			return p.Join(ctx, self, &brokenSessions{Sessions: sessions, scan: func(cursor uint64, f func(string, cluster.SessionID)) uint64 {
				if cursor == 5*scanned {
					cursor += scanned
				}
				return sessions.Scan(cursor, f)
			}})
		}
	}},
	{"has not heard of new nodes", []string{"LocateSessionsOfNewNode"}, func(_ *local.Hub, p cluster.Presence, b *brokenPresence) {
		b.members = func() []cluster.Node {
			return slices.DeleteFunc(p.Members(), func(n cluster.Node) bool { return strings.HasPrefix(n.ID, "new-") })
		}
	}},
	{"takes any cursor", []string{"BadCursor"}, func(_ *local.Hub, p cluster.Presence, b *brokenPresence) {
		b.listSessions = func(ctx context.Context, node, _ string, limit int) ([]cluster.Session, string, error) {
			return p.ListSessions(ctx, node, "", limit)
		}
	}},
	{"is down", []string{"Stats", "Join"}, func(_ *local.Hub, _ cluster.Presence, b *brokenPresence) {
		b.stats = func() cluster.PresenceStats { return cluster.PresenceStats{} }
	}},
	{"is ready while it is away", []string{"Away"}, func(_ *local.Hub, _ cluster.Presence, b *brokenPresence) {
		b.ready = func() error { return nil }
	}},
	{"answers with nothing while it is away", []string{"Away"}, func(_ *local.Hub, p cluster.Presence, b *brokenPresence) {
		b.count = func(ctx context.Context) (cluster.Counts, error) {
			c, _ := p.Count(ctx)
			return c, nil
		}
	}},
}

func TestBrokenPresence(t *testing.T) {
	for _, broken := range brokenPresences {
		for _, name := range broken.checks {
			t.Run(broken.name+"/"+name, func(t *testing.T) {
				check := presenceChecks[slices.IndexFunc(presenceChecks, func(c presenceCheck) bool { return c.name == name })]
				r := &recorder{TB: t}
				noticed(t, r.run(func(t testing.TB) {
					runPresence(t, check, func(testing.TB) PresenceCluster {
						hub := local.NewHub()
						return PresenceCluster{
							New: func(testing.TB) cluster.Presence {
								p := hub.Presence()
								b := &brokenPresence{Presence: p}
								broken.breaks(hub, p, b)
								return b
							},
							Away: func(testing.TB) func() {
								hub.SetPresenceAway(true)
								return func() { hub.SetPresenceAway(false) }
							},
							Patience: short,
						}
					})
				}))
			})
		}
	}
}
