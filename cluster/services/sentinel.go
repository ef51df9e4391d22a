package services

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// SentinelMaster is the name under which the sentinels know their master.
	SentinelMaster = "carillon"

	sentinels      = 3
	sentinelQuorum = 2
	// A master counts as down after a second; an attempt at a failover that has
	// failed is repeated after twice as long as it may take.
	sentinelDownAfter       = time.Second
	sentinelFailoverTimeout = 3 * time.Second
	sentinelLimit           = 60 * time.Second
)

// Sentinel is a private Redis with a replica and three sentinels. Any goroutine.
type Sentinel struct {
	// Servers are the first master and its replica. A failover changes the roles,
	// not the order.
	Servers []*Redis
	// Sentinels watch them.
	Sentinels []*Redis
}

// StartSentinel starts a master, a replica and three sentinels, and waits until
// every sentinel knows the replica and the other sentinels.
func StartSentinel(ctx context.Context) (_ *Sentinel, err error) {
	s := &Sentinel{}
	defer func() {
		if err != nil {
			_ = s.Stop(false)
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, sentinelLimit)
	defer cancel()
	master, err := StartRedis(ctx, RedisOptions{Lines: []string{"repl-diskless-sync-delay 0"}})
	if err != nil {
		return nil, err
	}
	s.Servers = append(s.Servers, master)
	replica, err := StartRedis(ctx, RedisOptions{Lines: []string{"repl-diskless-sync-delay 0", fmt.Sprintf("replicaof %s %d", Host, master.port)}})
	if err != nil {
		return nil, err
	}
	s.Servers = append(s.Servers, replica)
	// A sentinel that begins before the replica is there finds it ten seconds later.
	if err := s.waitReplica(ctx, replica); err != nil {
		return nil, err
	}
	for range sentinels {
		n, err := startRedis(ctx, RedisOptions{Lines: []string{
			fmt.Sprintf("sentinel monitor %s %s %d %d", SentinelMaster, Host, master.port, sentinelQuorum),
			fmt.Sprintf("sentinel down-after-milliseconds %s %d", SentinelMaster, sentinelDownAfter.Milliseconds()),
			fmt.Sprintf("sentinel failover-timeout %s %d", SentinelMaster, sentinelFailoverTimeout.Milliseconds()),
		}}, "--sentinel")
		if err != nil {
			return nil, err
		}
		s.Sentinels = append(s.Sentinels, n)
	}
	return s, s.waitAcquainted(ctx)
}

func (s *Sentinel) waitReplica(ctx context.Context, replica *Redis) error {
	client := replica.Client()
	defer func() { _ = client.Close() }()
	return until(ctx, func() error {
		info, err := client.Info(ctx, "replication").Result()
		if err == nil && !strings.Contains(info, "master_link_status:up\r\n") {
			err = errors.New("replica has no link to its master")
		}
		return err
	})
}

// waitAcquainted waits until each sentinel knows the replica and the others.
func (s *Sentinel) waitAcquainted(ctx context.Context) error {
	for i, n := range s.Sentinels {
		client := n.sentinelClient()
		err := until(ctx, func() error {
			m, err := client.Master(ctx, SentinelMaster).Result()
			if err != nil {
				return err
			}
			if m["num-slaves"] != "1" || m["num-other-sentinels"] != strconv.Itoa(sentinels-1) || m["flags"] != "master" {
				return fmt.Errorf("knows %s replicas and %s other sentinels, master is %s", m["num-slaves"], m["num-other-sentinels"], m["flags"])
			}
			return nil
		})
		_ = client.Close()
		if err != nil {
			return fmt.Errorf("sentinel %d: %w", i, err)
		}
	}
	return nil
}

func (r *Redis) sentinelClient() *redis.SentinelClient {
	return redis.NewSentinelClient(&redis.Options{Addr: r.Addr(), MaxRetries: -1})
}

// Addrs returns host:port of the sentinels.
func (s *Sentinel) Addrs() []string {
	addrs := make([]string, len(s.Sentinels))
	for i, n := range s.Sentinels {
		addrs[i] = n.Addr()
	}
	return addrs
}

// MasterAddr returns the address that the running sentinels agree on as the
// master's.
func (s *Sentinel) MasterAddr(ctx context.Context) (string, error) {
	var addr string
	for _, n := range s.Sentinels {
		if !n.Running() {
			continue
		}
		client := n.sentinelClient()
		got, err := client.GetMasterAddrByName(ctx, SentinelMaster).Result()
		_ = client.Close()
		if err != nil {
			return "", err
		}
		if len(got) != 2 {
			return "", fmt.Errorf("sentinel %s knows no master", n.Addr())
		}
		told := net.JoinHostPort(got[0], got[1])
		if addr != "" && addr != told {
			return "", fmt.Errorf("sentinels name %s and %s as the master", addr, told)
		}
		addr = told
	}
	if addr == "" {
		return "", errors.New("no sentinel is running")
	}
	return addr, nil
}

// Master returns the server that is the master now.
func (s *Sentinel) Master(ctx context.Context) (*Redis, error) {
	addr, err := s.MasterAddr(ctx)
	if err != nil {
		return nil, err
	}
	for _, n := range s.Servers {
		if n.Addr() == addr {
			return n, nil
		}
	}
	return nil, fmt.Errorf("the master %s is none of the servers", addr)
}

// KillMaster ends the master at once (SIGKILL) and returns it: its Restart brings it
// back, as a replica of the next master.
func (s *Sentinel) KillMaster(ctx context.Context) (*Redis, error) {
	m, err := s.Master(ctx)
	if err != nil {
		return nil, err
	}
	m.Kill()
	return m, nil
}

// WaitFailover waits until all sentinels name another master than old, and it takes
// writes.
func (s *Sentinel) WaitFailover(ctx context.Context, old *Redis) (*Redis, error) {
	ctx, cancel := context.WithTimeout(ctx, sentinelLimit)
	defer cancel()
	var m *Redis
	err := until(ctx, func() (err error) {
		if m, err = s.Master(ctx); err != nil {
			return err
		}
		if m == old {
			return errors.New("the master has not changed")
		}
		client := m.Client()
		defer func() { _ = client.Close() }()
		role, err := client.Do(ctx, "role").Slice()
		if err == nil && role[0] != "master" {
			err = fmt.Errorf("%s is still a %v", m.Addr(), role[0])
		}
		return err
	})
	return m, err
}

// Log returns the ends of the logs of all servers and sentinels.
func (s *Sentinel) Log() string { return logs(s.Servers) + logs(s.Sentinels) }

// Stop ends all servers and sentinels, by SIGTERM or at once, and removes everything of them.
func (s *Sentinel) Stop(graceful bool) error {
	// The sentinels first, lest they begin a failover.
	return errors.Join(stopAll(s.Sentinels, graceful), stopAll(s.Servers, graceful))
}
