package services

import "context"

// TB is what servers for one test need of a testing.TB. The package testing itself stays out
// of the commands that start servers.
type TB interface {
	Helper()
	Cleanup(func())
	Failed() bool
	Logf(format string, args ...any)
	Error(args ...any)
	Fatal(args ...any)
}

// NewRedis starts a Redis for one test.
func NewRedis(t TB, o RedisOptions) *Redis {
	t.Helper()
	r, err := StartRedis(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	end(t, r)
	return r
}

// NewRabbitMQ starts a RabbitMQ for one test. That takes seconds: tests of one
// package share one and take a virtual host each, see [RabbitMQ.NewVhost].
func NewRabbitMQ(t TB, o RabbitOptions) *RabbitMQ {
	t.Helper()
	r, err := StartRabbitMQ(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	end(t, r)
	return r
}

// NewRedisCluster starts a Redis Cluster for one test.
func NewRedisCluster(t TB, masters, replicas int) *RedisCluster {
	t.Helper()
	c, err := StartRedisCluster(context.Background(), masters, replicas)
	if err != nil {
		t.Fatal(err)
	}
	end(t, c)
	return c
}

// NewSentinel starts a Redis with a replica and three sentinels for one test.
func NewSentinel(t TB) *Sentinel {
	t.Helper()
	s, err := StartSentinel(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	end(t, s)
	return s
}

// NewProxy starts a proxy before target for one test.
func NewProxy(t TB, target string) *Proxy {
	t.Helper()
	p, err := StartProxy(target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// FreePort returns a port on which nobody listens, and which no server of this
// process takes until the test ends. It is outside of the range that Linux gives to
// outgoing connections.
func FreePort(t TB) int {
	t.Helper()
	port, err := takePort()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { freePort(port) })
	return port
}

// end stops a server when its test ends, and shows what it has logged last when the
// test has failed.
func end(t TB, s interface {
	Log() string
	Stop(graceful bool) error
}) {
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the end of the server's log:\n%s", s.Log())
		}
		if err := s.Stop(false); err != nil {
			t.Error(err)
		}
	})
}
