package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"carillon/cluster"
)

func TestOptions(t *testing.T) {
	for name, o := range map[string]Options{
		"no URL":           {},
		"prefetch":         {URLs: []string{"amqp://h"}, Prefetch: 65536},
		"negative":         {URLs: []string{"amqp://h"}, OutboxMaxBytes: -1},
		"short heartbeat":  {URLs: []string{"amqp://h"}, Heartbeat: time.Millisecond},
		"expires at once":  {URLs: []string{"amqp://h"}, QueueExpires: time.Microsecond},
		"another protocol": {URLs: []string{"http://h"}},
	} {
		if _, err := New(o); err == nil {
			t.Errorf("%s: was taken", name)
		}
	}
	b, err := New(Options{URLs: []string{"amqp://h"}})
	if err != nil {
		t.Fatal(err)
	}
	if s := b.Stats(); s.OutboxMaxBytes != DefaultOutboxMaxBytes || s.Up {
		t.Errorf("got %+v", s)
	}
	if !errors.Is(b.Ready(), cluster.ErrAway) {
		t.Errorf("got %v", b.Ready())
	}
}

// No error shows a password: not of a URL that cannot be read, nor of a broker that is
// not there.
func TestErrorsShowNoPassword(t *testing.T) {
	const secret = "hush"
	for _, url := range []string{
		"amqp://user:" + secret + "@host:port/", "http://user:" + secret + "@host", "amqp://user:" + secret + "/@host:5672/",
		"amqp://user:" + secret + " @host", "amqp://user:%zz" + secret + "@host", "://user:" + secret + "@host",
	} {
		if _, err := New(Options{URLs: []string{"amqp://good", url}}); err == nil || strings.Contains(err.Error(), secret) || !strings.Contains(err.Error(), "URL 2") {
			t.Errorf("%s: got %v", url, err)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := fmt.Sprintf("amqp://user:%s@%s/", secret, l.Addr())
	l.Close()
	b, err := New(Options{URLs: []string{url}})
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{b.Open(t.Context(), cluster.Node{ID: "a"}, nil), b.Forget(t.Context(), "b")} {
		if !errors.Is(err, cluster.ErrAway) || strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "user") {
			t.Errorf("got %v", err)
		}
	}
	if err := b.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestNodeIDs(t *testing.T) {
	b, err := New(Options{URLs: []string{"amqp://127.0.0.1:1"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"", strings.Repeat("n", maxNodeID+1)} {
		if err := b.Open(t.Context(), cluster.Node{ID: id}, nil); err == nil || errors.Is(err, cluster.ErrAway) {
			t.Errorf("%q: got %v", id, err)
		}
	}
}

// A dial begins with the broker after the one of the dial before, which has not lasted.
func TestBrokersTakeTurns(t *testing.T) {
	var urls []string
	taken := make(chan int, 10)
	for i := range 3 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		urls = append(urls, "amqp://"+l.Addr().String())
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				taken <- i
				c.Close()
			}
		}()
	}
	b, err := newBrokers(&Options{URLs: urls, Heartbeat: time.Second, ConnectTimeout: time.Second, ConfirmTimeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	d := dialer{brokers: b, next: 1}
	if _, err := d.dial(t.Context()); !errors.Is(err, cluster.ErrAway) {
		t.Errorf("got %v", err)
	}
	for _, want := range []int{1, 2, 0} {
		if got := <-taken; got != want {
			t.Errorf("got %d, want %d", got, want)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.dial(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// The driver hands over the broker's words.
func TestMessageTooLargeForTheBroker(t *testing.T) {
	p := &publisher{}
	p.as("a", newStart())
	small, large := &message{rest: make([]byte, 10)}, &message{rest: make([]byte, 1000)}
	s := &stream{p: p, underWay: []*message{small, large}}
	size := len(p.senders[formJSON]) + 1000
	said := &amqp.Error{Code: amqp.PreconditionFailed, Reason: fmt.Sprintf("PRECONDITION_FAILED - message size %d is larger than configured max size 500", size)}
	if got := s.tooLarge(said); got != large {
		t.Errorf("got %+v", got)
	}
	for _, err := range []error{nil, errStalled, &amqp.Error{Code: amqp.PreconditionFailed, Reason: "PRECONDITION_FAILED - delivery acknowledgement timed out"},
		&amqp.Error{Code: amqp.PreconditionFailed, Reason: "PRECONDITION_FAILED - message size 7 is larger than max size 5"}} {
		if got := s.tooLarge(err); got != nil {
			t.Errorf("%v: got %+v", err, got)
		}
	}
}
