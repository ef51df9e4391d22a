package services

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// RedisOptions says what kind of server StartRedis starts. The zero value is one
// without a password, TLS and persistence, on a free port.
type RedisOptions struct {
	// Port to listen on; 0 takes a free one.
	Port int
	// User is a user of the ACL who may do everything; then the default user may
	// do nothing. Empty means the default user.
	User string
	// Password of the user. Empty, for the default user, means none.
	Password string
	// TLS takes TLS connections only, with a certificate made for the occasion.
	TLS bool
	// AppendOnly writes every change to the disk, so that data outlives Kill.
	AppendOnly bool
	// Lines are further lines of redis.conf.
	Lines []string
}

// Redis is a private redis-server. Any goroutine.
type Redis struct {
	server
	options RedisOptions
	port    int
	tls     *tls.Config
	mode    string // "--sentinel" or ""
}

// StartRedis starts a redis-server and waits until it answers.
func StartRedis(ctx context.Context, o RedisOptions) (*Redis, error) {
	return startRedis(ctx, o, "")
}

func startRedis(ctx context.Context, o RedisOptions, mode string) (*Redis, error) {
	for try := 1; ; try++ {
		r, err := startRedisOnce(ctx, o, mode)
		if err == nil || o.Port != 0 || try == startTries || !collided(err) {
			return r, err
		}
	}
}

func startRedisOnce(ctx context.Context, o RedisOptions, mode string) (_ *Redis, err error) {
	if err := install(ctx, redisServer); err != nil {
		return nil, err
	}
	path, err := findProgram(redisServer)
	if err != nil {
		return nil, err
	}
	work, err := newWorkspace()
	if err != nil {
		return nil, err
	}
	r := &Redis{options: o, port: o.Port, mode: mode}
	r.work, r.limit, r.ready = work, redisStartLimit, r.ping
	r.log = &logFile{path: work.file("redis.log"), secrets: []string{o.Password}}
	defer func() {
		if err != nil {
			_ = r.stop(false)
		}
	}()
	if r.port == 0 {
		if r.port, err = takePort(); err != nil {
			return nil, err
		}
		r.ports = []int{r.port}
	}
	if o.TLS {
		if r.tls, err = writeCertificates(work); err != nil {
			return nil, err
		}
	}
	data := work.file("data")
	if err := emptyDir(data); err != nil {
		return nil, err
	}
	conf := work.file("redis.conf")
	if err := os.WriteFile(conf, []byte(r.config(data)), 0o600); err != nil {
		return nil, err
	}
	r.spec = func() (command, error) {
		args := []string{conf}
		if mode != "" {
			args = append(args, mode)
		}
		return command{path: path, args: args, dir: data}, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r, r.start(ctx)
}

// config returns the redis.conf. Passwords stand there, not in the arguments.
func (r *Redis) config(data string) string {
	o := r.options
	lines := []string{"bind " + Host, "dir " + data, "daemonize no", `logfile ""`, "loglevel notice"}
	if r.mode == "" {
		// What is written before the answer outlives the process without an fsync;
		// with one a second, writes may wait for it.
		lines = append(lines, `save ""`, "appendonly "+yesNo(o.AppendOnly), "appendfsync no")
	}
	if o.TLS {
		lines = append(lines,
			"port 0", "tls-port "+strconv.Itoa(r.port), "tls-auth-clients no",
			"tls-ca-cert-file "+r.work.file(caFile),
			"tls-cert-file "+r.work.file(certificateFile), "tls-key-file "+r.work.file(keyFile))
	} else {
		lines = append(lines, "port "+strconv.Itoa(r.port))
	}
	switch {
	case o.User != "":
		lines = append(lines, "user default off", fmt.Sprintf("user %s on >%s allkeys allchannels allcommands", o.User, o.Password))
	case o.Password != "":
		lines = append(lines, "requirepass "+o.Password)
	}
	return strings.Join(append(lines, o.Lines...), "\n") + "\n"
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// Addr returns host:port.
func (r *Redis) Addr() string { return address(r.port) }

// Port returns the port.
func (r *Redis) Port() int { return r.port }

// URL returns redis://user:password@host:port, or rediss:// for TLS.
func (r *Redis) URL() string {
	u := url.URL{Scheme: "redis", Host: r.Addr()}
	if r.tls != nil {
		u.Scheme = "rediss"
	}
	if r.options.User != "" || r.options.Password != "" {
		u.User = url.UserPassword(r.options.User, r.options.Password)
	}
	return u.String()
}

// TLS returns the configuration of a client that trusts the server, nil without
// TLS.
func (r *Redis) TLS() *tls.Config {
	if r.tls == nil {
		return nil
	}
	return r.tls.Clone()
}

// CAFile returns the path of the authority's certificate, of a server with TLS.
func (r *Redis) CAFile() string { return r.work.file(caFile) }

// Client returns a client of this one server. The caller closes it.
func (r *Redis) Client() *redis.Client {
	return redis.NewClient(&redis.Options{
		Addr: r.Addr(), Username: r.options.User, Password: r.options.Password, TLSConfig: r.TLS(),
		// What is away is to be seen as away, at once.
		MaxRetries: -1, DialTimeout: 5 * time.Second, DialerRetries: 1, ContextTimeoutEnabled: true,
	})
}

// Restart ends the server, if it runs, and starts it on the same port: with its
// data (what AppendOnly has kept), or with none.
func (r *Redis) Restart(ctx context.Context, keepData bool) error {
	return r.restart(ctx, func() error {
		if keepData {
			return nil
		}
		return emptyDir(r.work.file("data"))
	})
}

// Wipe removes all keys of all databases.
func (r *Redis) Wipe(ctx context.Context) error {
	c := r.Client()
	defer func() { _ = c.Close() }()
	return c.FlushAll(ctx).Err()
}

// Stop ends the server, by SIGTERM or at once, and removes everything of it.
func (r *Redis) Stop(graceful bool) error { return r.stop(graceful) }

// ping checks that the server answers, and that it is the one started here.
func (r *Redis) ping(ctx context.Context, p *process) error {
	// What listens there may be another server, which never answers.
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	// The client logs every refused connection.
	if err := listens(ctx, r.Addr()); err != nil {
		return err
	}
	c := r.Client()
	defer func() { _ = c.Close() }()
	if err := c.Ping(ctx).Err(); err != nil {
		return err
	}
	info, err := c.Info(ctx, "server").Result()
	if err != nil {
		return err
	}
	if !strings.Contains(info, "process_id:"+strconv.Itoa(p.pid())+"\r\n") {
		return fmt.Errorf("another server answers at %s", r.Addr())
	}
	return nil
}
