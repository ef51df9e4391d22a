package server

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"carillon/cluster"
	"carillon/cluster/local"
	"carillon/cluster/rabbitmq"
	"carillon/cluster/redis"
	"carillon/server/config"
)

// forgetTimeout bounds how long a survivor tries to remove the queue of a dead node.
const forgetTimeout = 10 * time.Second

// openCluster returns the Presence and the Bus that the configuration names, or
// those of the Options. They connect to nothing before the server runs.
func (s *Server) openCluster() (p cluster.Presence, b cluster.Bus, err error) {
	p, b = local.New()
	switch {
	case s.opt.Bus != nil:
		b = s.opt.Bus
	case s.cfg.BusKind() == "rabbitmq":
		var opt rabbitmq.Options
		if opt, err = rabbitOptions(&s.cfg); err == nil {
			opt.Logger = s.log
			b, err = rabbitmq.New(opt)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("spring.rabbitmq: %w", err)
		}
	}
	switch {
	case s.opt.Presence != nil:
		p = s.opt.Presence
	case s.cfg.PresenceKind() == "redis":
		var opt redis.Options
		if opt, err = redisOptions(&s.cfg); err == nil {
			opt.Logger = s.log
			opt.OnDead = func(node string) {
				ctx, cancel := context.WithTimeout(context.Background(), forgetTimeout)
				defer cancel()
				if err := b.Forget(ctx, node); err != nil {
					s.warn.cluster.log("queue of a dead node not removed, it expires by itself", "node", node, "err", err)
				}
			}
			p, err = redis.New(opt)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("spring.data.redis: %w", err)
		}
	}
	return p, b, nil
}

// redisOptions is the configuration in the terms of cluster/redis.
func redisOptions(cfg *config.Config) (redis.Options, error) {
	r, c := &cfg.Redis, &cfg.Cluster
	opt := redis.Options{
		ClientName: r.ClientName, DB: r.DatabaseNumber(), Username: r.Username, Password: r.Password,
		SentinelUsername: r.Sentinel.Username, SentinelPassword: r.Sentinel.Password,
		DialTimeout: r.ConnectTimeout, Timeout: r.Timeout,
		Lease: c.Lease, ReconcileInterval: c.ReconcileInterval, RefreshInterval: c.HeartbeatRefresh,
		CacheTTL: c.CacheTTL, MaxPending: c.MaxPendingChanges, Reference: redis.Reference(c.ReferenceNodes),
	}
	if opt.CacheTTL == 0 {
		opt.CacheTTL = -1 // where 0 is the default
	}
	host := ""
	switch {
	case len(r.Sentinel.Nodes) > 0:
		opt.Addrs, opt.MasterName = r.Sentinel.Nodes, r.Sentinel.Master
	case len(r.Cluster.Nodes) > 0:
		opt.Addrs, opt.Cluster = r.Cluster.Nodes, true
	case r.URL != "":
		u, err := url.Parse(r.URL)
		if err != nil {
			return opt, fmt.Errorf("url: not a URL") // the error itself would show the password
		}
		host = u.Hostname()
		opt.Addrs = []string{net.JoinHostPort(host, orDefault(u.Port(), "6379"))}
		var both bool
		opt.Username = u.User.Username()
		if opt.Password, both = u.User.Password(); !both { // without a colon it is the password, as for Spring Boot
			opt.Username, opt.Password = "", opt.Username
		}
	default:
		host = orDefault(r.Host, "localhost")
		opt.Addrs = []string{net.JoinHostPort(host, strconv.Itoa(r.Port))}
	}
	if r.TLS() {
		var err error
		if opt.TLSConfig, err = cfg.ClusterTLS(host); err != nil {
			return opt, err
		}
	}
	return opt, nil
}

// rabbitOptions is the configuration in the terms of cluster/rabbitmq.
func rabbitOptions(cfg *config.Config) (rabbitmq.Options, error) {
	r, c := &cfg.RabbitMQ, &cfg.Cluster
	opt := rabbitmq.Options{
		Prefetch: c.Prefetch, OutboxMaxBytes: int(c.OutboxMaxBytes), OutboxMaxAge: c.OutboxMaxAge,
		QueueExpires: c.QueueExpires, Heartbeat: r.RequestedHeartbeat, ConnectTimeout: r.ConnectionTimeout,
	}
	addresses := r.Addresses
	if len(addresses) == 0 {
		addresses = []string{net.JoinHostPort(orDefault(r.Host, "localhost"), strconv.Itoa(r.Port))}
	}
	for _, a := range addresses {
		u, err := brokerURL(r, a)
		if err != nil {
			return opt, err
		}
		opt.URLs = append(opt.URLs, u.String())
	}
	if r.TLS() {
		tlsConfig, err := cfg.ClusterTLS("")
		if err != nil {
			return opt, err
		}
		opt.TLS = tlsConfig
	}
	return opt, nil
}

// brokerURL completes the address of a broker: host, host:port or a URL, of which
// the parts that are missing come from the settings beside it, as in Spring Boot.
func brokerURL(r *config.RabbitMQ, address string) (*url.URL, error) {
	u := &url.URL{Scheme: "amqp", Host: address}
	if strings.Contains(address, "://") {
		var err error
		if u, err = url.Parse(address); err != nil {
			return nil, fmt.Errorf("addresses: not a URL") // the error itself would show the password
		}
	} else if user, host, ok := strings.Cut(address, "@"); ok {
		name, password, _ := strings.Cut(user, ":")
		u.User, u.Host = url.UserPassword(name, password), host
	}
	if r.SSL.Enabled {
		u.Scheme = "amqps"
	}
	port := "5672"
	if u.Scheme == "amqps" {
		port = "5671"
	}
	if u.Port() == "" {
		u.Host = net.JoinHostPort(strings.Trim(u.Hostname(), "[]"), port)
	}
	if u.User == nil {
		u.User = url.UserPassword(r.Username, r.Password)
	}
	if u.Path == "" {
		u.Path, u.RawPath = "/"+r.VirtualHost, "/"+url.PathEscape(r.VirtualHost)
	}
	return u, nil
}

func orDefault(s, preset string) string {
	if s == "" {
		return preset
	}
	return s
}
