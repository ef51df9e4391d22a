package rabbitmq_test

import (
	"fmt"
	"os"
	"testing"

	"carillon/cluster/rabbitmq"
	"carillon/cluster/services"
)

// descriptors counts what this process has open.
func descriptors(t testing.TB) int {
	t.Helper()
	entries, err := os.ReadDir("/dev/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// Opened, lost and closed buses leave no descriptor behind.
func TestNothingIsLeft(t *testing.T) {
	v := newVhost(t)
	p, through := v.proxied(t)
	before := descriptors(t)
	for i := range 5 {
		n := openNode(t, rabbitmq.Options{URLs: []string{through}}, fmt.Sprint("n", i))
		p.Cut([]services.Ending{services.FIN, services.RST}[i%2])
		eventually(t, func() error {
			if s := n.Stats(); s.Reconnects < 2 || !s.Up {
				return fmt.Errorf("got %+v", s)
			}
			return nil
		})
		n.close(t)
	}
	eventually(t, func() error {
		if after := descriptors(t); after > before {
			return fmt.Errorf("%d descriptors, %d before", after, before)
		}
		return nil
	})
	queues, err := v.Queues(t.Context(), v.name)
	if err != nil || len(queues) != 0 {
		t.Errorf("got %+v, %v", queues, err)
	}
}

func TestTLS(t *testing.T) {
	t.Parallel() // with a broker of its own
	b := services.NewRabbitMQ(t, services.RabbitOptions{TLS: true})
	n := openNode(t, rabbitmq.Options{URLs: []string{b.URL("/")}, TLS: b.TLS()}, "a")
	m := openNode(t, rabbitmq.Options{URLs: []string{b.URL("/") + "?cacertfile=" + b.CAFile()}}, "b")
	n.Send("b", push("m"), nil)
	m.awaits(t, 1)
	stranger := newNode(t, rabbitmq.Options{URLs: []string{b.URL("/")}}, "c")
	if err := stranger.Open(t.Context(), self("c"), stranger.handle); !contains(err, "certificate") {
		t.Errorf("a broker of an unknown authority: %v", err)
	}
}
