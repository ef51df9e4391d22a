package codec

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// OriginMatcher returns a Policy.CheckOrigin for an allow-list as in
// websocket.allowed-origins. A pattern is
//
//   - "*": every well-formed origin, and "null";
//   - "null": what browsers send for sandboxed pages and files;
//   - scheme://host[:port]: compared without case, default ports made explicit;
//   - the same with "*" in the host: a "*" that begins the host stands for one or
//     more labels ("https://*.example.org"), elsewhere for one label or a part of one;
//   - the port "*" for any port, or a list in brackets: "http://localhost:[8080,8081]".
//
// Whatever the list, a request without Origin is allowed (it is no browser), and
// so is the origin of the request itself: scheme http, or what X-Forwarded-Proto
// says, with the host and port of Host. Two Origin fields, "null", what is not a
// serialised origin (RFC 6454 section 6.2; path, user, trailing text) are refused.
// All bad patterns are reported, joined in one error.
func OriginMatcher(patterns []string) (func(r *Request) bool, error) {
	var list []originPattern
	var errs []error
	for _, s := range patterns {
		p, err := parseOriginPattern(s)
		if err != nil {
			errs = append(errs, fmt.Errorf("origin pattern %q: %w", s, err))
			continue
		}
		list = append(list, p)
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return func(r *Request) bool {
		if r.origins == 0 {
			return true
		}
		return r.origins == 1 && allowOrigin(list, r)
	}, nil
}

func allowOrigin(list []originPattern, r *Request) bool {
	if string(r.Origin) == "null" {
		for _, p := range list {
			if p.any || p.null {
				return true
			}
		}
		return false
	}
	o, ok := parseOrigin(r.Origin)
	if !ok {
		return false
	}
	if o.isOwn(r) {
		return true
	}
	for i := range list {
		if list[i].match(o) {
			return true
		}
	}
	return false
}

// origin is scheme://host[:port]; scheme and host in the case they came in.
type origin struct {
	scheme, host []byte
	port         int // default ports filled in; 0 when the scheme has none
}

var schemeEnd = []byte("://")

func parseOrigin(b []byte) (o origin, ok bool) {
	scheme, rest, ok := bytes.Cut(b, schemeEnd)
	if !ok || !validScheme(scheme) {
		return o, false
	}
	o.scheme = scheme
	o.host, o.port, ok = splitHostPort(rest)
	if !ok || !validOriginHost(o.host) {
		return o, false
	}
	if o.port == 0 {
		o.port = defaultPort(scheme)
	}
	return o, true
}

// isOwn reports whether o is where the request itself was sent to.
func (o origin) isOwn(r *Request) bool {
	scheme := []byte("http")
	if r.proto != nil {
		first, _, _ := bytes.Cut(r.proto, []byte(","))
		switch first = trimOWS(first); {
		case foldEqual(first, "https"), foldEqual(first, "wss"):
			scheme = []byte("https")
		case foldEqual(first, "http"), foldEqual(first, "ws"):
		default:
			return false
		}
	}
	host, port, ok := splitHostPort(r.Host)
	if !ok || len(host) == 0 {
		return false
	}
	if port == 0 {
		port = defaultPort(scheme)
	}
	return bytes.EqualFold(o.scheme, scheme) && o.port == port && bytes.EqualFold(o.host, host)
}

// splitHostPort splits host[:port]; port is 0 when there is none.
func splitHostPort(b []byte) (host []byte, port int, ok bool) {
	colon := bytes.LastIndexByte(b, ':')
	if colon < 0 || bytes.IndexByte(b[colon:], ']') >= 0 {
		return b, 0, true
	}
	port = parsePort(b[colon+1:])
	return b[:colon], port, port > 0
}

// parsePort returns 1 to 65535, or 0.
func parsePort(b []byte) int {
	if len(b) == 0 || len(b) > 5 {
		return 0
	}
	n := 0
	for _, c := range b {
		if !isDigit(c) {
			return 0
		}
		n = 10*n + int(c-'0')
	}
	if n > 65535 {
		return 0
	}
	return n
}

func defaultPort(scheme []byte) int {
	switch {
	case foldEqual(scheme, "http"), foldEqual(scheme, "ws"):
		return 80
	case foldEqual(scheme, "https"), foldEqual(scheme, "wss"):
		return 443
	}
	return 0
}

func validScheme(b []byte) bool {
	if len(b) == 0 || !isAlpha(b[0]) {
		return false
	}
	for _, c := range b {
		if !isAlpha(c) && !isDigit(c) && c != '+' && c != '-' && c != '.' {
			return false
		}
	}
	return true
}

// validOriginHost accepts names of non-empty labels and IPv6 addresses in brackets.
func validOriginHost(b []byte) bool {
	if len(b) > 2 && b[0] == '[' && b[len(b)-1] == ']' {
		for _, c := range b[1 : len(b)-1] {
			if hexDigit(c) < 0 && c != ':' && c != '.' {
				return false
			}
		}
		return true
	}
	label := 0
	for _, c := range b {
		switch {
		case isAlpha(c), isDigit(c), c == '-', c == '_':
			label++
		case c == '.' && label > 0:
			label = 0
		default:
			return false
		}
	}
	return label > 0
}

// originPattern is one entry of the allow-list.
type originPattern struct {
	any, null bool
	scheme    string // lower case
	host      string // lower case
	wild      bool   // host has a "*"
	anyPort   bool
	ports     []int // 0: the scheme has no default port, and none was given
}

func (p *originPattern) match(o origin) bool {
	switch {
	case p.any:
		return true
	case p.null, !foldEqual(o.scheme, p.scheme):
		return false
	}
	if !p.anyPort {
		found := false
		for _, n := range p.ports {
			found = found || n == o.port
		}
		if !found {
			return false
		}
	}
	if !p.wild {
		return foldEqual(o.host, p.host)
	}
	if o.host[0] == '[' {
		return p.host == "*"
	}
	if p.host[0] == '*' && (len(p.host) == 1 || p.host[1] == '.') {
		return hostSuffix(p.host[1:], o.host)
	}
	return matchLabels(p.host, o.host)
}

// hostSuffix matches host against one or more labels followed by rest, which
// begins with a dot or is empty.
func hostSuffix(rest string, host []byte) bool {
	if rest == "" {
		return true
	}
	for i := 1; i < len(host); i++ {
		if host[i] == '.' && matchLabels(rest, host[i:]) {
			return true
		}
	}
	return false
}

// matchLabels matches host against a pattern where "*" is any text without a
// dot, a whole label at least one character.
func matchLabels(pattern string, host []byte) bool {
	for {
		p, prest, pmore := strings.Cut(pattern, ".")
		h, hrest, hmore := bytes.Cut(host, []byte("."))
		if pmore != hmore || !matchLabel(p, h) {
			return false
		}
		if !pmore {
			return true
		}
		pattern, host = prest, hrest
	}
}

// matchLabel matches one label; a pattern label has at most one "*".
func matchLabel(p string, h []byte) bool {
	star := strings.IndexByte(p, '*')
	if star < 0 {
		return foldEqual(h, p)
	}
	head, tail := p[:star], p[star+1:]
	if len(h) < len(head)+len(tail) || len(h) == 0 {
		return false
	}
	return foldEqual(h[:len(head)], head) && foldEqual(h[len(h)-len(tail):], tail)
}

func parseOriginPattern(s string) (p originPattern, err error) {
	switch s {
	case "*":
		return originPattern{any: true}, nil
	case "null":
		return originPattern{null: true}, nil
	}
	low := strings.ToLower(strings.TrimSuffix(s, "/"))
	scheme, rest, ok := strings.Cut(low, "://")
	if !ok || !validScheme([]byte(scheme)) {
		return p, errors.New(`want "*" or scheme://host[:port]`)
	}
	p.scheme = scheme

	host, port := rest, ""
	if i := strings.LastIndex(rest, ":["); i > 0 && strings.HasSuffix(rest, "]") {
		host, port = rest[:i], rest[i+2:len(rest)-1] // a list of ports
		if port == "" {
			return p, errors.New("empty list of ports")
		}
	} else if i := strings.LastIndexByte(rest, ':'); i >= 0 && !strings.Contains(rest[i:], "]") {
		host, port = rest[:i], rest[i+1:]
		if port == "" || strings.Contains(port, ",") {
			return p, errors.New("bad port")
		}
	}
	switch port {
	case "*":
		p.anyPort = true
	case "":
		p.ports = []int{defaultPort([]byte(scheme))}
	default:
		for s := range strings.SplitSeq(port, ",") {
			n := parsePort([]byte(strings.TrimSpace(s)))
			if n == 0 {
				return p, errors.New("port " + strconv.Quote(s) + " is not 1 to 65535")
			}
			p.ports = append(p.ports, n)
		}
	}

	p.host = host
	p.wild = strings.Contains(host, "*")
	for label := range strings.SplitSeq(host, ".") {
		if strings.Count(label, "*") > 1 {
			return p, errors.New(`more than one "*" in a label of the host`)
		}
	}
	// A "*" stands where a letter can stand.
	if !validOriginHost([]byte(strings.ReplaceAll(host, "*", "x"))) {
		return p, errors.New("bad host")
	}
	if p.wild && host[0] == '[' {
		return p, errors.New(`no "*" in an address`)
	}
	return p, nil
}
