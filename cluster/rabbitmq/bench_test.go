package rabbitmq_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"carillon/cluster"
	"carillon/cluster/rabbitmq"
)

// counter is a node that only counts.
func counter(b *testing.B, url, id string) (*rabbitmq.Bus, *atomic.Int64) {
	var count atomic.Int64
	bus, err := rabbitmq.New(rabbitmq.Options{URLs: []string{url}})
	if err != nil {
		b.Fatal(err)
	}
	err = bus.Open(b.Context(), self(id), func(context.Context, string, *cluster.Operation) error {
		count.Add(1)
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := bus.Close(context.Background()); err != nil {
			b.Error(err)
		}
	})
	return bus, &count
}

// BenchmarkThroughput is from publish to the end of the handler through the broker, on
// the same machine: a window of operations is under way, as from a busy gateway.
func BenchmarkThroughput(b *testing.B) {
	v := newVhost(b)
	from, _ := counter(b, v.url, "from")
	_, count := counter(b, v.url, "to")
	op := push(strings.Repeat("x", 1024))
	for name, publish := range map[string]func(done func(error)){
		"Send":      func(done func(error)) { from.Send("to", op, done) },
		"SendAll":   func(done func(error)) { from.SendAll(op, done) },
		"Broadcast": func(done func(error)) { from.Broadcast(op, done) },
	} {
		b.Run(name+"/1KiB", func(b *testing.B) {
			b.ReportAllocs()
			window := make(chan struct{}, 2000)
			start := count.Load()
			for b.Loop() {
				window <- struct{}{}
				publish(func(error) { <-window })
			}
			eventually(b, func() error {
				if got := count.Load() - start; got != int64(b.N) {
					return fmt.Errorf("%d of %d", got, b.N)
				}
				return nil
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
		})
	}
}

// BenchmarkPublish is what a caller waits for: encoding into the outbox. Nothing
// sends from it.
func BenchmarkPublish(b *testing.B) {
	for name, publish := range map[string]func(*rabbitmq.Bus, *cluster.Operation){
		"Send":      func(bus *rabbitmq.Bus, op *cluster.Operation) { bus.Send("to", op, nil) },
		"Broadcast": func(bus *rabbitmq.Bus, op *cluster.Operation) { bus.Broadcast(op, nil) },
	} {
		for _, size := range []int{128, 1024} {
			b.Run(fmt.Sprintf("%s/%dB", name, size), func(b *testing.B) {
				op := push(strings.Repeat("x", size))
				bus, err := rabbitmq.New(rabbitmq.Options{URLs: []string{"amqp://127.0.0.1:1"}})
				if err != nil {
					b.Fatal(err)
				}
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					if i%10000 == 9999 { // so that it does not grow with the number of operations
						b.StopTimer()
						if bus, err = rabbitmq.New(rabbitmq.Options{URLs: []string{"amqp://127.0.0.1:1"}}); err != nil {
							b.Fatal(err)
						}
						b.StartTimer()
					}
					publish(bus, op)
				}
			})
		}
	}
}
