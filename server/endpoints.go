package server

import (
	"context"
	"fmt"

	"carillon/cluster"
	"carillon/server/admin"
)

// endpoints is the Server as the HTTP endpoints see it. They push nothing once
// the server drains: its sessions are leaving, and the back end can turn to where
// they went. The exported methods go on for the sake of handlers that reply.
type endpoints struct{ *Server }

func (e endpoints) takesPushes() error {
	if e.draining.Load() {
		return ErrClosing
	}
	return nil
}

var _ admin.Gateway = endpoints{}

func (e endpoints) PushUser(ctx context.Context, user string, message []byte, wait bool) (admin.Delivery, error) {
	if err := e.takesPushes(); err != nil {
		return admin.Delivery{}, err
	}
	d, err := e.pushUser(waitIf(ctx, wait), user, message)
	if err != nil {
		return d, err
	}
	return e.elsewhere(ctx, wait, d, "", cluster.Operation{Kind: cluster.PushUsers, Users: []string{user}}, message)
}

func (e endpoints) PushUsers(ctx context.Context, users []string, message []byte, wait bool) (admin.Delivery, error) {
	if err := e.takesPushes(); err != nil {
		return admin.Delivery{}, err
	}
	d, err := e.pushUsers(waitIf(ctx, wait), users, message)
	if err != nil {
		return d, err
	}
	return e.elsewhere(ctx, wait, d, "", cluster.Operation{Kind: cluster.PushUsers, Users: users}, message)
}

func (e endpoints) PushSession(ctx context.Context, id string, message []byte, wait bool) (admin.Delivery, error) {
	if err := e.takesPushes(); err != nil {
		return admin.Delivery{}, err
	}
	d, err := e.pushSession(waitIf(ctx, wait), id, message)
	if err != nil || e.holds(id) {
		return ended(d, id), err
	}
	d.Offline = []string{id}
	return e.elsewhere(ctx, wait, d, "", cluster.Operation{Kind: cluster.PushSessions, Sessions: []string{id}}, message)
}

// ended adds to d, of a session that can only be of this node, that it is nowhere.
func ended(d admin.Delivery, id string) admin.Delivery {
	if d.Complete && d.Sessions == 0 {
		d.Offline = []string{id}
	}
	return d
}

func (e endpoints) Broadcast(ctx context.Context, message []byte, wait bool) (admin.Delivery, error) {
	if err := e.takesPushes(); err != nil {
		return admin.Delivery{}, err
	}
	d, err := e.broadcast(waitIf(ctx, wait), message)
	if err != nil {
		return d, err
	}
	return e.elsewhere(ctx, wait, d, "", cluster.Operation{Kind: cluster.PushAll}, message)
}

func (e endpoints) KickUser(ctx context.Context, user string, wait bool) (admin.Delivery, error) {
	d, err := e.kickUser(waitIf(ctx, wait), user)
	if err != nil {
		return d, err
	}
	return e.elsewhere(ctx, wait, d, "", cluster.Operation{Kind: cluster.KickUsers, Users: []string{user}}, nil)
}

func (e endpoints) KickSession(ctx context.Context, id string, wait bool) (admin.Delivery, error) {
	d, err := e.kickSession(waitIf(ctx, wait), id)
	if err != nil || e.holds(id) {
		return ended(d, id), err
	}
	d.Offline = []string{id}
	return e.elsewhere(ctx, wait, d, "", cluster.Operation{Kind: cluster.KickSessions, Sessions: []string{id}}, nil)
}

func (e endpoints) KickAll(ctx context.Context, k admin.KickAll, wait bool) (d admin.Delivery, err error) {
	if !e.running.Load() {
		return d, ErrClosing
	}
	d.Complete = true
	if k.Node == "" || k.Node == e.NodeID() {
		d.Sessions = e.kickEveryone(closeCode(k.Code), k.Reason, k.Spread)
		if k.Node != "" {
			return d, nil
		}
	}
	return e.elsewhere(ctx, wait, d, k.Node, cluster.Operation{Kind: cluster.KickAll, Code: k.Code, Reason: k.Reason, Spread: k.Spread}, nil)
}

// elsewhere sends on to other nodes what was done here, and adds to d what came of
// it if the caller wants to know. node, if not "", is the only one concerned; message
// is the payload of a push, which is copied where there are other nodes to get it.
func (e endpoints) elsewhere(ctx context.Context, wait bool, d admin.Delivery, node string, op cluster.Operation, message []byte) (admin.Delivery, error) {
	if e.link.alone {
		if node != "" {
			d.Unreachable = []admin.Unreachable{{Node: node, Reason: notAMember}}
		}
		return d, nil
	}
	op.Payload = string(message)
	rt := &route{op: op, node: node, admitted: e.link.bus.Admit() == nil}
	// When the outbox is full it depends on where the targets are whether the call
	// fails, so it has to wait for the forwarder.
	if wait || !rt.admitted {
		rt.result = newRouted()
	}
	if err := e.link.forwarder.submit(rt); err != nil {
		return d, err
	}
	if rt.result == nil {
		return d, nil
	}
	err := e.await(ctx, wait, &d, rt.result)
	return d, err
}

// await adds to d what the forwarder did, and, with wait, waits until the broker has
// taken it over.
func (e endpoints) await(ctx context.Context, wait bool, d *admin.Delivery, r *routed) error {
	select {
	case <-r.done:
	case <-ctx.Done():
		return fmt.Errorf("routing to other nodes: %w", ctx.Err())
	}
	if r.err != nil {
		return r.err
	}
	d.Routed, d.Everywhere, d.Unreachable = r.routes, r.everywhere, r.unreachable
	nowhere := d.Offline[:0]
	for _, target := range d.Offline {
		if _, ok := r.elsewhere[target]; !ok && !r.blind {
			nowhere = append(nowhere, target)
		}
	}
	d.Offline = nowhere
	if wait {
		select {
		case <-r.took:
			d.Complete = d.Complete && !r.unrouted.Load()
		case <-ctx.Done():
			d.Complete = false
		}
	}
	return nil
}

// CheckHeartbeats judges the deadlines of this node's connections now; the loops
// do so by themselves all the time.
func (e endpoints) CheckHeartbeats(ctx context.Context) (d admin.Delivery, err error) {
	if !e.running.Load() {
		return d, ErrClosing
	}
	w := waitIf(ctx, true)
	if err := e.reactor.CheckDeadlines(w.slip()); err != nil {
		return d, pushError(err)
	}
	w.finish(&d)
	return d, nil
}

// listPage is how many users one round trip of OnlineUsers asks for.
const listPage = 5000

func (e endpoints) OnlineUsers(ctx context.Context) ([]string, error) {
	if e.link.alone {
		return e.Server.OnlineUsers(), nil
	}
	var all []string
	for cursor := ""; ; {
		page, next, err := e.link.presence.ListUsers(ctx, cursor, listPage)
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
		if cursor = next; cursor == "" {
			return once(all), nil // A page may repeat what another has.
		}
	}
}

func (e endpoints) OnlineUserCount(ctx context.Context) (int, error) {
	if e.link.alone {
		return e.Server.OnlineUserCount(), nil
	}
	n, err := e.link.presence.Count(ctx)
	return n.Users, err
}

func (e endpoints) Locate(ctx context.Context, users []string) ([]cluster.Location, error) {
	return e.link.presence.Locate(ctx, users)
}

func (e endpoints) Nodes(ctx context.Context) ([]cluster.Node, error) {
	return e.link.presence.Nodes(ctx)
}

func (e endpoints) Sessions(ctx context.Context, node, cursor string, limit int) ([]cluster.Session, string, error) {
	return e.link.presence.ListSessions(ctx, node, cursor, limit)
}
