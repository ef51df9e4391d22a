package config

import "testing"

func TestPresenceAndBusAreChosen(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change        func(*Config)
		presence, bus string
	}{
		"nothing":             {func(*Config) {}, "local", "local"},
		"ports alone":         {func(c *Config) { c.Redis.Port, c.RabbitMQ.Port = 1, 1 }, "local", "local"},
		"hosts":               {func(c *Config) { c.Redis.Host, c.RabbitMQ.Host = "h", "h" }, "redis", "rabbitmq"},
		"url and addresses":   {func(c *Config) { c.Redis.URL, c.RabbitMQ.Addresses = "redis://h", []string{"h"} }, "redis", "rabbitmq"},
		"sentinels":           {func(c *Config) { c.Redis.Sentinel.Nodes = []string{"h:1"} }, "redis", "local"},
		"nodes":               {func(c *Config) { c.Redis.Cluster.Nodes = []string{"h:1"} }, "redis", "local"},
		"local in spite of":   {func(c *Config) { c.Redis.Host, c.Cluster.Presence, c.Cluster.Bus = "h", PresenceLocal, BusLocal }, "local", "local"},
		"asked for by itself": {func(c *Config) { c.Cluster.Presence, c.Cluster.Bus = PresenceRedis, BusRabbitMQ }, "redis", "rabbitmq"},
	} {
		config := Default()
		c.change(&config)
		if p, b := config.PresenceKind(), config.BusKind(); p != c.presence || b != c.bus {
			t.Errorf("%s: got %s and %s, want %s and %s", name, p, b, c.presence, c.bus)
		}
	}
}

func TestRedisURLAndItsRivals(t *testing.T) {
	t.Parallel()
	sentinel, cluster := RedisSentinel{Nodes: []string{"h:1"}}, RedisCluster{Nodes: []string{"h:1"}}
	for _, c := range []struct {
		redis    Redis
		tls      bool
		database int
	}{
		{Redis{Host: "h", Database: 3}, false, 3},
		{Redis{Host: "h", SSL: RedisSSL{Enabled: true}}, true, 0},
		{Redis{URL: "redis://h", Database: 3}, false, 0},
		{Redis{URL: "REDISS://h/", Database: 3}, true, 0},
		{Redis{URL: "rediss://u:p@h:1/12?x=y"}, true, 12},
		{Redis{URL: "redis://h", SSL: RedisSSL{Enabled: true}}, true, 0},
		{Redis{URL: "rediss://h/12", Database: 3, Sentinel: sentinel}, false, 3},
		{Redis{URL: "rediss://h/12", Cluster: cluster}, false, 0},
		{Redis{URL: "redis://h:x:y"}, false, 0},
		{Redis{URL: "redis://h/x"}, false, 0},
	} {
		if got := c.redis.TLS(); got != c.tls {
			t.Errorf("%+v: got TLS %v, want %v", c.redis, got, c.tls)
		}
		if got := c.redis.DatabaseNumber(); got != c.database {
			t.Errorf("%+v: got database %d, want %d", c.redis, got, c.database)
		}
	}
}

func TestRabbitMQTLS(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rabbit RabbitMQ
		want   bool
	}{
		{RabbitMQ{Host: "amqps"}, false},
		{RabbitMQ{Addresses: []string{"amqp://h", "h"}}, false},
		{RabbitMQ{Addresses: []string{"h", "AMQPS://h"}}, true},
		{RabbitMQ{Host: "h", SSL: RabbitMQSSL{Enabled: true}}, true},
	} {
		if got := c.rabbit.TLS(); got != c.want {
			t.Errorf("%+v: got %v, want %v", c.rabbit, got, c.want)
		}
	}
}

// TestDurationUnit reads a number without a unit as Spring does for each key.
func TestDurationUnit(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]string{"spring.rabbitmq.requested-heartbeat": "30s", "spring.rabbitmq.connection-timeout": "30ms"} {
		for given, want := range map[string]string{"30": want, " 30 ": want, "30m": "30m"} {
			if key == "spring.rabbitmq.connection-timeout" && given == "30m" {
				continue // beyond its bound, which is checked elsewhere
			}
			c, s := Default(), lookup(key)
			if err := s.set(&c, given); err != nil || s.texts(&c)[0] != want {
				t.Errorf("%s: %q: got %s, %v, want %s", key, given, s.texts(&c)[0], err, want)
			}
		}
	}
}
