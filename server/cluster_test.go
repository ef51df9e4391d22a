package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"carillon/cluster"
	"carillon/cluster/clustertest"
	"carillon/cluster/local"
	"carillon/cluster/rabbitmq"
	"carillon/server/admin"
	"carillon/server/config"
)

// The tests of this file run several gateways of one cluster in this process.

// startNodes starts gateways that share a hub.
func startNodes(t *testing.T, hub *local.Hub, ids ...string) map[string]*running {
	t.Helper()
	nodes := make(map[string]*running)
	for _, id := range ids {
		nodes[id] = startNode(t, hub, id, nil)
	}
	for _, n := range nodes {
		waitFor(t, "the cluster to be whole", func() bool {
			return n.Ready() == nil && len(n.link.presence.Members()) == len(ids)
		})
	}
	return nodes
}

func startNode(t *testing.T, hub *local.Hub, id string, edit func(*config.Config), options ...func(*Options)) *running {
	t.Helper()
	return startWith(t, func(cfg *config.Config) {
		cfg.Server.NodeID = id
		if edit != nil {
			edit(cfg)
		}
	}, func(o *Options) {
		o.Presence, o.Bus = hub.Presence(), hub.Bus()
		for _, f := range options {
			f(o)
		}
	})
}

// tell calls an endpoint and returns what it says it did.
func (r *running) tell(t testing.TB, path, body string) admin.Delivery {
	t.Helper()
	status, answer := r.post(t, path, body, "Prefer", "return=representation")
	var d admin.Delivery
	if err := json.Unmarshal([]byte(answer), &d); err != nil || status != http.StatusOK {
		t.Fatalf("%s: %d %s", path, status, answer)
	}
	return d
}

// sessionOf returns the id of a user's only session on a node.
func (r *running) sessionOf(t testing.TB, user string) string {
	t.Helper()
	h, n := r.users.single(user)
	if n != 1 {
		t.Fatalf("%s has %d sessions", user, n)
	}
	return r.ids.of(h).String()
}

func TestPushesReachOtherNodes(t *testing.T) {
	nodes := startNodes(t, local.NewHub(), "a", "b", "c")
	a, b, c := nodes["a"], nodes["b"], nodes["c"]
	annA, annB, bob, cid := a.connect(t, "ann"), b.connect(t, "ann"), b.connect(t, "bob"), c.connect(t, "cid")
	everyone := []*websocket.Conn{annA, annB, bob, cid}

	type want struct {
		from, path, body string
		d                admin.Delivery
		to               []*websocket.Conn
	}
	bobs := b.sessionOf(t, "bob")
	for i, w := range []want{
		{"a", "send/user/ann", "", admin.Delivery{Sessions: 1, Users: 1, Routed: []admin.Route{{Node: "b", Users: []string{"ann"}}}}, []*websocket.Conn{annA, annB}},
		{"a", "send/user/bob", "", admin.Delivery{Routed: []admin.Route{{Node: "b", Users: []string{"bob"}}}}, []*websocket.Conn{bob}},
		{"b", "send/user/bob", "", admin.Delivery{Sessions: 1, Users: 1}, []*websocket.Conn{bob}},
		{"c", "send/user/nobody", "", admin.Delivery{Offline: []string{"nobody"}}, nil},
		{"c", "send/users", `"userIds":["cid","ann","nobody","bob"],`, admin.Delivery{Sessions: 1, Users: 1, Offline: []string{"nobody"},
			Routed: []admin.Route{{Node: "a", Users: []string{"ann"}}, {Node: "b", Users: []string{"ann", "bob"}}}}, everyone},
		{"c", "send/session/" + bobs, "", admin.Delivery{Routed: []admin.Route{{Node: "b", Sessions: []string{bobs}}}}, []*websocket.Conn{bob}},
		{"b", "send/session/" + bobs, "", admin.Delivery{Sessions: 1}, []*websocket.Conn{bob}},
		{"a", "send/session/unknown", "", admin.Delivery{Offline: []string{"unknown"}}, nil},
		{"b", "broadcast", "", admin.Delivery{Sessions: 2, Everywhere: true}, everyone},
	} {
		message := fmt.Sprintf("message %d", i)
		got := nodes[w.from].tell(t, "/websocket/"+w.path, fmt.Sprintf(`{%s"message":%q}`, w.body, message))
		w.d.Complete = true
		if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", w.d) {
			t.Errorf("%s on %s: got %+v, want %+v", w.path, w.from, got, w.d)
		}
		for _, conn := range w.to {
			read(t, conn, message)
		}
	}
	for _, conn := range everyone { // nothing else has come
		heartbeat(t, conn)
	}
}

func TestKicksReachOtherNodes(t *testing.T) {
	nodes := startNodes(t, local.NewHub(), "a", "b")
	a, b := nodes["a"], nodes["b"]
	ann, bob, cid := a.connect(t, "ann"), b.connect(t, "bob"), b.connect(t, "cid")
	session := a.sessionOf(t, "ann")
	if d := b.tell(t, "/websocket/kick/session/"+session, ""); len(d.Routed) != 1 || d.Routed[0].Node != "a" || !d.Complete {
		t.Errorf("kick of a session: %+v", d)
	}
	readClose(t, ann, 1000, "")
	if d := a.tell(t, "/websocket/kick/user/bob", ""); len(d.Routed) != 1 || d.Routed[0].Node != "b" || d.Sessions != 0 {
		t.Errorf("kick of a user: %+v", d)
	}
	readClose(t, bob, 1000, "")
	heartbeat(t, cid)
}

// TestKickAll closes everyone, or one node's, with the code that was asked for.
func TestKickAll(t *testing.T) {
	nodes := startNodes(t, local.NewHub(), "a", "b")
	a, b := nodes["a"], nodes["b"]
	var onA, onB []*websocket.Conn
	for i := range 20 {
		onA, onB = append(onA, a.connect(t, fmt.Sprint("a", i))), append(onB, b.connect(t, fmt.Sprint("b", i)))
	}
	e := endpoints{a.Server}
	d, err := e.KickAll(t.Context(), admin.KickAll{Node: "b", Code: 4000, Reason: "moving"}, true)
	if err != nil || d.Sessions != 0 || len(d.Routed) != 1 || d.Routed[0].Node != "b" {
		t.Fatalf("got %+v, %v", d, err)
	}
	for _, c := range onB {
		readClose(t, c, 4000, "moving")
	}
	if d, err := e.KickAll(t.Context(), admin.KickAll{Node: "x"}, true); err != nil || len(d.Unreachable) != 1 || d.Unreachable[0].Node != "x" {
		t.Errorf("an unknown node: %+v, %v", d, err)
	}
	for _, c := range onA {
		heartbeat(t, c)
	}
	last := b.connect(t, "last")
	if d, err := e.KickAll(t.Context(), admin.KickAll{Code: 1012, Reason: "restart", Spread: 300 * time.Millisecond}, true); err != nil || d.Sessions != 20 || !d.Everywhere {
		t.Fatalf("got %+v, %v", d, err)
	}
	waitFor(t, "the first of a spread kick", func() bool { return a.SessionCount() < 20 })
	if n := a.SessionCount(); n == 0 {
		t.Error("a spread kick closed all at once")
	}
	for _, c := range append(onA, last) {
		readClose(t, c, 1012, "restart")
	}
}

// TestOrderAcrossNodes: pushes of all kinds, made one after the other on one
// connection, arrive in that order on another node.
func TestOrderAcrossNodes(t *testing.T) {
	nodes := startNodes(t, local.NewHub(), "a", "b")
	a, b := nodes["a"], nodes["b"]
	ann := b.connect(t, "ann")
	session := b.sessionOf(t, "ann")
	const rounds = 100
	go func() {
		for i := range rounds {
			for k, path := range []string{"send/user/ann", "broadcast", "send/users", "send/session/" + session} {
				a.post(t, "/websocket/"+path, fmt.Sprintf(`{"userIds":["ann"],"message":"%d"}`, 4*i+k))
			}
		}
	}()
	for i := range 4 * rounds {
		read(t, ann, fmt.Sprint(i))
	}
	if err := errors.Join(a.Broadcast([]byte("x")), a.PushSession(session, []byte("y"))); err != nil {
		t.Fatal(err)
	}
	if _, err := a.PushUser("ann", []byte("z")); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"x", "y", "z"} {
		read(t, ann, want)
	}
}

// TestNodesOfTheReference get broadcasts and pushes to users in a form they can
// read, and nothing else; the answer says what cannot reach them.
func TestNodesOfTheReference(t *testing.T) {
	hub := local.NewHub()
	nodes := startNodes(t, hub, "a", "b")
	a, b := nodes["a"], nodes["b"]
	bob := b.connect(t, "bob")
	java := hub.Foreign("java")
	id := cluster.SessionID{7}
	java.Connect("joe", id)

	if d := a.tell(t, "/websocket/send/user/joe", `{"message":"one"}`); !d.Everywhere || len(d.Offline) > 0 || len(d.Routed) > 0 {
		t.Errorf("user of a foreign node: %+v", d)
	}
	if d := a.tell(t, "/websocket/send/user/bob", `{"message":"two"}`); !d.Everywhere {
		t.Errorf("user who may be on a foreign node too: %+v", d)
	}
	read(t, bob, "two")
	if d := a.tell(t, "/websocket/send/user/nobody", `{"message":"for nobody"}`); !slices.Equal(d.Offline, []string{"nobody"}) {
		t.Errorf("user who is nowhere: %+v", d)
	}
	ended := a.connect(t, "ann")
	of := a.sessionOf(t, "ann")
	_ = ended.Close()
	waitFor(t, "the session to end", func() bool { return a.SessionCount() == 0 })
	for _, path := range []string{"kick/session/", "send/session/"} {
		if d := a.tell(t, "/websocket/"+path+of, `{"message":"for nobody"}`); !d.Complete || !slices.Equal(d.Offline, []string{of}) {
			t.Errorf("%s of this node, ended: %+v", path, d)
		}
	}
	for _, path := range []string{"kick/user/joe", "kick/session/" + id.String(), "send/session/" + id.String()} {
		d := a.tell(t, "/websocket/"+path, `{"message":"three"}`)
		if len(d.Unreachable) != 1 || d.Unreachable[0].Reason == "" || len(d.Offline) > 0 || d.Everywhere {
			t.Errorf("%s: %+v", path, d)
		}
	}
	if err := java.Broadcast(&cluster.Operation{Kind: cluster.PushAll, Payload: "from java"}); err != nil {
		t.Fatal(err)
	}
	read(t, bob, "from java")
	waitFor(t, "the foreign node's messages", func() bool { return len(java.Received()) >= 3 })
	var got []string
	for _, m := range java.Received() {
		got = append(got, m.Op.Payload+" "+strings.Join(m.Op.Users, ","))
	}
	if want := []string{"one joe", "two bob", "for nobody nobody"}; !slices.Equal(got, want) {
		t.Errorf("the foreign node got %q, want %q", got, want)
	}
}

// TestPresenceAway: without presence nobody knows where users are, so their
// messages go to every node; what asks for numbers is refused.
func TestPresenceAway(t *testing.T) {
	hub := local.NewHub()
	nodes := startNodes(t, hub, "a", "b")
	a, b := nodes["a"], nodes["b"]
	ann, bob := a.connect(t, "ann"), b.connect(t, "bob")
	hub.SetPresenceAway(true)
	if d := a.tell(t, "/websocket/send/user/bob", `{"message":"one"}`); !d.Everywhere || len(d.Offline) > 0 {
		t.Errorf("got %+v", d)
	}
	read(t, bob, "one")
	a.tell(t, "/websocket/send/session/"+b.sessionOf(t, "bob"), `{"message":"two"}`)
	read(t, bob, "two")
	late := b.connect(t, "late") // connects go on
	if d := a.tell(t, "/websocket/kick/user/late", ""); !d.Everywhere {
		t.Errorf("got %+v", d)
	}
	readClose(t, late, 1000, "")
	// Whether there is such a node the broker has to say.
	d, err := endpoints{a.Server}.KickAll(t.Context(), admin.KickAll{Node: "x"}, true)
	if err != nil || len(d.Routed) != 1 || d.Complete || len(d.Unreachable) > 0 {
		t.Errorf("kick of everyone on a node that was not seen: %+v, %v", d, err)
	}
	heartbeat(t, ann)
	if err := a.Ready(); err != nil {
		t.Errorf("a node that serves its clients is not ready: %v", err)
	}
	hub.SetPresenceAway(false)
	waitFor(t, "presence", func() bool {
		return !a.tell(t, "/websocket/send/user/bob", `{"message":"x"}`).Everywhere
	})
}

// TestBusAway: pushes for other nodes wait, and are refused once as much waits as
// may; this node's own clients get theirs.
func TestBusAway(t *testing.T) {
	hub := local.NewHub()
	nodes := startNodes(t, hub, "a", "b")
	a, b := nodes["a"], nodes["b"]
	ann, bob := a.connect(t, "ann"), b.connect(t, "bob")
	hub.SetOutboxLimit(2000)
	hub.SetBusAway(true)
	big := strings.Repeat("x", 800)
	accepted := 0
	for {
		status, _ := a.post(t, "/websocket/send/user/bob", fmt.Sprintf(`{"message":"%d %s"}`, accepted, big))
		if status == http.StatusServiceUnavailable {
			break
		}
		accepted++
		if accepted > 10 {
			t.Fatal("the outbox has no end")
		}
		// An accepted push is in the outbox a moment later.
		waitFor(t, "the outbox", func() bool { return a.link.bus.Stats().OutboxMessages == accepted })
	}
	if accepted == 0 {
		t.Fatal("nothing was accepted")
	}
	refused := func(want float64) {
		t.Helper()
		if values, _ := scrape(t, a); values["carillon_cluster_bus_refused_total"] != want || values["carillon_cluster_forward_refused_total"] != 0 {
			t.Errorf("refused: %v and %v, want %v and 0", values["carillon_cluster_bus_refused_total"], values["carillon_cluster_forward_refused_total"], want)
		}
	}
	refused(1)
	if status, body := a.post(t, "/websocket/send/user/ann", `{"message":"local"}`); status != http.StatusOK {
		t.Errorf("a push to a user of this node: %d %s", status, body)
	}
	read(t, ann, "local")
	refused(1) // that one had nothing for others
	if _, err := a.PushUser("bob", []byte("y")); !errors.Is(err, cluster.ErrOutboxFull) {
		t.Errorf("PushUser: got %v", err)
	}
	refused(2)
	hub.SetBusAway(false)
	for i := range accepted {
		read(t, bob, fmt.Sprintf("%d %s", i, big))
	}
	heartbeat(t, bob)
}

// TestOutboxBound: a push to users of many nodes takes no more of the outbox than one to
// a single node, so that what is admitted does not exceed it many times.
func TestOutboxBound(t *testing.T) {
	hub := local.NewHub()
	const others = 30
	users := make([]string, others)
	for i := range others {
		p, sessions := hub.Presence(), clustertest.NewSessions(uint32(i+1))
		users[i] = fmt.Sprint("user-", i)
		sessions.Add(users[i], sessions.NewID())
		if err := p.Join(t.Context(), cluster.Node{ID: fmt.Sprint("node-", i), Tag: uint32(i + 1)}, sessions); err != nil {
			t.Fatal(err)
		}
	}
	const limit = 1 << 20
	bus, err := rabbitmq.New(rabbitmq.Options{URLs: []string{"amqp://127.0.0.1:1"}, OutboxMaxBytes: limit})
	if err != nil {
		t.Fatal(err)
	}
	a := startWith(t, func(cfg *config.Config) {
		cfg.Server.NodeID, cfg.Server.StartWithoutCluster = "a", true
	}, func(o *Options) { o.Presence, o.Bus = hub.Presence(), bus })
	message := strings.Repeat("x", limit/4)
	accepted := 0
	for ; accepted < 100 && bus.Admit() == nil; accepted++ {
		if _, err := a.PushUsers(users, []byte(message)); err != nil {
			t.Fatal(err)
		}
		waitFor(t, "the outbox", func() bool { return bus.Stats().OutboxMessages == (accepted+1)*others })
	}
	if s := bus.Stats(); accepted != 4 || s.OutboxBytes > limit+len(message) {
		t.Errorf("%d pushes were accepted, %d bytes, where %d may wait", accepted, s.OutboxBytes, limit)
	}
}

// fullBus refuses as often as it is told.
type fullBus struct {
	cluster.Bus
	refusals atomic.Int32
}

func (b *fullBus) Admit() error {
	if b.refusals.Add(-1) >= 0 {
		return cluster.ErrOutboxFull
	}
	return b.Bus.Admit()
}

// TestRefusedAsAWhole: a push that was refused for one node goes to none, although there
// is room again when it comes to the next one.
func TestRefusedAsAWhole(t *testing.T) {
	hub := local.NewHub()
	nodes := startNodes(t, hub, "b", "c")
	bus := &fullBus{Bus: hub.Bus()}
	a := startNode(t, hub, "a", nil, func(o *Options) { o.Bus = bus })
	waitFor(t, "the cluster to be whole", func() bool { return a.Ready() == nil && len(a.link.presence.Members()) == 3 })
	bob, cid := nodes["b"].connect(t, "bob"), nodes["c"].connect(t, "cid")
	bus.refusals.Store(2) // when the push is made, and for b
	if status, body := a.post(t, "/websocket/send/users", `{"userIds":["bob","cid"],"message":"refused"}`); status != http.StatusServiceUnavailable {
		t.Errorf("got %d %s", status, body)
	}
	a.tell(t, "/websocket/send/users", `{"userIds":["bob","cid"],"message":"taken"}`)
	read(t, bob, "taken")
	read(t, cid, "taken")
}

// TestJoining: clients are refused until the node is in the cluster, unless the
// configuration says otherwise.
func TestJoining(t *testing.T) {
	for _, early := range []bool{false, true} {
		hub := local.NewHub()
		hub.SetBusAway(true)
		r := startNode(t, hub, "a", func(cfg *config.Config) { cfg.Server.StartWithoutCluster = early })
		target := "ws://" + r.Addr() + "/ws?token=" + url.QueryEscape("u-ann")
		c, res, err := websocket.DefaultDialer.Dial(target, nil)
		if early {
			if err != nil || r.Ready() != nil {
				t.Fatalf("start-without-cluster: %v, ready %v", err, r.Ready())
			}
			_ = c.Close()
		} else if res == nil || res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" || r.Ready() == nil {
			t.Fatalf("got %v, %v, ready %v", res, err, r.Ready())
		}
		want := 1.0
		if early {
			want = 0
		}
		if values, _ := scrape(t, r); values["carillon_handshakes_early_total"] != want || values["carillon_handshakes_refused_total"] != 0 {
			t.Errorf("%v refused for the cluster, want %v; %v for their token", values["carillon_handshakes_early_total"], want, values["carillon_handshakes_refused_total"])
		}
		hub.SetBusAway(false)
		waitFor(t, "the node to join", func() bool { return r.link.joined.Load() })
		r.connect(t, "ann")
	}
}

// TestNodeIDTaken: a second node under the same id ends with an error; so does one
// whose id was taken over, after it has told its clients to go.
func TestNodeIDTaken(t *testing.T) {
	hub := local.NewHub()
	first := startNode(t, hub, "a", nil)
	waitFor(t, "the first node", func() bool { return first.Ready() == nil })
	second := startNode(t, hub, "a", func(cfg *config.Config) { cfg.Cluster.Lease = time.Second })
	second.endsAs(t, cluster.ErrNodeTaken)
	ann := first.connect(t, "ann")
	hub.TakeOver("a")
	readClose(t, ann, 1001, "server shutting down")
	first.endsAs(t, cluster.ErrNodeTaken)
}

// endsAs waits until the gateway has ended by itself, with want.
func (r *running) endsAs(t *testing.T, want error) {
	t.Helper()
	select {
	case <-r.done:
		if err := r.stop(); !errors.Is(err, want) {
			t.Errorf("node %s: got %v, want %v", r.NodeID(), err, want)
		}
	case <-time.After(testPatience):
		t.Fatalf("node %s goes on", r.NodeID())
	}
}

// TestLeaving: a node that stops sends what it has accepted, and is gone from the
// cluster.
func TestLeaving(t *testing.T) {
	hub := local.NewHub()
	nodes := startNodes(t, hub, "a", "b")
	a, b := nodes["a"], nodes["b"]
	a.connect(t, "ann")
	bob := b.connect(t, "bob")
	hub.SetBusAway(true)
	if err := a.Broadcast([]byte("last words")); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the outbox", func() bool { return a.link.bus.Stats().OutboxMessages == 1 })
	stopped := make(chan error, 1)
	go func() { stopped <- a.stop() }()
	waitFor(t, "the drain", func() bool { return a.Ready() != nil })
	hub.SetBusAway(false)
	read(t, bob, "last words")
	if err := <-stopped; err != nil {
		t.Fatal(err)
	}
	where, err := endpoints{b.Server}.Locate(t.Context(), []string{"ann", "bob"})
	if err != nil || len(where[0].Places) != 0 || len(where[1].Places) != 1 {
		t.Errorf("got %+v, %v", where, err)
	}
	if n := len(b.link.presence.Members()); n != 1 {
		t.Errorf("%d members, want 1", n)
	}
}

// leaving notes whether there was time to leave.
type leaving struct {
	cluster.Presence
	left chan error
}

func (l leaving) Leave(ctx context.Context) error {
	l.left <- ctx.Err()
	return l.Presence.Leave(ctx)
}

// TestLeavingHasItsTime: a node leaves the cluster even when clients and handlers have
// used up all the time there was for them.
func TestLeavingHasItsTime(t *testing.T) {
	hub := local.NewHub()
	left := make(chan error, 1)
	told := make(chan struct{})
	r := startWith(t, func(cfg *config.Config) { cfg.Server.ShutdownTimeout = time.Second }, func(o *Options) {
		o.Presence, o.Bus = leaving{hub.Presence(), left}, hub.Bus()
	}, func(s *Server) {
		s.Handle("HOLD", holdUntilDone(told))
	})
	waitFor(t, "the cluster", func() bool { return r.Ready() == nil })
	c := dialRaw(t, r)
	c.upgrade("ann")
	c.text(`{"type":"BIZ","code":"HOLD"}`)
	c.heartbeat()
	if err := r.stop(); !errors.Is(err, ErrDrainTimeout) {
		t.Errorf("run: %v, want ErrDrainTimeout", err)
	}
	<-told
	if err := <-left; err != nil {
		t.Errorf("there was no time to leave: %v", err)
	}
}

// asking notes how many users are asked for at a time.
type asking struct {
	cluster.Presence
	mu   *sync.Mutex
	most *int
}

func (a asking) Locate(ctx context.Context, users []string) ([]cluster.Location, error) {
	a.mu.Lock()
	*a.most = max(*a.most, len(users))
	a.mu.Unlock()
	if len(users) > targetsAtOnce {
		return nil, cluster.ErrAway // in the time there is
	}
	return a.Presence.Locate(ctx, users)
}

// TestManyUsersAreLookedUpInParts: a push to very many users goes to the nodes that hold
// them, and so do those that come with it.
func TestManyUsersAreLookedUpInParts(t *testing.T) {
	hub := local.NewHub()
	var mu sync.Mutex
	most := 0
	a := startNode(t, hub, "a", nil, func(o *Options) { o.Presence = asking{o.Presence, &mu, &most} })
	b := startNode(t, hub, "b", nil)
	waitFor(t, "the cluster", func() bool {
		return a.Ready() == nil && b.Ready() == nil && len(a.link.presence.Members()) == 2
	})
	bob := b.connect(t, "bob")
	many := make([]string, 3*targetsAtOnce)
	for i := range many {
		many[i] = fmt.Sprint("user-", i)
	}
	many[len(many)-1] = "bob"
	for i := range 3 {
		for _, users := range [][]string{many, {"bob"}} {
			if _, err := a.PushUsers(users, fmt.Appendf(nil, "%d to %d", i, len(users))); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i := range 3 {
		read(t, bob, fmt.Sprintf("%d to %d", i, len(many)))
		read(t, bob, fmt.Sprintf("%d to 1", i))
	}
	if n := a.link.forwarder.blind.Load(); n != 0 {
		t.Errorf("%d pushes went to every node", n)
	}
	mu.Lock()
	defer mu.Unlock()
	if most != targetsAtOnce {
		t.Errorf("%d users were asked for at once, want %d", most, targetsAtOnce)
	}
}

// TestAloneAdmitsFromTheFirstMoment: a gateway without a cluster has nothing to wait for,
// not even until the loops that listen have been told that it has joined.
func TestAloneAdmitsFromTheFirstMoment(t *testing.T) {
	cfg := config.Default()
	s, err := New(cfg, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if !s.link.admits() {
		t.Error("a gateway without a cluster waits for one")
	}
}
