package engine

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

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

// tcp is the i-th address of h, round and round.
func (h *hostport) tcp(i int) *net.TCPAddr {
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(h.addr[i%len(h.addr)].Unmap(), h.port))
}

// targetOf cuts a URL down to what a request line names: path and query, as
// they were written, so that templates in them stay what they are.
func targetOf(rawURL string) string {
	_, rest, _ := strings.Cut(rawURL, "://")
	rest, _, _ = strings.Cut(rest, "#")
	i := strings.IndexAny(rest, "/?")
	switch {
	case i < 0:
		return "/"
	case rest[i] == '?':
		return "/" + rest[i:]
	}
	return rest[i:]
}
