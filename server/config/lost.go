package config

import "strings"

// warnLost warns of Spring keys whose loss is noticed: by clients, or by somebody on the way to Redis or RabbitMQ.
func (l *loader) warnLost(e entry) {
	switch path := uniform(e.path); path {
	case "server.ssl.keystore", "server.ssl.certificate", "server.ssl.bundle":
		l.warnf("%v: %s is ignored, this server speaks no TLS: put a proxy in front of it", e.at, e.path)
	case "server.servlet.contextpath":
		if e.raw != "/" && e.raw != "" && e.raw != nil {
			l.warnf("%v: %s is ignored, paths begin at /: write the whole path into websocket.endpoint", e.at, e.path)
		}
	case "spring.data.redis.ssl.bundle", "spring.rabbitmq.ssl.bundle", "spring.rabbitmq.ssl.keystore", "spring.rabbitmq.ssl.truststore":
		l.warnf("%v: %s is ignored: give the certificates as PEM files in cluster.tls-ca-file, cluster.tls-cert-file and cluster.tls-key-file", e.at, e.path)
	case "spring.rabbitmq.ssl.validateservercertificate", "spring.rabbitmq.ssl.verifyhostname":
		if text, ok := e.raw.(string); ok && strings.EqualFold(text, "false") {
			l.warnf("%v: %s is ignored, certificates are verified: see cluster.tls-ca-file and cluster.tls-server-name", e.at, e.path)
		}
	}
}

// warnRenamed warns of keys of earlier versions of Spring Boot that a Spring Boot 3 application does not read either.
func (l *loader) warnRenamed(e entry) bool {
	now := ""
	path := uniform(e.path)
	if rest, ok := strings.CutPrefix(path, "spring.redis."); ok && rest != "ssl" {
		if s := lookup("spring.data.redis." + rest); s != nil {
			now = s.key
		}
	} else if path == "spring.redis.ssl" || path == "spring.data.redis.ssl" {
		now = "spring.data.redis.ssl.enabled"
	}
	if now == "" {
		return false
	}
	l.warnf("%v: %s is ignored, since Spring Boot 3 it is %s", e.at, e.path, now)
	return true
}
