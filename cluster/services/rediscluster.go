package services

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// hashSlots is how many a Redis Cluster has.
	hashSlots = 16384
	// clusterNodeTimeout is after how long a silent node counts as failed. Shorter
	// ones make nodes of a busy machine suspect each other.
	clusterNodeTimeout = 2 * time.Second
	// clusterLimit bounds the wait for nodes to agree.
	clusterLimit = 60 * time.Second
)

// RedisCluster is a private Redis Cluster. Any goroutine.
type RedisCluster struct {
	// Nodes are the masters, which share the slots evenly in this order, then the
	// replicas: those of the first master, of the second, and so on. A failover
	// changes the roles, not the order.
	Nodes []*Redis
}

// StartRedisCluster starts a Redis Cluster and waits until every node says that the
// cluster is ok and every replica follows its master. Fewer than three masters
// cannot elect another one.
func StartRedisCluster(ctx context.Context, masters, replicas int) (_ *RedisCluster, err error) {
	if masters < 1 || replicas < 0 {
		return nil, fmt.Errorf("redis cluster of %d masters with %d replicas each", masters, replicas)
	}
	c := &RedisCluster{Nodes: make([]*Redis, masters*(1+replicas))}
	defer func() {
		if err != nil {
			_ = c.Stop(false)
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, clusterLimit)
	defer cancel()
	if err := c.startNodes(ctx); err != nil {
		return nil, err
	}
	clients := make([]*redis.Client, len(c.Nodes))
	for i, n := range c.Nodes {
		clients[i] = n.Client()
		defer func() { _ = clients[i].Close() }()
	}
	if err := introduce(ctx, c.Nodes, clients, masters); err != nil {
		return nil, err
	}
	if err := follow(ctx, clients, masters, replicas); err != nil {
		return nil, err
	}
	return c, c.WaitOK(ctx)
}

func (c *RedisCluster) startNodes(ctx context.Context) error {
	var wait sync.WaitGroup
	errs := make([]error, len(c.Nodes))
	for i := range c.Nodes {
		wait.Go(func() {
			// The bus between the nodes listens on a port of its own.
			var bus int
			if bus, errs[i] = takePort(); errs[i] != nil {
				return
			}
			c.Nodes[i], errs[i] = StartRedis(ctx, RedisOptions{Lines: []string{
				"cluster-enabled yes",
				"cluster-port " + strconv.Itoa(bus),
				"cluster-announce-ip " + Host,
				"cluster-node-timeout " + strconv.FormatInt(clusterNodeTimeout.Milliseconds(), 10),
			}})
			if errs[i] != nil {
				freePort(bus)
				return
			}
			c.Nodes[i].ports = append(c.Nodes[i].ports, bus)
		})
	}
	wait.Wait()
	return errors.Join(errs...)
}

// introduce gives the masters their slots and makes every node meet every other: the
// gossip of a few would take seconds.
func introduce(ctx context.Context, nodes []*Redis, clients []*redis.Client, masters int) error {
	for i, client := range clients {
		if i < masters {
			if err := client.ClusterAddSlotsRange(ctx, i*hashSlots/masters, (i+1)*hashSlots/masters-1).Err(); err != nil {
				return err
			}
		}
		// Else all begin with the same epoch and quarrel about it.
		if err := client.Do(ctx, "cluster", "set-config-epoch", i+1).Err(); err != nil {
			return err
		}
	}
	for i, client := range clients {
		for _, other := range nodes[i+1:] {
			if err := client.Do(ctx, "cluster", "meet", Host, other.port, clusterBus(other)).Err(); err != nil {
				return err
			}
		}
	}
	return nil
}

// clusterBus returns the port of a node's bus.
func clusterBus(node *Redis) int { return node.ports[len(node.ports)-1] }

// follow makes replicas of the nodes behind the masters, as soon as they know them.
func follow(ctx context.Context, clients []*redis.Client, masters, replicas int) error {
	for i, client := range clients[masters:] {
		id, err := clients[i/replicas].ClusterMyID(ctx).Result()
		if err != nil {
			return err
		}
		if err := until(ctx, func() error { return client.ClusterReplicate(ctx, id).Err() }); err != nil {
			return fmt.Errorf("redis cluster: replica %d: %w", i, err)
		}
	}
	return nil
}

// WaitOK waits until the running nodes agree: all slots are served, the
// running nodes know each other, those that are down count as failed and serve
// nothing, and every replica follows a master.
func (c *RedisCluster) WaitOK(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, clusterLimit)
	defer cancel()
	running := map[string]bool{}
	for _, n := range c.Nodes {
		if n.Running() {
			running[n.Addr()] = true
		}
	}
	for i, n := range c.Nodes {
		if !running[n.Addr()] {
			continue
		}
		client := n.Client()
		err := until(ctx, func() error { return nodeOK(ctx, client, running) })
		_ = client.Close()
		if err != nil {
			return fmt.Errorf("redis cluster: node %d: %w", i, err)
		}
	}
	return nil
}

// nodeOK checks what one node says of itself and of the others.
func nodeOK(ctx context.Context, client *redis.Client, running map[string]bool) error {
	info, err := client.ClusterInfo(ctx).Result()
	if err != nil {
		return err
	}
	for _, want := range []string{"cluster_state:ok", "cluster_slots_ok:" + strconv.Itoa(hashSlots)} {
		if !strings.Contains(info, want+"\r\n") {
			return fmt.Errorf("not %s", want)
		}
	}
	nodes, err := client.ClusterNodes(ctx).Result()
	if err != nil {
		return err
	}
	healthy := 0
	for line := range strings.Lines(nodes) {
		// id address@bus flags master ping pong epoch link slots...
		f := strings.Fields(line)
		if len(f) < 8 {
			return fmt.Errorf("node line %q", line)
		}
		addr, _, _ := strings.Cut(f[1], "@")
		flags := strings.Split(f[2], ",")
		switch {
		case running[addr] && f[7] == "connected" && !slices.ContainsFunc(flags, func(f string) bool { return strings.HasPrefix(f, "fail") || f == "handshake" }):
			healthy++
		case running[addr]:
			return fmt.Errorf("takes %s for %s and %s", addr, f[2], f[7])
		case !slices.Contains(flags, "fail") || len(f) > 8:
			return fmt.Errorf("takes %s for %s with the slots %v, but it is down", addr, f[2], f[8:])
		}
	}
	if healthy != len(running) {
		return fmt.Errorf("sees %d nodes of %d", healthy, len(running))
	}
	replication, err := client.Info(ctx, "replication").Result()
	if err != nil {
		return err
	}
	if strings.Contains(replication, "role:slave\r\n") && !strings.Contains(replication, "master_link_status:up\r\n") {
		return errors.New("replica has no link to its master")
	}
	return nil
}

// Addrs returns host:port of every node, of those that are down too.
func (c *RedisCluster) Addrs() []string {
	addrs := make([]string, len(c.Nodes))
	for i, n := range c.Nodes {
		addrs[i] = n.Addr()
	}
	return addrs
}

// Client returns a client of the cluster. The caller closes it.
func (c *RedisCluster) Client() *redis.ClusterClient {
	return redis.NewClusterClient(&redis.ClusterOptions{Addrs: c.Addrs()})
}

// Kill ends the node of this index at once (SIGKILL).
func (c *RedisCluster) Kill(node int) { c.Nodes[node].Kill() }

// Log returns the ends of the logs of all nodes.
func (c *RedisCluster) Log() string { return logs(c.Nodes) }

// Stop ends all nodes, by SIGTERM or at once, and removes everything of them.
func (c *RedisCluster) Stop(graceful bool) error { return stopAll(c.Nodes, graceful) }

func logs(nodes []*Redis) string {
	var b strings.Builder
	for i, n := range nodes {
		if n != nil {
			fmt.Fprintf(&b, "node %d, %s:\n%s\n", i, n.Addr(), n.Log())
		}
	}
	return b.String()
}

func stopAll(nodes []*Redis, graceful bool) error {
	var errs []error
	for _, n := range nodes {
		if n != nil {
			errs = append(errs, n.Stop(graceful))
		}
	}
	return errors.Join(errs...)
}

// until calls f until it returns nil or ctx ends.
func until(ctx context.Context, f func() error) error {
	for {
		err := f()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w, at last: %w", ctx.Err(), err)
		case <-time.After(pollEvery):
		}
	}
}
