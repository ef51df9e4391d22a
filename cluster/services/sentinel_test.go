package services

import (
	"errors"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

func TestSentinel(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := NewSentinel(t)
	for i, n := range s.Sentinels {
		one := n.sentinelClient()
		others, err := one.Sentinels(ctx, SentinelMaster).Result()
		replicas, replicasErr := one.Replicas(ctx, SentinelMaster).Result()
		if err != nil || replicasErr != nil || len(others) != 2 || len(replicas) != 1 {
			t.Errorf("sentinel %d knows %d others and %d replicas, %v, %v", i, len(others), len(replicas), err, replicasErr)
		}
		_ = one.Close()
	}
	client := redis.NewFailoverClient(&redis.FailoverOptions{MasterName: SentinelMaster, SentinelAddrs: s.Addrs()})
	defer func() { _ = client.Close() }()
	if err := client.Set(ctx, "key", "before", 0).Err(); err != nil {
		t.Fatal(err)
	}
	first, err := s.Master(ctx)
	if err != nil || first != s.Servers[0] {
		t.Fatalf("got master %v, %v", first, err)
	}
	// The replica has it before the master dies.
	one := first.Client()
	if n, err := one.Wait(ctx, 1, 0).Result(); err != nil || n != 1 {
		t.Fatalf("%d replicas, %v", n, err)
	}
	_ = one.Close()

	killed, err := s.KillMaster(ctx)
	if err != nil || killed != first || killed.Running() {
		t.Fatalf("killed %v, %v", killed, err)
	}
	second, err := s.WaitFailover(ctx, killed)
	if err != nil || second != s.Servers[1] {
		t.Fatalf("got master %v, %v", second, err)
	}
	waitFor(t, "the client has found the next master", func() string {
		got, err := client.Get(ctx, "key").Result()
		if err == nil && got != "before" {
			err = errors.New(got)
		}
		if err != nil {
			return err.Error()
		}
		return ""
	})

	if err := killed.Restart(ctx, true); err != nil {
		t.Fatal(err)
	}
	one = killed.Client()
	defer func() { _ = one.Close() }()
	waitFor(t, "the old master follows", func() string {
		info, err := one.Info(ctx, "replication").Result()
		if err != nil || !strings.Contains(info, "role:slave") || !strings.Contains(info, "master_link_status:up") {
			return info
		}
		return ""
	})
	if err := s.Stop(true); err != nil {
		t.Fatal(err)
	}
	for _, n := range append(s.Servers, s.Sentinels...) {
		wantNothingLeft(t, n.work.path, n.port)
	}
}
