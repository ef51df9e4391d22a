package config

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"

	"carillon/codec"
)

// maxSocketPath is the longest path of a Unix socket that both Linux (107 bytes) and macOS (103) take.
const maxSocketPath = 103

// maxNodeID keeps a node id fit for a Redis key and for a queue name of RabbitMQ (255 bytes with its prefix).
const maxNodeID = 200

// reservedPaths are taken by pages and probes.
var reservedPaths = []string{"/websocket", "/healthz", "/readyz", "/metrics"}

// Validate checks every value and how they fit together. The error is of type [Errors] and holds everything that is wrong.
// [Load] has done it already.
func (c *Config) Validate() error {
	if errs := validate(c, nil, nil); errs != nil {
		return errs
	}
	return nil
}

// validator collects what is wrong. A rule is skipped when a value it looks at could not be read.
type validator struct {
	c       *Config
	origins map[string]Origin
	failed  map[string]bool
	errs    Errors
}

func validate(c *Config, origins map[string]Origin, failed map[string]bool) Errors {
	v := &validator{c: c, origins: origins, failed: map[string]bool{}}
	for key := range failed {
		v.failed[key] = true
	}
	for _, s := range settings {
		if err := s.check(c); err != nil && !v.failed[s.key] {
			v.add(s.key, err.Error(), s.expected())
			v.failed[s.key] = true
		}
	}
	v.server()
	v.websocket()
	v.auth()
	v.admin()
	v.redis()
	v.rabbitMQ()
	v.clusterTLS()
	v.processes()
	return v.errs
}

// add notes an error at key, with the key's value. When key has its default, the fault is with one of the other keys of the
// rule, and the error is at the first of them that was given.
func (v *validator) add(key, problem, allowed string, others ...string) {
	s := lookup(key)
	texts := s.texts(v.c)
	for i := range texts {
		texts[i] = s.mask(texts[i])
	}
	at := v.origins[key]
	for _, other := range others {
		if at.Source == SourceDefault {
			at = v.origins[other]
		}
	}
	v.errs = append(v.errs, &Error{Origin: at, Key: key, Value: strings.Join(texts, ","), Problem: problem, Allowed: allowed})
}

// addValue notes an error at key that is about one value of a list.
func (v *validator) addValue(key, value, problem, allowed string) {
	v.errs = append(v.errs, &Error{Origin: v.origins[key], Key: key, Value: value, Problem: problem, Allowed: allowed})
}

// readable tells whether all keys of a rule could be read.
func (v *validator) readable(keys ...string) bool {
	return !slices.ContainsFunc(keys, func(k string) bool { return v.failed[k] })
}

func (v *validator) server() {
	c := &v.c.Server
	if strings.ContainsAny(c.Address, "/ []") || strings.Contains(c.Address, ":") && !isIP(c.Address) {
		v.add("server.address", "not an address", "an IP address or a host name, without a port")
	}
	if mode, err := strconv.ParseUint(c.UnixSocketMode, 8, 32); err != nil || mode > 0o777 {
		v.add("server.unix-socket-mode", "not a file mode", "octal digits from 0000 to 0777")
	}
	if c.UnixSocket != "" {
		v.unixSocket()
	}
	if v.readable("server.drain-window", "server.shutdown-timeout") && c.DrainWindow > c.ShutdownTimeout {
		v.add("server.drain-window", "longer than server.shutdown-timeout, which includes it", "at most "+FormatDuration(c.ShutdownTimeout), "server.shutdown-timeout")
	}
	if c.NodeID != "" && (len(c.NodeID) > maxNodeID || strings.ContainsFunc(c.NodeID, notVisible)) {
		v.add("server.node-id", "not a node id", fmt.Sprintf("at most %d visible ASCII characters without blanks", maxNodeID))
	}
}

// unixSocket checks a socket path, and that no source of the same or a higher priority asks for TCP. A port or an address
// that is given at its default, as in the file that WriteYAML writes, asks for nothing.
func (v *validator) unixSocket() {
	const key = "server.unix-socket"
	if len(v.c.Server.UnixSocket) > maxSocketPath {
		v.add(key, "the path is too long", fmt.Sprintf("at most %d bytes", maxSocketPath))
	}
	if v.c.Server.ReusePort {
		v.add(key, "a Unix socket cannot be shared with server.reuse-port", "one of the two")
	}
	for _, tcp := range []string{"server.port", "server.address"} {
		s, o := lookup(tcp), v.origins[tcp]
		if s.texts(v.c)[0] != s.preset && o.Source >= v.origins[key].Source {
			v.add(key, fmt.Sprintf("%s is given too (%v)", tcp, o), "one of the two")
		}
	}
}

func isIP(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil
}

func notVisible(r rune) bool { return r <= ' ' || r > '~' }

func (v *validator) websocket() {
	c := &v.c.WebSocket
	v.endpoint()
	v.originPatterns("websocket.allowed-origins", c.AllowedOrigins)
	if v.readable("websocket.ping-interval", "websocket.heartbeat-timeout") && c.PingInterval >= c.HeartbeatTimeout && c.PingInterval > 0 {
		v.add("websocket.ping-interval", "not shorter than websocket.heartbeat-timeout, so that a ping would come too late", "less than "+FormatDuration(c.HeartbeatTimeout)+", or 0", "websocket.heartbeat-timeout")
	}
	if v.readable("websocket.max-outbound-bytes", "websocket.max-message-bytes") && c.MaxOutboundBytes < c.MaxMessageBytes {
		v.add("websocket.max-outbound-bytes", "smaller than websocket.max-message-bytes", "at least "+c.MaxMessageBytes.String(), "websocket.max-message-bytes")
	}
	for i, p := range c.Subprotocols {
		if strings.ContainsFunc(p, notToken) || p == "" {
			v.addValue("websocket.subprotocols", p, "not the name of a subprotocol", "letters, digits and !#$%&'*+-.^_`|~")
		}
		if slices.Contains(c.Subprotocols[:i], p) {
			v.addValue("websocket.subprotocols", p, "named twice", "each once")
		}
	}
}

// notToken tells which characters RFC 9110 section 5.6.2 does not allow in a token.
func notToken(r rune) bool {
	return notVisible(r) || strings.ContainsRune("\"(),/:;<=>?@[\\]{}", r)
}

func (v *validator) endpoint() {
	const key = "websocket.endpoint"
	path := v.c.WebSocket.Endpoint
	if !strings.HasPrefix(path, "/") || path == "/" || strings.ContainsAny(path, "?#%*") || strings.ContainsFunc(path, notVisible) {
		v.add(key, "not a path for the endpoint", "a path such as /ws: it begins with / and has no query, escape, wildcard or blank; / itself is the page")
		return
	}
	for _, r := range reservedPaths {
		if path == r || strings.HasPrefix(path, r+"/") {
			v.add(key, "the path is taken", "a path outside "+strings.Join(reservedPaths, ", "))
		}
	}
}

// originPatterns checks by the rule that the handshake uses.
func (v *validator) originPatterns(key string, list []string) {
	for _, o := range list {
		if _, err := codec.OriginMatcher([]string{o}); err != nil {
			v.addValue(key, o, "not an origin", "* or scheme://host[:port] without a path, as in https://*.example.com")
		}
	}
}

func (v *validator) auth() {
	if !v.readable("auth.mode", "auth.tokens", "auth.jwt.secret", "auth.jwt.public-key-file") {
		return
	}
	c := &v.c.Auth
	hasKey := c.JWT.Secret != "" || c.JWT.PublicKeyFile != ""
	switch c.Mode {
	case AuthDemo:
		// Else the well-known demo token would open a server that somebody meant to protect.
		if len(c.Tokens) > 0 {
			v.add("auth.mode", "auth.tokens is given, but this mode does not use it", "static", "auth.tokens")
		}
		if hasKey {
			v.add("auth.mode", "auth.jwt is given, but this mode does not use it", "jwt", "auth.jwt.secret", "auth.jwt.public-key-file")
		}
	case AuthStatic:
		if len(c.Tokens) == 0 {
			v.add("auth.mode", "this mode needs auth.tokens", "")
		}
	case AuthJWT:
		if (c.JWT.Secret != "") == (c.JWT.PublicKeyFile != "") {
			v.add("auth.mode", "this mode needs exactly one of auth.jwt.secret and auth.jwt.public-key-file", "")
		}
		v.jwt()
	}
}

func (v *validator) jwt() {
	c := &v.c.Auth.JWT
	if c.UserClaim == "" {
		v.add("auth.jwt.user-claim", "empty", "the name of a claim")
	}
	if n := secretBytes(c.Algorithms); c.Secret != "" && len(c.Secret) < n {
		v.add("auth.jwt.secret", "too short for the algorithm (RFC 7518 section 3.2)", fmt.Sprintf("%d bytes or more", n))
	}
	if c.PublicKeyFile != "" {
		info, err := os.Stat(c.PublicKeyFile)
		switch {
		case err != nil:
			v.add("auth.jwt.public-key-file", reason(err).Error(), "a PEM file that can be read")
		case !info.Mode().IsRegular():
			v.add("auth.jwt.public-key-file", "not a regular file", "a PEM file that can be read")
		}
	}
	for _, a := range c.Algorithms {
		if symmetric := strings.HasPrefix(a, "HS"); symmetric != (c.Secret != "") {
			v.addValue("auth.jwt.algorithms", a, "does not fit the key", "HS algorithms with auth.jwt.secret, all others with auth.jwt.public-key-file")
		}
	}
}

// secretBytes is how long a secret has to be for the strongest of the algorithms: as long as its hash.
func secretBytes(algorithms []string) int {
	switch {
	case slices.Contains(algorithms, "HS512"):
		return 64
	case slices.Contains(algorithms, "HS384"):
		return 48
	}
	return 32
}

func (v *validator) admin() {
	c := &v.c.Admin
	for _, t := range c.Tokens {
		if t == "" || strings.ContainsFunc(t, notVisible) {
			v.addValue("admin.tokens", masked, "not a token", "visible ASCII characters without blanks")
		}
	}
	if c.Listen != "" {
		if err := hostPort(c.Listen, true); err != nil {
			v.add("admin.listen", err.Error(), "host:port, as in 127.0.0.1:18081 or :18081")
		}
		if _, port, err := net.SplitHostPort(c.Listen); err == nil && port == strconv.Itoa(v.c.Server.Port) && port != "0" && v.c.Server.UnixSocket == "" {
			v.add("admin.listen", "the port is that of server.port", "another port")
		}
	}
	v.originPatterns("admin.allowed-origins", c.AllowedOrigins)
}

// hostPort checks host:port; anyHost lets the host be empty and the port be 0, as listeners may.
func hostPort(s string, anyHost bool) error {
	host, port, err := net.SplitHostPort(s)
	if err != nil || host == "" && !anyHost || strings.ContainsAny(host, "/ @") {
		return fmt.Errorf("not host:port")
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 && !anyHost {
		return fmt.Errorf("the port is not a number from 1 to 65535")
	}
	return nil
}
