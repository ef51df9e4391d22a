package services

import (
	"context"
	"testing"
)

// NewRedis starts a Redis for one test.
func NewRedis(t testing.TB, o RedisOptions) *Redis {
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
func NewRabbitMQ(t testing.TB, o RabbitOptions) *RabbitMQ {
	t.Helper()
	r, err := StartRabbitMQ(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	end(t, r)
	return r
}

// end stops a server when its test ends, and shows what it has logged last when the
// test has failed.
func end(t testing.TB, s interface {
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
