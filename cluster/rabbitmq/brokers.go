package rabbitmq

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"carillon/cluster"
)

// brokers are the nodes of the broker, one of which is enough.
type brokers struct {
	urls           []string
	hosts          []string
	tls            *tls.Config
	heartbeat      time.Duration
	connectTimeout time.Duration
	writeTimeout   time.Duration
}

// dialer connects for one purpose. One goroutine at a time.
type dialer struct {
	*brokers
	name string // shown in the broker's list of connections
	next int    // which of the URLs to try first
}

func newBrokers(o *Options) (*brokers, error) {
	b := &brokers{urls: o.URLs, tls: o.TLS, heartbeat: o.Heartbeat, connectTimeout: o.ConnectTimeout, writeTimeout: o.ConfirmTimeout}
	for i, url := range o.URLs {
		uri, err := amqp.ParseURI(url)
		if err != nil {
			// The parser's error shows the URL, and so its password.
			return nil, fmt.Errorf("URL %d of the broker is not an amqp or amqps URL; "+
				"reserved characters in user and password have to be percent-encoded", i+1)
		}
		b.hosts = append(b.hosts, net.JoinHostPort(uri.Host, strconv.Itoa(uri.Port)))
	}
	return b, nil
}

// dial connects to the first broker that answers, beginning with the one after that
// of the last dial: when there is another dial, that one has not lasted. Errors wrap
// [cluster.ErrAway].
func (d *dialer) dial(ctx context.Context) (*link, error) {
	var errs []error
	for range d.urls {
		i := d.next
		d.next = (i + 1) % len(d.urls)
		l, err := d.dialOne(ctx, d.urls[i], d.name)
		if err == nil {
			return l, nil
		}
		errs = append(errs, fmt.Errorf("%s: %w", d.hosts[i], err))
		if ctx.Err() != nil {
			break
		}
	}
	return nil, fmt.Errorf("%w: %w", cluster.ErrAway, errors.Join(errs...))
}

// again makes the next dial begin with the broker of the last one, which answered.
func (d *dialer) again() { d.next = (d.next + len(d.urls) - 1) % len(d.urls) }

func (b *brokers) dialOne(ctx context.Context, url, name string) (*link, error) {
	l := &link{}
	var stop func() bool
	config := amqp.Config{
		Heartbeat:  b.heartbeat,
		Properties: amqp.NewConnectionProperties(),
		Dial: func(network, address string) (net.Conn, error) {
			d := net.Dialer{Timeout: b.connectTimeout}
			conn, err := d.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			// Ended when AMQP is open.
			if err := conn.SetDeadline(time.Now().Add(b.connectTimeout)); err != nil {
				conn.Close()
				return nil, err
			}
			l.socket = &socket{Conn: conn, timeout: b.writeTimeout}
			stop = context.AfterFunc(ctx, l.cut)
			return l.socket, nil
		},
	}
	config.Properties.SetClientConnectionName(name)
	if b.tls != nil {
		config.TLSClientConfig = b.tls.Clone() // the driver sets the server name in it
	}
	conn, err := amqp.DialConfig(url, config)
	if stop != nil && !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		if l.socket != nil {
			l.cut()
		}
		return nil, err
	}
	l.Connection = conn
	return l, nil
}
