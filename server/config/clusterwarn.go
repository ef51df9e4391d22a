package config

import "strings"

// warnCluster adds the warnings about a cluster that can run, but hardly as it was meant.
func (l *loader) warnCluster() {
	c := &l.loaded.Config
	redis, rabbit := c.PresenceKind() == string(PresenceRedis), c.BusKind() == string(BusRabbitMQ)
	l.warnUnused("spring.data.redis", "cluster.presence", string(PresenceRedis), redis, c.Redis.addressed())
	l.warnUnused("spring.rabbitmq", "cluster.bus", string(BusRabbitMQ), rabbit, c.RabbitMQ.addressed())
	switch {
	case redis && !rabbit:
		l.warnf("there is a Redis, but no RabbitMQ: users of all nodes are counted and found, but no push and no kick reaches another node; set spring.rabbitmq.host or spring.rabbitmq.addresses")
	case rabbit && !redis:
		l.warnf("there is a RabbitMQ, but no Redis: every push goes to every node, and only the users of this node are counted and found; set spring.data.redis.host or spring.data.redis.url")
	}
	if redis && c.Redis.Database != 0 && c.Redis.DatabaseNumber() != c.Redis.Database {
		l.warnf("%v: spring.data.redis.database is not used, as with Spring Boot: spring.data.redis.url names the database, here %d", l.loaded.Origins["spring.data.redis.database"], c.Redis.DatabaseNumber())
	}
	// A renewal is tried for three times as long, see cluster/redis.
	if redis && 3*c.Redis.Timeout > c.Cluster.Lease {
		l.warnf("%v: spring.data.redis.timeout (%s) is more than a third of cluster.lease (%s): a Redis that hangs can cost this node its lease",
			l.origin("spring.data.redis.timeout", "cluster.lease"), FormatDuration(c.Redis.Timeout), FormatDuration(c.Cluster.Lease))
	}
	l.warnTLS(redis && c.Redis.TLS() || rabbit && c.RabbitMQ.TLS())
}

// warnUnused warns of a section that is configured and not used.
func (l *loader) warnUnused(prefix, chooser, kind string, used, addressed bool) {
	switch {
	case used:
	case addressed:
		l.warnf("%v: %s is not %s, so that %s is not used", l.loaded.Origins[chooser], chooser, kind, prefix)
	case l.changed(prefix):
		l.warnf("%s is configured, but has no address and is not used: set %s.host, or %s=%s for localhost", prefix, prefix, chooser, kind)
	}
}

// warnTLS warns of TLS that protects nothing.
func (l *loader) warnTLS(used bool) {
	switch c := &l.loaded.Config.Cluster; {
	case !used && (c.TLSCAFile != "" || c.TLSCertFile != "" || c.TLSServerName != ""):
		l.warnf("%v: neither Redis nor RabbitMQ is connected to by TLS: set spring.data.redis.ssl.enabled and spring.rabbitmq.ssl.enabled, or use rediss:// and amqps:// addresses",
			l.origin("cluster.tls-ca-file", "cluster.tls-cert-file", "cluster.tls-server-name"))
	case c.TLSInsecureSkipVerify:
		l.warnf("%v: cluster.tls-insecure-skip-verify takes any certificate: anyone between this node and Redis or RabbitMQ can read and change everything", l.loaded.Origins["cluster.tls-insecure-skip-verify"])
	}
}

// origin is where the first of the settings was given that was.
func (l *loader) origin(keys ...string) Origin {
	for _, key := range keys {
		if o := l.loaded.Origins[key]; o.Source != SourceDefault {
			return o
		}
	}
	return Origin{}
}

// changed tells whether a setting under prefix has another value than its default, which the file of [WriteYAML] gives too.
func (l *loader) changed(prefix string) bool {
	preset := Default()
	for _, s := range settings {
		if strings.HasPrefix(s.key, prefix+".") && strings.Join(s.texts(&l.loaded.Config), ",") != strings.Join(s.texts(&preset), ",") {
			return true
		}
	}
	return false
}
