package services

import (
	"context"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

func TestRedis(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	r := NewRedis(t, RedisOptions{Password: "hush-hush", AppendOnly: true})
	c := r.Client()
	defer func() { _ = c.Close() }()
	set := func(value string) {
		t.Helper()
		if err := c.Set(ctx, "key", value, 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	want := func(value string) {
		t.Helper()
		got, err := c.Get(ctx, "key").Result()
		if err != nil && err != redis.Nil || got != value {
			t.Fatalf("got %q, %v, want %q", got, err, value)
		}
	}

	set("first")
	r.Kill()
	if err := c.Ping(ctx).Err(); err == nil || r.Running() {
		t.Fatal("answers although it was killed")
	}
	if err := r.Restart(ctx, true); err != nil {
		t.Fatal(err)
	}
	want("first")
	if err := r.Restart(ctx, false); err != nil {
		t.Fatal(err)
	}
	want("")
	set("second")
	if err := r.Wipe(ctx); err != nil {
		t.Fatal(err)
	}
	want("")

	if err := r.Pause(); err != nil {
		t.Fatal(err)
	}
	brief, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	err := c.Ping(brief).Err()
	cancel()
	if err == nil || !r.Running() {
		t.Fatalf("got %v while paused, running %v", err, r.Running())
	}
	if err := r.Resume(); err != nil {
		t.Fatal(err)
	}
	set("third")
	// A paused server can be ended like any other.
	if err := r.Pause(); err != nil {
		t.Fatal(err)
	}
	if err := r.Shutdown(); err != nil {
		t.Fatal(err)
	}
	if err := r.Pause(); err == nil {
		t.Error("paused a server that does not run")
	}
	if err := r.Restart(ctx, true); err != nil {
		t.Fatal(err)
	}
	want("third")

	arguments, err := os.ReadFile("/proc/" + strconv.Itoa(r.PID()) + "/cmdline")
	if err != nil || strings.Contains(string(arguments), "hush") {
		t.Errorf("arguments are %q, %v", arguments, err)
	}
	if !strings.Contains(r.Log(), "Ready to accept connections") {
		t.Errorf("log is %q", r.Log())
	}
	if err := r.Stop(true); err != nil {
		t.Fatal(err)
	}
	wantNothingLeft(t, r.work.path, r.port)
	if err := r.Restart(ctx, true); err != errStopped {
		t.Errorf("restart after stop: %v", err)
	}
}

func TestRedisAccess(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]RedisOptions{
		"password": {Password: "hush-hush"},
		"acl":      {User: "carillon", Password: "hush-hush"},
		"tls":      {TLS: true, User: "carillon", Password: "hush-hush"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := NewRedis(t, o)
			// By its URL, as a user gives it.
			parsed, err := redis.ParseURL(r.URL())
			if err != nil {
				t.Fatal(err)
			}
			if (parsed.TLSConfig != nil) != o.TLS {
				t.Fatalf("URL has TLS %v", parsed.TLSConfig != nil)
			}
			parsed.TLSConfig = r.TLS()
			c := redis.NewClient(parsed)
			defer func() { _ = c.Close() }()
			if err := c.Set(t.Context(), "key", "value", 0).Err(); err != nil {
				t.Error(err)
			}
			for what, other := range map[string]redis.Options{
				"without a password": {Addr: r.Addr(), TLSConfig: r.TLS()},
				"as another user":    {Addr: r.Addr(), Username: "other", Password: "hush-hush", TLSConfig: r.TLS()},
			} {
				c := redis.NewClient(&other)
				if err := c.Ping(t.Context()).Err(); err == nil {
					t.Errorf("let in %s", what)
				}
				_ = c.Close()
			}
		})
	}
}

func TestRedisRefusesToStart(t *testing.T) {
	t.Parallel()
	_, err := StartRedis(t.Context(), RedisOptions{Password: "hush-hush", Lines: []string{"no-such-thing hush-hush"}})
	if err == nil || !strings.Contains(err.Error(), "no-such-thing") || strings.Contains(err.Error(), "hush") {
		t.Errorf("got %v", err)
	}
}

func TestRedisPortTaken(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", Host+":0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	_, err = StartRedis(t.Context(), RedisOptions{Port: l.Addr().(*net.TCPAddr).Port})
	if err == nil || !collided(err) {
		t.Errorf("got %v", err)
	}
}

// TestRedisIsTheOneStarted has a server asked in the place of another.
func TestRedisIsTheOneStarted(t *testing.T) {
	t.Parallel()
	r, other := NewRedis(t, RedisOptions{}), NewRedis(t, RedisOptions{})
	if err := r.ping(t.Context(), r.process); err != nil {
		t.Error(err)
	}
	if err := r.ping(t.Context(), other.process); err == nil {
		t.Error("took another server for the one started")
	}
}

func TestStartCancelled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if r, err := StartRedis(ctx, RedisOptions{}); err == nil {
		t.Errorf("started, stopped with %v", r.Stop(false))
	}
}
