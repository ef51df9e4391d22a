package services

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// RabbitOptions says what kind of broker StartRabbitMQ starts. The zero value is one
// with the user guest on a free port, without TLS.
type RabbitOptions struct {
	// Port to listen on; 0 takes a free one.
	Port int
	// User and Password of the administrator; empty means guest and guest.
	User, Password string
	// TLS takes TLS connections only, with a certificate made for the occasion.
	TLS bool
	// Management serves the pages and the HTTP API of the management plugin on
	// another free port, for people. A broker with it starts and stops later.
	Management bool
	// Schedulers is how many cores the broker can use; 0 means one. It starts
	// soonest with one.
	Schedulers int
}

// RabbitMQ is a private broker of one node. Any goroutine.
type RabbitMQ struct {
	server
	options RabbitOptions
	tls     *tls.Config
	home    rabbitHome
	mapper  *process // the broker's own port mapper (epmd)

	port, distribution, mapperPort, management int
}

// StartRabbitMQ starts a broker and waits until it takes connections: about four
// seconds of one core.
func StartRabbitMQ(ctx context.Context, o RabbitOptions) (*RabbitMQ, error) {
	if o.User == "" {
		o.User = "guest"
	}
	if o.Password == "" {
		o.Password = "guest"
	}
	o.Schedulers = max(o.Schedulers, 1)
	for try := 1; ; try++ {
		r, err := startRabbitOnce(ctx, o)
		if err == nil || o.Port != 0 || try == startTries || !collided(err) {
			return r, err
		}
	}
}

func startRabbitOnce(ctx context.Context, o RabbitOptions) (_ *RabbitMQ, err error) {
	if err := install(ctx, rabbitServer); err != nil {
		return nil, err
	}
	home, err := findRabbit()
	if err != nil {
		return nil, err
	}
	work, err := newWorkspace()
	if err != nil {
		return nil, err
	}
	r := &RabbitMQ{options: o, home: home, port: o.Port}
	r.work, r.limit, r.ready, r.spec = work, rabbitStartLimit, r.greeted, r.command
	r.log = &logFile{path: work.file("rabbitmq.log"), secrets: []string{o.Password}}
	if o.Password == o.User {
		r.log.secrets = nil // guest is a word of the log
	}
	defer func() {
		if err != nil {
			_ = r.Stop(false)
		}
	}()
	if path := r.controlPath(); len(path) > maxControlPath {
		return nil, fmt.Errorf("path %s is too long for a socket, set TMPDIR", path)
	}
	wanted := []*int{&r.distribution, &r.mapperPort}
	if r.port == 0 {
		wanted = append(wanted, &r.port)
	}
	if o.Management {
		wanted = append(wanted, &r.management)
	}
	for _, port := range wanted {
		if *port, err = takePort(); err != nil {
			return nil, err
		}
		r.ports = append(r.ports, *port)
	}
	if o.TLS {
		if r.tls, err = writeCertificates(work); err != nil {
			return nil, err
		}
	}
	if err := r.writeFiles(); err != nil {
		return nil, err
	}
	if err := r.startMapper(ctx); err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.start(ctx); err != nil {
		return nil, err
	}
	if !r.mapper.running() {
		// It ends without a word when something else listens there.
		return nil, fmt.Errorf("epmd: %w", errPortTaken)
	}
	return r, nil
}

// startMapper starts the port mapper of Erlang. A broker that finds none starts one
// that outlives it and serves everybody on the machine.
func (r *RabbitMQ) startMapper(ctx context.Context) error {
	p, err := spawn(command{
		path: r.home.epmd,
		args: []string{"-port", strconv.Itoa(r.mapperPort), "-address", Host},
		dir:  r.work.path,
		env:  r.environment(),
		log:  r.log,
	})
	if err != nil {
		return err
	}
	r.mapper = p
	return p.await(ctx, r.limit, func(ctx context.Context) error { return listens(ctx, address(r.mapperPort)) })
}

func (r *RabbitMQ) command() (command, error) {
	// A socket that was left by a killed broker would be in the way.
	if err := os.Remove(r.controlPath()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return command{}, err
	}
	return command{
		path: r.home.script,
		args: []string{"-eval", controlProgram},
		env:  r.environment(),
		dir:  r.work.path,
	}, nil
}

// greeted checks that the broker takes AMQP connections, and that it is the one
// started here: the socket is its own.
func (r *RabbitMQ) greeted(ctx context.Context, _ *process) error {
	if err := r.eval(ctx, "true.", nil); err != nil {
		return err
	}
	c, err := r.dial(ctx, "/")
	if err != nil {
		return err
	}
	return c.Close()
}

// dial opens an AMQP connection. Errors have no secrets.
func (r *RabbitMQ) dial(ctx context.Context, vhost string) (*amqp.Connection, error) {
	return amqp.DialConfig(r.URL(vhost), amqp.Config{
		TLSClientConfig: r.TLS(),
		Dial: func(network, addr string) (net.Conn, error) {
			d := net.Dialer{Timeout: 10 * time.Second}
			c, err := d.DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return c, c.SetDeadline(time.Now().Add(10 * time.Second))
		},
	})
}

// Addr returns host:port.
func (r *RabbitMQ) Addr() string { return address(r.port) }

// Port returns the port.
func (r *RabbitMQ) Port() int { return r.port }

// URL returns amqp://user:password@host:port/vhost, or amqps:// for TLS.
func (r *RabbitMQ) URL(vhost string) string {
	scheme := "amqp"
	if r.tls != nil {
		scheme = "amqps"
	}
	return scheme + "://" + url.UserPassword(r.options.User, r.options.Password).String() + "@" + r.Addr() + "/" + url.PathEscape(vhost)
}

// ManagementURL returns where the pages of the management plugin are, "" without it.
func (r *RabbitMQ) ManagementURL() string {
	if r.management == 0 {
		return ""
	}
	return "http://" + address(r.management) + "/"
}

// User returns the name of the administrator.
func (r *RabbitMQ) User() string { return r.options.User }

// Password returns the password of the administrator.
func (r *RabbitMQ) Password() string { return r.options.Password }

// TLS returns the configuration of a client that trusts the broker, nil without TLS.
func (r *RabbitMQ) TLS() *tls.Config {
	if r.tls == nil {
		return nil
	}
	return r.tls.Clone()
}

// CAFile returns the path of the authority's certificate, of a broker with TLS.
func (r *RabbitMQ) CAFile() string { return r.work.file(caFile) }

// Restart ends the broker, if it runs, and starts it on the same ports: with its
// virtual hosts, durable queues and persistent messages, or as new.
func (r *RabbitMQ) Restart(ctx context.Context, keepData bool) error {
	return r.restart(ctx, func() error {
		if keepData {
			return nil
		}
		return emptyDir(r.work.file("mnesia"))
	})
}

// Stop ends the broker, by SIGTERM or at once, and removes everything of it.
func (r *RabbitMQ) Stop(graceful bool) error {
	err := r.stop(graceful)
	if r.mapper != nil {
		r.mapper.kill()
	}
	return err
}

func (r *RabbitMQ) controlPath() string { return r.work.file("control") }
