package local_test

import (
	"errors"
	"reflect"
	"slices"
	"testing"

	"carillon/cluster"
	"carillon/cluster/local"
)

// Users of a node of the reference are online, but at no carillon node.
func TestForeignUsers(t *testing.T) {
	hub := local.NewHub()
	p, sessions := joined(t, hub, "a", 1)
	if p.Mixed() {
		t.Error("mixed without a node of the reference")
	}
	java := hub.Foreign("java")
	if !p.Mixed() {
		t.Error("not mixed")
	}
	ids := []cluster.SessionID{{1: 1}, {2: 2}, {3: 3}}
	java.Connect("theirs", ids[0])
	java.Connect("theirs", ids[1])
	java.Connect("both", ids[2])
	own := sessions.NewID()
	sessions.Add("both", own)

	want := []cluster.Location{{Foreign: true}, {Places: []cluster.Place{{Node: "a", Sessions: 1}}}, {}}
	if got, err := p.Locate(t.Context(), []string{"theirs", "both", "unknown"}); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	nodes, err := p.LocateSessions(t.Context(), []string{ids[1].String(), own.String(), cluster.SessionID{9}.String()})
	if err != nil || !slices.Equal(nodes, []string{"java", "a", ""}) {
		t.Errorf("got %q, %v", nodes, err)
	}
	if got, err := p.Count(t.Context()); err != nil || got != (cluster.Counts{Users: 2, Sessions: 4, Nodes: 1}) {
		t.Errorf("got %+v, %v", got, err)
	}
	users, next, err := p.ListUsers(t.Context(), "", 10)
	slices.Sort(users)
	if err != nil || next != "" || !slices.Equal(users, []string{"both", "theirs"}) {
		t.Errorf("got %q, %q, %v", users, next, err)
	}
	if page, _, err := p.ListSessions(t.Context(), "java", "", 10); err != nil || len(page) != 3 {
		t.Errorf("got %v, %v", page, err)
	}
	if got := p.Members(); len(got) != 1 {
		t.Errorf("got members %v", got)
	}

	java.Disconnect(ids[0])
	java.Disconnect(ids[0])
	if users, sessions := java.Len(); users != 2 || sessions != 2 {
		t.Errorf("got %d users and %d sessions, want 2 and 2", users, sessions)
	}
	java.Leave()
	if p.Mixed() {
		t.Error("mixed after the last node of the reference has left")
	}
	if got, err := p.Locate(t.Context(), []string{"theirs"}); err != nil || got[0].Foreign {
		t.Errorf("got %+v, %v", got, err)
	}
}

// A node of the reference gets broadcasts and nothing else, and its own reach us.
func TestForeignBroadcasts(t *testing.T) {
	hub := local.NewHub()
	a, atA := opened(t, hub, "a")
	_, atB := opened(t, hub, "b")
	java := hub.Foreign("java")
	done := make(chan error, 3)
	said := func(err error) { done <- err }
	a.SendAll(&cluster.Operation{Kind: cluster.PushAll, Payload: "carillon only"}, said)
	a.Send("b", &cluster.Operation{Kind: cluster.PushAll, Payload: "b only"}, said)
	a.Broadcast(&cluster.Operation{Kind: cluster.PushUsers, Payload: "all", Users: []string{"u"}}, said)
	for range 3 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	want := []local.Received{{From: "a", Op: cluster.Operation{Kind: cluster.PushUsers, Payload: "all", Users: []string{"u"}}}}
	got := java.Received()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	got[0].Op.Users[0] = "changed"
	if !reflect.DeepEqual(java.Received(), want) {
		t.Error("what Received returns is shared")
	}
	if err := java.Broadcast(&cluster.Operation{Kind: cluster.PushAll, Payload: "theirs"}); err != nil {
		t.Error(err)
	}
	for _, want := range []string{"a: carillon only", "a: b only", "a: all", "java: theirs"} {
		if got := <-atB; got != want {
			t.Errorf("b got %q, want %q", got, want)
		}
	}
	if got := <-atA; got != "java: theirs" {
		t.Errorf("a got %q", got)
	}

	hub.SetBusAway(true)
	if err := java.Broadcast(&cluster.Operation{Kind: cluster.PushAll, Payload: "lost"}); !errors.Is(err, cluster.ErrAway) {
		t.Errorf("got %v, want %v", err, cluster.ErrAway)
	}
	hub.SetBusAway(false)
	java.Leave()
	a.Broadcast(&cluster.Operation{Kind: cluster.PushAll, Payload: "last"}, said)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if got := java.Received(); len(got) != 1 {
		t.Errorf("a node that has left got %+v", got[1:])
	}
	if got := <-atB; got != "a: last" {
		t.Errorf("b got %q", got)
	}
}
