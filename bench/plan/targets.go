package plan

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// Resolver finds the addresses of a host. [net.Resolver] is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// CheckTargets resolves the hosts of a complete plan, those of agents left
// out, and refuses them unless all their addresses are loopback (127.0.0.0/8,
// ::1), private (RFC 1918, unique local IPv6) or link-local, or the plan has
// OwnTarget. Shared address space (RFC 6598) is not private: behind it are
// other customers of a provider. Addresses that nothing can be connected to, as
// 0.0.0.0, are always refused.
//
// It returns the addresses of each host, as [url.URL.Hostname] gives it. Who
// connects has to use these and not ask again, so that a name cannot come to
// mean another machine after the check. An error is [Errors].
func CheckTargets(ctx context.Context, p *Plan, r Resolver) (map[string][]netip.Addr, error) {
	c := targetCheck{pins: map[string][]netip.Addr{}, own: p.OwnTarget, resolver: r}
	failed := map[string]bool{}
	for _, t := range p.targets() {
		u, err := url.Parse(t.url)
		if err != nil || u.Hostname() == "" {
			c.errs.add(t.key, "it is not a URL with a host")
			continue
		}
		host := u.Hostname()
		if _, done := c.pins[host]; done || failed[host] {
			continue
		}
		addrs, err := c.resolve(ctx, host)
		if err != nil {
			failed[host] = true
			c.errs.add(t.key, "%v", err)
			continue
		}
		c.pins[host] = addrs
	}
	if len(c.errs) > 0 {
		return nil, c.errs
	}
	return c.pins, nil
}

// target is a URL of a plan and its key.
type target struct{ key, url string }

func (p *Plan) targets() []target {
	var all []target
	add := func(key, text string) {
		scheme, authority, ok := cutURL(text)
		if ok {
			text = scheme + "://" + authority // templates stand behind it
		}
		all = append(all, target{key, text})
	}
	for i := range p.Scenarios {
		s := &p.Scenarios[i]
		add(scenarioKey(i)+".url", s.URL)
		if s.Publish != nil {
			add(scenarioKey(i)+".publish.url", s.Publish.URL)
		}
	}
	for i, address := range p.MetricsURL {
		add(fmt.Sprintf("metrics-urls[%d]", i), address)
	}
	return all
}

// targetCheck resolves and judges hosts.
type targetCheck struct {
	pins     map[string][]netip.Addr
	own      bool
	resolver Resolver
	errs     Errors
}

func (c *targetCheck) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	addr, err := netip.ParseAddr(host)
	addrs := []netip.Addr{addr}
	if err != nil {
		// Resolvers differ in what they make of 127.1, 0177.0.0.1 and 0x7f000001.
		if numeric(host) {
			return nil, fmt.Errorf("%s is neither a name nor an IP address in its usual form", quote(host))
		}
		if addrs, err = c.resolver.LookupNetIP(ctx, "ip", host); err != nil {
			return nil, fmt.Errorf("host %s: %w", quote(host), err)
		}
	}
	if len(addrs) == 0 {
		return nil, fmt.Errorf("host %s has no addresses", quote(host))
	}
	var pins []netip.Addr
	for _, a := range addrs {
		a = a.Unmap()
		if err := c.judge(host, a); err != nil {
			return nil, err
		}
		if !slices.Contains(pins, a) {
			pins = append(pins, a)
		}
	}
	return pins, nil
}

// judge tells why an address must not be loaded.
func (c *targetCheck) judge(host string, a netip.Addr) error {
	what := a.String()
	if host != what {
		what = fmt.Sprintf("%s, an address of %s,", what, quote(host))
	}
	bare := a.WithZone("")
	switch {
	case !a.IsValid():
		return fmt.Errorf("host %s has an invalid address", quote(host))
	case bare.IsUnspecified():
		return errors.New(what + " means no machine; write 127.0.0.1 or ::1 for this one")
	case bare.IsMulticast(), bare == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return errors.New(what + " is for many machines; a connection goes to one")
	case c.own, bare.IsLoopback(), bare.IsPrivate(), bare.IsLinkLocalUnicast():
		return nil
	}
	return errors.New(what + " is neither loopback nor private; say i-own-this-target if it is yours to load")
}

// numeric tells whether the last label of a host is a number, decimal or
// hexadecimal, so that some take the whole for an IPv4 address.
func numeric(host string) bool {
	host = strings.TrimSuffix(host, ".")
	label := strings.ToLower(host[strings.LastIndexByte(host, '.')+1:])
	if hex, ok := strings.CutPrefix(label, "0x"); ok {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return strings.Trim(label, "0123456789") == ""
}
