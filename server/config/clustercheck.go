package config

import (
	"net/url"
	"strconv"
	"strings"
	"time"
)

// redis checks spring.data.redis.
func (v *validator) redis() {
	const prefix = "spring.data.redis."
	c := &v.c.Redis
	v.host(prefix+"host", c.Host)
	if c.URL != "" {
		v.redisURL(prefix+"url", c.URL)
	}
	v.nodes(prefix+"sentinel.nodes", c.Sentinel.Nodes)
	v.nodes(prefix+"cluster.nodes", c.Cluster.Nodes)
	if (c.Sentinel.Master != "") != (len(c.Sentinel.Nodes) > 0) {
		v.add(prefix+"sentinel.master", prefix+"sentinel.master and "+prefix+"sentinel.nodes belong together", "both or none", prefix+"sentinel.nodes")
	}
	if len(c.Cluster.Nodes) == 0 {
		return
	}
	if len(c.Sentinel.Nodes) > 0 {
		v.add(prefix+"cluster.nodes", prefix+"sentinel.nodes is given too", "one of the two")
	}
	if v.readable(prefix+"database") && c.Database != 0 {
		v.add(prefix+"database", "a Redis Cluster has no other database", "0 with "+prefix+"cluster.nodes")
	}
}

// redisURL checks a URL; its path may name the database.
func (v *validator) redisURL(key, text string) {
	const allowed = "redis://user:password@host:port or rediss://..."
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "redis" && u.Scheme != "rediss" || u.Hostname() == "" {
		v.add(key, "not the URL of a Redis server", allowed)
		return
	}
	if path := strings.Trim(u.Path, "/"); path != "" {
		if n, err := strconv.Atoi(path); err != nil || n < 0 {
			v.add(key, "what stands behind the host is not the number of a database", allowed)
		}
	}
}

// rabbitMQ checks spring.rabbitmq.
func (v *validator) rabbitMQ() {
	v.host("spring.rabbitmq.host", v.c.RabbitMQ.Host)
	if beat := v.c.RabbitMQ.RequestedHeartbeat; beat > 0 && beat < time.Second {
		v.add("spring.rabbitmq.requested-heartbeat", "AMQP counts it in seconds", "1s or more, or 0")
	}
	for _, a := range v.c.RabbitMQ.Addresses {
		const key = "spring.rabbitmq.addresses"
		if u, err := url.Parse(a); err == nil && (u.Scheme == "amqp" || u.Scheme == "amqps") && u.Hostname() != "" {
			continue
		}
		address := a[strings.LastIndexByte(a, '@')+1:]
		if !strings.Contains(address, ":") {
			address += ":5672" // Spring lets the port be left out here
		}
		if err := hostPort(address, false); err != nil {
			v.addValue(key, maskURL(a), err.Error(), "host, host:port or amqp://user:password@host:port/vhost")
		}
	}
}

// host checks a host that has its port in another setting. Somebody may have put a URL with a password there.
func (v *validator) host(key, host string) {
	if strings.ContainsAny(host, "/@[] ") || strings.Contains(host, ":") && !isIP(host) {
		v.addValue(key, maskURL(host), "not a host", "a host name or an IP address, without a port")
	}
}

func (v *validator) nodes(key string, list []string) {
	for _, n := range list {
		if err := hostPort(n, false); err != nil {
			v.addValue(key, maskURL(n), err.Error(), "host:port")
		}
	}
}

// clusterTLS reads the files that TLS to Redis and RabbitMQ needs.
func (v *validator) clusterTLS() {
	c := &v.c.Cluster
	if c.TLSCAFile != "" {
		if _, err := readAuthorities(c.TLSCAFile); err != nil {
			v.add("cluster.tls-ca-file", err.Error(), "a PEM file with certificates")
		}
	}
	if (c.TLSCertFile == "") != (c.TLSKeyFile == "") {
		v.add("cluster.tls-cert-file", "cluster.tls-cert-file and cluster.tls-key-file belong together", "both or none", "cluster.tls-key-file")
		return
	}
	if c.TLSCertFile != "" {
		if key, err := checkKeyPair(c.TLSCertFile, c.TLSKeyFile); err != nil {
			v.add(key, err.Error(), "PEM files with a certificate and its private key")
		}
	}
}
