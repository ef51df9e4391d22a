package server

import (
	"slices"
	"strings"
	"testing"
	"time"

	"carillon/cluster/redis"
	"carillon/server/config"
)

func TestRedisOptions(t *testing.T) {
	for name, c := range map[string]struct {
		edit func(*config.Config)
		want func(o *redis.Options) bool
	}{
		"no address": {func(c *config.Config) { c.Cluster.Presence = config.PresenceRedis },
			func(o *redis.Options) bool {
				return slices.Equal(o.Addrs, []string{"localhost:6379"}) && o.TLSConfig == nil
			}},
		"host, port, user": {func(c *config.Config) {
			c.Redis.Host, c.Redis.Port, c.Redis.Username, c.Redis.Password, c.Redis.Database = "::1", 7000, "u", "p", 3
		}, func(o *redis.Options) bool {
			return o.Addrs[0] == "[::1]:7000" && o.Username == "u" && o.Password == "p" && o.DB == 3
		}},
		"url": {func(c *config.Config) {
			c.Redis.URL, c.Redis.Host, c.Redis.Password = "rediss://u:p%40x@redis.example/2", "ignored", "ignored"
		}, func(o *redis.Options) bool {
			return o.Addrs[0] == "redis.example:6379" && o.Username == "u" && o.Password == "p@x" && o.DB == 2 && o.TLSConfig.ServerName == "redis.example"
		}},
		"url with a password alone": {func(c *config.Config) { c.Redis.URL, c.Redis.Username = "redis://p%40x@h", "ignored" },
			func(o *redis.Options) bool { return o.Username == "" && o.Password == "p@x" }},
		"url with an empty user": {func(c *config.Config) { c.Redis.URL = "redis://:p@h" },
			func(o *redis.Options) bool { return o.Username == "" && o.Password == "p" }},
		"url with an empty password": {func(c *config.Config) { c.Redis.URL = "redis://u:@h" },
			func(o *redis.Options) bool { return o.Username == "u" && o.Password == "" }},
		"url without a user": {func(c *config.Config) { c.Redis.URL, c.Redis.Password = "redis://h", "ignored" },
			func(o *redis.Options) bool { return o.Username == "" && o.Password == "" }},
		"sentinel": {func(c *config.Config) {
			c.Redis.Sentinel = config.RedisSentinel{Master: "m", Nodes: []string{"a:1", "b:2"}, Password: "sp"}
			c.Redis.Password = "p"
		}, func(o *redis.Options) bool {
			return o.MasterName == "m" && len(o.Addrs) == 2 && o.SentinelPassword == "sp" && o.Password == "p" && !o.Cluster
		}},
		"cluster of one address": {func(c *config.Config) { c.Redis.Cluster.Nodes = []string{"a:1"} },
			func(o *redis.Options) bool { return o.Cluster && o.Addrs[0] == "a:1" }},
		"no cache": {func(c *config.Config) { c.Redis.Host, c.Cluster.CacheTTL = "a", 0 },
			func(o *redis.Options) bool { return o.CacheTTL < 0 }},
		"times": {func(c *config.Config) {
			c.Redis.Host, c.Cluster.Lease, c.Redis.Timeout = "a", 7*time.Second, 2*time.Second
		},
			func(o *redis.Options) bool { return o.Lease == 7*time.Second && o.Timeout == 2*time.Second }},
	} {
		cfg := config.Default()
		c.edit(&cfg)
		o, err := redisOptions(&cfg)
		if err != nil || !c.want(&o) {
			t.Errorf("%s: got %+v, %v", name, o, err)
		}
	}
}

func TestBrokerURLs(t *testing.T) {
	for name, c := range map[string]struct {
		edit func(*config.RabbitMQ)
		want string
	}{
		"no address":    {func(*config.RabbitMQ) {}, "amqp://guest:guest@localhost:5672/%2F"},
		"host and user": {func(r *config.RabbitMQ) { r.Host, r.Port, r.Username, r.Password = "rabbit", 5673, "u", "p@/" }, "amqp://u:p%40%2F@rabbit:5673/%2F"},
		"virtual host":  {func(r *config.RabbitMQ) { r.Host, r.VirtualHost = "rabbit", "/a b" }, "amqp://guest:guest@rabbit:5672/%2Fa%20b"},
		"addresses": {func(r *config.RabbitMQ) {
			r.Host, r.Addresses = "ignored", []string{"a", "b:1", "u:p@c", "amqp://x:y@d:2/v", "amqps://e", "[::1]:3"}
		}, "amqp://guest:guest@a:5672/%2F amqp://guest:guest@b:1/%2F amqp://u:p@c:5672/%2F amqp://x:y@d:2/v amqps://guest:guest@e:5671/%2F amqp://guest:guest@[::1]:3/%2F"},
		"ssl": {func(r *config.RabbitMQ) { r.Addresses, r.SSL.Enabled = []string{"a", "amqp://b:7"}, true }, "amqps://guest:guest@a:5671/%2F amqps://guest:guest@b:7/%2F"},
	} {
		cfg := config.Default()
		c.edit(&cfg.RabbitMQ)
		o, err := rabbitOptions(&cfg)
		if got := strings.Join(o.URLs, " "); err != nil || got != c.want {
			t.Errorf("%s: got %s, %v\nwant %s", name, got, err, c.want)
		}
		if (o.TLS != nil) != strings.Contains(c.want, "amqps") {
			t.Errorf("%s: TLS %v", name, o.TLS)
		}
	}
	cfg := config.Default()
	cfg.RabbitMQ.Addresses = []string{"amqp://u:secret@%zz"}
	if _, err := rabbitOptions(&cfg); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("a broken URL: %v", err)
	}
}
