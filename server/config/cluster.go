package config

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// PresenceKind is what cluster.presence comes to: "local" or "redis".
func (c *Config) PresenceKind() string {
	if c.Cluster.Presence == PresenceAuto {
		if c.Redis.addressed() {
			return string(PresenceRedis)
		}
		return string(PresenceLocal)
	}
	return string(c.Cluster.Presence)
}

// BusKind is what cluster.bus comes to: "local" or "rabbitmq".
func (c *Config) BusKind() string {
	if c.Cluster.Bus == BusAuto {
		if c.RabbitMQ.addressed() {
			return string(BusRabbitMQ)
		}
		return string(BusLocal)
	}
	return string(c.Cluster.Bus)
}

// addressed tells whether a server is named. A port alone names none: it has a default.
func (r *Redis) addressed() bool {
	return r.Host != "" || r.URL != "" || len(r.Sentinel.Nodes) > 0 || len(r.Cluster.Nodes) > 0
}

// addressed tells whether a broker is named.
func (r *RabbitMQ) addressed() bool { return r.Host != "" || len(r.Addresses) > 0 }

// byURL tells whether it is the URL that counts: Sentinels and the nodes of a Redis Cluster win over it.
func (r *Redis) byURL() bool {
	return r.URL != "" && len(r.Sentinel.Nodes) == 0 && len(r.Cluster.Nodes) == 0
}

// TLS tells whether Redis is reached by TLS.
func (r *Redis) TLS() bool {
	return r.SSL.Enabled || r.byURL() && hasScheme(r.URL, "rediss")
}

// DatabaseNumber is the database in use. A URL that names none stands for 0, as for Spring Boot 3.5, whatever
// spring.data.redis.database says: else the nodes of a mixed cluster would not find each other.
func (r *Redis) DatabaseNumber() int {
	if !r.byURL() {
		return r.Database
	}
	u, err := url.Parse(r.URL)
	if err != nil {
		return 0
	}
	n, err := strconv.Atoi(strings.Trim(u.Path, "/"))
	if err != nil {
		return 0
	}
	return n
}

// TLS tells whether some broker is reached by TLS: every one with ssl.enabled, else those with an amqps:// address.
func (r *RabbitMQ) TLS() bool {
	return r.SSL.Enabled || slices.ContainsFunc(r.Addresses, func(a string) bool { return hasScheme(a, "amqps") })
}

// hasScheme compares as RFC 3986 section 3.1 has it, without regard to case.
func hasScheme(address, scheme string) bool {
	got, _, found := strings.Cut(address, "://")
	return found && strings.EqualFold(got, scheme)
}
