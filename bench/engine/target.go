package engine

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"carillon/bench/plan"
	"carillon/codec"
)

// endpoint is what a WebSocket connection is made to, and with.
type endpoint struct {
	hostport
	tls     bool
	path    *plan.Template // request target
	headers []plan.Header
}

func newEndpoint(address string, headers []plan.Header, pins map[string][]netip.Addr) (p endpoint, err error) {
	p.headers = headers
	u, err := url.Parse(originOf(address))
	if err != nil {
		return p, err
	}
	p.tls = u.Scheme == "wss"
	if p.hostport, err = newHostport(u, pins); err != nil {
		return p, err
	}
	p.path, err = plan.CompileURL(targetOf(address), plan.FieldID, plan.FieldUser, plan.FieldToken)
	return p, err
}

// hostport is where something is connected to.
type hostport struct {
	host string // for Host and TLS
	name string // without the port
	port uint16
	addr []netip.Addr
}

// newHostport finds the addresses of a URL's host among the pinned ones, so that
// what was checked is what is connected to.
func newHostport(u *url.URL, pins map[string][]netip.Addr) (hostport, error) {
	h := hostport{host: u.Host, name: u.Hostname(), port: 80}
	if u.Scheme == "wss" || u.Scheme == "https" {
		h.port = 443
	}
	if p := u.Port(); p != "" {
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil {
			return h, fmt.Errorf("port of %s: %w", u.Redacted(), err)
		}
		h.port = uint16(n)
	}
	h.addr = pins[h.name]
	if len(h.addr) == 0 {
		a, err := netip.ParseAddr(h.name)
		if err != nil {
			return h, fmt.Errorf("no address of %s is known", h.name)
		}
		h.addr = []netip.Addr{a}
	}
	return h, nil
}

// tcp is the n-th address of h, round and round.
func (h *hostport) tcp(n uint64) *net.TCPAddr {
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(h.addr[n%uint64(len(h.addr))].Unmap(), h.port))
}

// cutURL cuts a URL where its authority ends.
func cutURL(rawURL string) (origin, rest string) {
	start := 0
	if i := strings.Index(rawURL, "://"); i >= 0 {
		start = i + len("://")
	}
	if i := strings.IndexAny(rawURL[start:], "/?"); i >= 0 {
		return rawURL[:start+i], rawURL[start+i:]
	}
	return rawURL, ""
}

// originOf is a URL's scheme and authority, which hold no templates.
func originOf(rawURL string) string { origin, _ := cutURL(rawURL); return origin }

// targetOf cuts a URL down to what a request line names: path and query, as
// they were written, so that templates in them stay what they are.
func targetOf(rawURL string) string {
	_, rest := cutURL(rawURL)
	if !strings.HasPrefix(rest, "/") {
		rest = "/" + rest
	}
	return rest
}

// userAgent is what we call ourselves, the version left out.
const userAgent = "carillon-bench/"

// request makes the upgrade request of a connection.
func (sc *scenario) request(to *endpoint, id int, nonce [16]byte, version string) ([]byte, error) {
	v := plan.Values{ID: id + sc.FirstID}
	v.User = string(sc.user.Append(nil, &v))
	token, err := sc.tokens.Token(id, v.User)
	if err != nil {
		return nil, err
	}
	v.Token = token
	headers := make([][2]string, len(to.headers))
	for i, h := range to.headers {
		headers[i] = [2]string{h.Name, string(h.Value.Append(nil, &v))}
	}
	return appendRequest(nil, to, sc.Subprotocol, to.path.Append(nil, &v), nonce, version, headers), nil
}

// appendRequest appends an upgrade request (RFC 6455 section 4.1). headers may
// replace User-Agent.
func appendRequest(dst []byte, to *endpoint, protocol string, target []byte, nonce [16]byte, version string, headers [][2]string) []byte {
	line := func(name, value string) {
		dst = append(append(append(append(dst, name...), ": "...), value...), "\r\n"...)
	}
	dst = append(append(append(dst, "GET "...), target...), " HTTP/1.1\r\n"...)
	line("Host", to.host)
	dst = append(dst, "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "...)
	dst = append(codec.AppendKey(dst, nonce), "\r\n"...)
	if protocol != "" {
		line("Sec-WebSocket-Protocol", protocol)
	}
	if !slices.ContainsFunc(headers, func(h [2]string) bool { return strings.EqualFold(h[0], "User-Agent") }) {
		line("User-Agent", userAgent+version)
	}
	for _, h := range headers {
		line(h[0], h[1])
	}
	return append(dst, "\r\n"...)
}
