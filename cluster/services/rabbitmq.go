package services

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
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
	for try := 1; ; try++ {
		r, err := startRabbitOnce(ctx, o)
		if err == nil || o.Port != 0 || try == startTries || !collided(err) {
			return r, err
		}
	}
}

func startRabbitOnce(ctx context.Context, o RabbitOptions) (_ *RabbitMQ, err error) {
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
	return r, r.start(ctx)
}

// startMapper starts the port mapper of Erlang. A broker that finds none starts one
// that outlives it and serves everybody on the machine.
func (r *RabbitMQ) startMapper(ctx context.Context) error {
	p, err := spawn(command{
		path: r.home.epmd,
		args: []string{"-port", strconv.Itoa(r.mapperPort), "-address", Host},
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

// User and Password return those of the administrator.
func (r *RabbitMQ) User() string { return r.options.User }

// Password returns that of User.
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

// rabbitHome is where the parts of RabbitMQ are.
type rabbitHome struct {
	script  string // runs the broker as the current user
	plugins string // "" when not found
	epmd    string
}

// environment is what the broker and its port mapper get: nothing that others have
// set for another broker.
func (r *RabbitMQ) environment() []string {
	env := os.Environ()[:0:0]
	for _, kv := range os.Environ() {
		switch name, _, _ := strings.Cut(kv, "="); {
		case strings.HasPrefix(name, "RABBITMQ_"), strings.HasPrefix(name, "ERL_"), name == "HOME", name == "NOTIFY_SOCKET":
		default:
			env = append(env, kv)
		}
	}
	set := func(name, value string) { env = append(env, name+"="+value) }
	w := r.work
	set("HOME", w.file("home")) // for the cookie
	set("ERL_EPMD_PORT", strconv.Itoa(r.mapperPort))
	set("ERL_EPMD_ADDRESS", Host)
	set("ERL_CRASH_DUMP", os.DevNull)
	set("RUNNING_UNDER_SYSTEMD", "true") // the script becomes the broker
	set("RABBITMQ_NODENAME", "rabbit@localhost")
	set("RABBITMQ_DIST_PORT", strconv.Itoa(r.distribution))
	set("RABBITMQ_CONF_ENV_FILE", os.DevNull)
	set("RABBITMQ_CONFIG_FILE", w.file("none"))
	set("RABBITMQ_ADVANCED_CONFIG_FILE", w.file("rabbitmq.config"))
	set("RABBITMQ_ENABLED_PLUGINS_FILE", w.file("enabled_plugins"))
	set("RABBITMQ_MNESIA_BASE", w.file("mnesia"))
	set("RABBITMQ_LOG_BASE", w.file("log"))
	set("RABBITMQ_LOGS", "-")
	// One scheduler and small tables: less to set up at the start.
	set("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "+S 1:1 +P 65536 +t 1048576 +zdbbl 1024 -kernel inet_dist_use_interface {127,0,0,1}")
	if r.home.plugins != "" {
		set("RABBITMQ_PLUGINS_DIR", w.file("plugins"))
	}
	set(controlVariable, r.controlPath())
	return env
}

// writeFiles writes the broker's configuration. It is in Erlang's terms, because the
// translation of a rabbitmq.conf takes a second.
func (r *RabbitMQ) writeFiles() error {
	w := r.work
	for _, dir := range []string{"home", "log", "mnesia"} {
		if err := os.Mkdir(w.file(dir), 0o700); err != nil {
			return err
		}
	}
	listener := fmt.Sprintf("{tcp_listeners, [{%q, %d}]}", Host, r.port)
	if r.tls != nil {
		listener = fmt.Sprintf("{tcp_listeners, []}, {ssl_listeners, [{%q, %d}]}, {ssl_options, [{cacertfile, %q}, {certfile, %q}, {keyfile, %q}, {verify, verify_none}]}",
			Host, r.port, w.file(caFile), w.file(certificateFile), w.file(keyFile))
	}
	config := fmt.Sprintf("[{rabbit, [%s, {default_user, %s}, {default_pass, %s}, {loopback_users, []}, {disk_free_limit, 1000000}]}",
		listener, erlangBinary(r.options.User), erlangBinary(r.options.Password))
	plugins := "[]."
	if r.management != 0 {
		plugins = "[rabbitmq_management]."
		config += fmt.Sprintf(", {rabbitmq_management, [{tcp_config, [{port, %d}, {ip, %q}]}]}", r.management, Host)
	}
	if err := errors.Join(
		os.WriteFile(w.file("rabbitmq.config"), []byte(config+"].\n"), 0o600),
		os.WriteFile(w.file("enabled_plugins"), []byte(plugins+"\n"), 0o600),
	); err != nil || r.home.plugins == "" {
		return err
	}
	return r.linkPlugins()
}

// linkPlugins makes a directory with the plugins that are used and what they stand
// on: a broker reads all those that it finds, which takes a second.
func (r *RabbitMQ) linkPlugins() error {
	dir := r.work.file("plugins")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	all, err := os.ReadDir(r.home.plugins)
	if err != nil {
		return err
	}
	for _, e := range all {
		name, _, _ := strings.Cut(e.Name(), "-")
		switch {
		case !strings.HasPrefix(name, "rabbitmq_"), name == "rabbitmq_prelaunch":
		case r.management != 0 && (name == "rabbitmq_management" || name == "rabbitmq_management_agent" || name == "rabbitmq_web_dispatch"):
		default:
			continue
		}
		if err := os.Symlink(filepath.Join(r.home.plugins, e.Name()), filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}
