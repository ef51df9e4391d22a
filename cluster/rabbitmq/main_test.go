package rabbitmq_test

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"carillon/cluster/services"
)

// The broker is shared by all tests, each of which has a virtual host. Some make it
// suffer, so no two of them run at once.
var shared struct {
	once   sync.Once
	broker *services.RabbitMQ
	err    error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if shared.broker != nil {
		if err := shared.broker.Stop(false); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	if err := goleak.Find(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func startBroker(t testing.TB) *services.RabbitMQ {
	t.Helper()
	shared.once.Do(func() {
		shared.broker, shared.err = services.StartRabbitMQ(context.Background(), services.RabbitOptions{User: "carillon", Password: "hush/%&"})
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.broker
}
