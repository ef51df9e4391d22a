package rabbitmq

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"
)

// The defaults of Options.
const (
	DefaultPrefetch       = 256
	DefaultOutboxMaxBytes = 64 << 20
	DefaultOutboxMaxAge   = 30 * time.Second
	DefaultQueueExpires   = time.Minute
	DefaultConfirmTimeout = 15 * time.Second
	DefaultConnectTimeout = 10 * time.Second
	DefaultHeartbeat      = 10 * time.Second
)

// Options say how a Bus uses its broker. Zero values stand for the defaults.
type Options struct {
	// URLs are the nodes of the broker, amqp://user:password@host:port/vhost or
	// amqps://…, tried in turn. At least one. A password is in no error and no log line.
	URLs []string
	// TLS is for amqps. Without it, the system's roots are trusted, or what the
	// query of the URL names (cacertfile, certfile, keyfile, server_name_indication).
	TLS *tls.Config

	// Prefetch is how many messages the broker sends ahead of acknowledgements, at
	// most 65535.
	Prefetch int
	// OutboxMaxBytes and OutboxMaxAge are when Admit refuses: as many bytes, or one
	// that old, wait for the broker's confirm. A payload that goes to several nodes
	// counts once.
	OutboxMaxBytes int
	OutboxMaxAge   time.Duration
	// QueueExpires is how long the broker keeps the queue of a node that it has lost.
	QueueExpires time.Duration
	// ConnectTimeout is how long connecting by TCP may take, and as long again what
	// TLS and AMQP add to it.
	ConnectTimeout time.Duration
	// ConfirmTimeout is how long the broker may confirm nothing of what it got, or
	// take no byte, before its connection is given up.
	ConfirmTimeout time.Duration
	// Heartbeat is AMQP's, in whole seconds: a connection that is silent for longer
	// than about twice as long is lost. The heartbeat of a URL goes before it.
	Heartbeat time.Duration

	Logger *slog.Logger
}

func (o Options) withDefaults() Options {
	setDefault(&o.Prefetch, DefaultPrefetch)
	setDefault(&o.OutboxMaxBytes, DefaultOutboxMaxBytes)
	setDefault(&o.OutboxMaxAge, DefaultOutboxMaxAge)
	setDefault(&o.QueueExpires, DefaultQueueExpires)
	setDefault(&o.ConnectTimeout, DefaultConnectTimeout)
	setDefault(&o.ConfirmTimeout, DefaultConfirmTimeout)
	setDefault(&o.Heartbeat, DefaultHeartbeat)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

func setDefault[T int | time.Duration](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}

func (o *Options) validate() error {
	var errs []error
	if len(o.URLs) == 0 {
		errs = append(errs, errors.New("no URL of a broker"))
	}
	if o.Prefetch < 1 || o.Prefetch > math.MaxUint16 {
		errs = append(errs, fmt.Errorf("a prefetch of %d is not in 1 to %d", o.Prefetch, math.MaxUint16))
	}
	if o.OutboxMaxBytes < 0 || o.OutboxMaxAge < 0 || o.ConfirmTimeout < 0 {
		errs = append(errs, errors.New("a bound of the outbox is negative"))
	}
	if o.ConnectTimeout < 0 {
		errs = append(errs, fmt.Errorf("a connect timeout of %v is negative", o.ConnectTimeout))
	}
	if o.QueueExpires < time.Millisecond || o.QueueExpires > math.MaxInt32*time.Millisecond {
		errs = append(errs, fmt.Errorf("a queue cannot expire after %v", o.QueueExpires))
	}
	if o.Heartbeat < time.Second {
		errs = append(errs, fmt.Errorf("a heartbeat of %v is less than a second", o.Heartbeat))
	}
	return errors.Join(errs...)
}
