package rabbitmq_test

import (
	"context"
	"net/url"
	"testing"

	"carillon/cluster/services"
)

// proxied returns a proxy before the broker, and the URL through it.
func (v *vhost) proxied(t testing.TB) (*services.Proxy, string) {
	t.Helper()
	p, err := services.StartProxy(v.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	u, err := url.Parse(v.url)
	if err != nil {
		t.Fatal(err)
	}
	u.Host = p.Addr()
	return p, u.String()
}

// restore ends every fault of a proxy.
func restore(t testing.TB, p *services.Proxy) {
	t.Helper()
	if err := p.Restore(); err != nil {
		t.Fatal(err)
	}
}

// restartBroker starts the broker again, with what it has on disk.
func restartBroker(t testing.TB, v *vhost) {
	t.Helper()
	if err := v.Restart(context.Background(), true); err != nil {
		t.Fatal(err)
	}
}
