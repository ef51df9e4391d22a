package server

import (
	"context"
	"maps"
	"slices"

	"carillon/cluster"
	"carillon/server/admin"
)

// Why a node of the reference cannot carry something out.
const (
	noSessionPush = "nodes of the reference take no pushes for single sessions"
	noKick        = "nodes of the reference take no kicks"
	notAMember    = "no carillon node of this name is alive"
)

// publish sends one route to the nodes concerned. It goes to every node when where
// its targets are is not known, or when nodes of the reference are to get it.
func (f *forwarder) publish(ctx context.Context, rt *route, where map[string]cluster.Location, nodes map[string]string) {
	switch rt.op.Kind {
	case cluster.PushAll:
		f.everywhere(rt)
	case cluster.KickAll:
		if rt.node == "" {
			f.everywhere(rt)
		} else {
			f.toMember(ctx, rt)
		}
	case cluster.PushUsers, cluster.KickUsers:
		f.toUsers(rt, where)
	case cluster.PushSessions, cluster.KickSessions:
		f.toSessions(rt, nodes)
	}
}

// admit tells whether rt may be published, the same for all of its nodes.
func (f *forwarder) admit(rt *route) bool {
	if rt.admitted || rt.refused {
		return rt.admitted
	}
	err := f.bus.Admit()
	if err == nil {
		rt.admitted = true
		return true
	}
	rt.refused = true
	f.full.Add(1)
	f.warn.cluster.log("operation for other nodes refused", "kind", rt.op.Kind, "err", err)
	if rt.result != nil {
		rt.result.err = err
	}
	return false
}

// everywhere publishes to every node: to those of the reference too, if they can
// read it.
func (f *forwarder) everywhere(rt *route) {
	if !f.bus.Shared() || !f.admit(rt) {
		return
	}
	switch rt.op.Kind {
	case cluster.PushAll, cluster.PushUsers:
		f.bus.Broadcast(&rt.op, rt.result.part())
	default:
		f.bus.SendAll(&rt.op, rt.result.part())
	}
	if rt.result != nil {
		rt.result.everywhere = true
	}
}

func (f *forwarder) toMember(ctx context.Context, rt *route) {
	if isMember(f.presence.Members(), rt.node) || f.hasCome(ctx, rt.node) {
		f.send(rt, rt.node, &rt.op)
		return
	}
	rt.unreachable(admin.Unreachable{Node: rt.node, Reason: notAMember})
}

// hasCome tells whether a node is a member that was none when last looked. While
// nobody can look it may be one: then the broker knows.
func (f *forwarder) hasCome(ctx context.Context, node string) bool {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	nodes, err := f.presence.Nodes(ctx)
	return err != nil || isMember(nodes, node)
}

func (rt *route) unreachable(u admin.Unreachable) {
	if rt.result != nil {
		rt.result.unreachable = append(rt.result.unreachable, u)
	}
}

func (rt *route) elsewhere(target string) {
	if rt.result == nil {
		return
	}
	if rt.result.elsewhere == nil {
		rt.result.elsewhere = make(map[string]struct{})
	}
	rt.result.elsewhere[target] = struct{}{}
}

// send publishes to one node.
func (f *forwarder) send(rt *route, node string, op *cluster.Operation) {
	if !f.bus.Shared() {
		rt.unreachable(admin.Unreachable{Node: node, Reason: "there is no message bus to other nodes"})
		return
	}
	if !f.admit(rt) {
		return
	}
	f.bus.Send(node, op, rt.result.part())
	if rt.result != nil {
		rt.result.routes = append(rt.result.routes, admin.Route{Node: node, Users: op.Users, Sessions: op.Sessions})
	}
}

func (f *forwarder) toUsers(rt *route, where map[string]cluster.Location) {
	if where == nil {
		f.sendBlind(rt)
		return
	}
	push := rt.op.Kind == cluster.PushUsers
	byNode := make(map[string][]string, 1)
	foreign := false
	for _, user := range rt.op.Users {
		at := where[user]
		for _, p := range at.Places {
			if p.Node != f.self {
				byNode[p.Node] = append(byNode[p.Node], user)
				rt.elsewhere(user)
			}
		}
		if at.Foreign {
			foreign = true
			rt.elsewhere(user)
			if !push {
				rt.unreachable(admin.Unreachable{User: user, Reason: noKick})
			}
		}
	}
	// A user of a carillon node can be on one of the reference as well, and that
	// is not to be seen from here: so one message tells them all.
	if push && (foreign || f.presence.Mixed()) {
		f.everywhere(rt)
		return
	}
	for _, node := range slices.Sorted(maps.Keys(byNode)) {
		op := rt.op
		op.Users = byNode[node]
		f.send(rt, node, &op)
	}
}

func (f *forwarder) toSessions(rt *route, nodes map[string]string) {
	byNode := make(map[string][]string, 1)
	var unknown []string
	members := f.presence.Members()
	for _, id := range rt.op.Sessions {
		node := f.nodeOf(id)
		if node == "" {
			if nodes == nil {
				unknown = append(unknown, id)
				continue
			}
			node = nodes[id]
		}
		switch {
		case node == "" || node == f.self:
		case isMember(members, node):
			byNode[node] = append(byNode[node], id)
			rt.elsewhere(id)
		default:
			reason := noSessionPush
			if rt.op.Kind == cluster.KickSessions {
				reason = noKick
			}
			rt.elsewhere(id)
			rt.unreachable(admin.Unreachable{Session: id, Node: node, Reason: reason})
		}
	}
	for _, node := range slices.Sorted(maps.Keys(byNode)) {
		op := rt.op
		op.Sessions = byNode[node]
		f.send(rt, node, &op)
	}
	if len(unknown) > 0 {
		all := *rt
		all.op.Sessions = unknown
		f.sendBlind(&all)
	}
}

// sendBlind publishes to every node, since nobody knows where the targets are.
func (f *forwarder) sendBlind(rt *route) {
	f.blind.Add(1)
	if rt.result != nil {
		rt.result.blind = true
	}
	f.everywhere(rt)
}

func isMember(members []cluster.Node, id string) bool {
	return slices.ContainsFunc(members, func(n cluster.Node) bool { return n.ID == id })
}

// once returns the distinct strings of a list, which it does not change.
func once(list []string) []string {
	if len(list) < 2 {
		return list
	}
	list = slices.Clone(list)
	slices.Sort(list)
	return slices.Compact(list)
}
