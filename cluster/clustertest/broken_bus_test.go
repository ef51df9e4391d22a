package clustertest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"carillon/cluster"
	"carillon/cluster/local"
)

// publication is a call of Broadcast, SendAll or Send, which again makes.
type publication struct {
	node  string // of Send
	op    *cluster.Operation
	done  func(error)
	again func(op *cluster.Operation, done func(error))
}

// brokenBus is a Bus of which some methods are replaced.
type brokenBus struct {
	cluster.Bus
	self    string
	publish func(p publication)
	handler func(h cluster.Handler) cluster.Handler
	opened  func(err error) error
	close   func(ctx context.Context) error
	ready   func() error
	admit   func() error
	stats   func(s *cluster.BusStats)
}

func (b *brokenBus) Open(ctx context.Context, self cluster.Node, h cluster.Handler) error {
	b.self = self.ID
	if b.handler != nil {
		h = b.handler(h)
	}
	err := b.Bus.Open(ctx, self, h)
	if b.opened != nil {
		err = b.opened(err)
	}
	return err
}

func (b *brokenBus) Close(ctx context.Context) error {
	if b.close != nil {
		return b.close(ctx)
	}
	return b.Bus.Close(ctx)
}

func (b *brokenBus) Ready() error {
	if b.ready != nil {
		return b.ready()
	}
	return b.Bus.Ready()
}

func (b *brokenBus) Admit() error {
	if b.admit != nil {
		return b.admit()
	}
	return b.Bus.Admit()
}

func (b *brokenBus) Stats() cluster.BusStats {
	s := b.Bus.Stats()
	if b.stats != nil {
		b.stats(&s)
	}
	return s
}

func (b *brokenBus) Broadcast(op *cluster.Operation, done func(error)) {
	b.do(publication{op: op, done: done, again: b.Bus.Broadcast})
}

func (b *brokenBus) SendAll(op *cluster.Operation, done func(error)) {
	b.do(publication{op: op, done: done, again: b.Bus.SendAll})
}

func (b *brokenBus) Send(node string, op *cluster.Operation, done func(error)) {
	b.do(publication{node: node, op: op, done: done, again: func(op *cluster.Operation, done func(error)) { b.Bus.Send(node, op, done) }})
}

func (b *brokenBus) do(p publication) {
	if b.publish != nil {
		b.publish(p)
		return
	}
	p.again(p.op, p.done)
}

// changed returns an operation that f has changed, of a push or kick that a check
// makes; marks stay as they are.
func changed(op *cluster.Operation, f func(op *cluster.Operation)) *cluster.Operation {
	if strings.HasPrefix(op.Payload, mark) {
		return op
	}
	c := *op
	f(&c)
	return &c
}

// handling returns a handler hook that changes what a handler gets.
func handling(f func(op *cluster.Operation)) func(h cluster.Handler) cluster.Handler {
	return func(h cluster.Handler) cluster.Handler {
		return func(ctx context.Context, from string, op *cluster.Operation) error {
			return h(ctx, from, changed(op, f))
		}
	}
}

// world is what the buses of one check share.
type world struct {
	ctx context.Context // ends with the check
	mu  sync.Mutex
	n   int
	ops map[string]*cluster.Operation
}

// every tells whether this is the n-th, 2n-th, ... call.
func (w *world) every(n int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.n++
	return w.n%n == 0
}

func mute(error) {}

// Each of these breaks something that the interface promises: the checks named have
// to notice it.
var brokenBuses = []struct {
	name   string
	checks []string
	breaks func(w *world, b *brokenBus)
}{
	{"loses one of fifty operations", []string{"EveryField", "Order", "ManyPublishers", "Concurrency"}, func(w *world, b *brokenBus) {
		b.publish = func(p publication) {
			if w.every(50) && !strings.HasPrefix(p.op.Payload, mark) {
				if p.done != nil {
					go p.done(nil)
				}
				return
			}
			p.again(p.op, p.done)
		}
	}},
	{"carries one of fifty operations twice", []string{"Order", "ManyPublishers", "Done", "Concurrency"}, func(w *world, b *brokenBus) {
		b.publish = func(p publication) {
			if w.every(50) && !strings.HasPrefix(p.op.Payload, mark) {
				p.again(p.op, nil)
			}
			p.again(p.op, p.done)
		}
	}},
	{"overtakes", []string{"Order", "ManyPublishers"}, func(w *world, b *brokenBus) {
		var late []publication
		b.publish = func(p publication) {
			w.mu.Lock()
			w.n++
			if w.n%20 == 0 && !strings.HasPrefix(p.op.Payload, mark) {
				late = append(late, p)
				w.mu.Unlock()
				return
			}
			held := late
			late = nil
			w.mu.Unlock()
			p.again(p.op, p.done)
			for _, l := range held {
				l.again(l.op, l.done)
			}
		}
	}},
	{"keeps the order of each route alone", []string{"Order"}, func(_ *world, b *brokenBus) {
		var mu sync.Mutex
		var late []publication
		b.publish = func(p publication) { // broadcasts come after what is sent later
			mu.Lock()
			defer mu.Unlock()
			if p.node == "" {
				late = append(late, p)
				return
			}
			p.again(p.op, p.done)
			for _, l := range late {
				l.again(l.op, l.done)
			}
			late = nil
		}
	}},
	{"sends to all what is for one", []string{"RightNodes", "Order"}, func(_ *world, b *brokenBus) {
		b.publish = func(p publication) {
			if p.node != "" && !strings.HasPrefix(p.op.Payload, mark) {
				b.Bus.SendAll(p.op, p.done)
				return
			}
			p.again(p.op, p.done)
		}
	}},
	{"gives a node its own broadcasts", []string{"RightNodes"}, func(_ *world, b *brokenBus) {
		var own cluster.Handler
		b.handler = func(h cluster.Handler) cluster.Handler { own = h; return h }
		b.publish = func(p publication) {
			p.again(p.op, p.done)
			if p.node == "" {
				_ = own(context.Background(), b.self, p.op)
			}
		}
	}},
	{"does not say who has published", []string{"RightNodes", "EveryField"}, func(_ *world, b *brokenBus) {
		b.handler = func(h cluster.Handler) cluster.Handler {
			return func(ctx context.Context, _ string, op *cluster.Operation) error { return h(ctx, "", op) }
		}
	}},
	{"loses the spread", []string{"EveryField"}, func(_ *world, b *brokenBus) {
		b.handler = handling(func(op *cluster.Operation) { op.Spread = 0 })
	}},
	{"rounds the spread", []string{"EveryField"}, func(_ *world, b *brokenBus) {
		b.handler = handling(func(op *cluster.Operation) { op.Spread = op.Spread.Truncate(time.Second) })
	}},
	{"loses the code", []string{"EveryField"}, func(_ *world, b *brokenBus) {
		b.handler = handling(func(op *cluster.Operation) { op.Code = 0 })
	}},
	{"cuts the reason", []string{"EveryField"}, func(_ *world, b *brokenBus) {
		b.handler = handling(func(op *cluster.Operation) { op.Reason = op.Reason[:min(len(op.Reason), 120)] })
	}},
	{"cuts texts at NUL", []string{"EveryField"}, func(_ *world, b *brokenBus) {
		b.handler = handling(func(op *cluster.Operation) { op.Payload, _, _ = strings.Cut(op.Payload, "\x00") })
	}},
	{"removes a byte order mark", []string{"EveryField"}, func(_ *world, b *brokenBus) {
		b.handler = handling(func(op *cluster.Operation) { op.Payload = strings.TrimPrefix(op.Payload, "\ufeff") })
	}},
	{"removes odd users", []string{"EveryField"}, func(_ *world, b *brokenBus) {
		b.handler = handling(func(op *cluster.Operation) {
			op.Users = slices.DeleteFunc(op.Users, func(u string) bool { return u == "" || u[0] < ' ' })
		})
	}},
	{"cuts what is large", []string{"LargePayload"}, func(_ *world, b *brokenBus) {
		b.handler = handling(func(op *cluster.Operation) { op.Payload = op.Payload[:min(len(op.Payload), 512<<10)] })
	}},
	{"encodes late", []string{"NothingShared"}, func(_ *world, b *brokenBus) {
		var late []publication
		b.publish = func(p publication) {
			late = append(late, p)
			if len(late) < 2 && !strings.HasPrefix(p.op.Payload, mark) {
				return
			}
			for _, l := range late {
				l.again(l.op, l.done)
			}
			late = nil
		}
	}},
	{"gives handlers of two nodes the same operation", []string{"NothingShared"}, func(w *world, b *brokenBus) {
		b.handler = func(h cluster.Handler) cluster.Handler {
			return func(ctx context.Context, from string, op *cluster.Operation) error {
				if strings.HasPrefix(op.Payload, mark) {
					return h(ctx, from, op)
				}
				w.mu.Lock()
				defer w.mu.Unlock()
				first, ok := w.ops[op.Payload]
				if !ok {
					first = op
					w.ops[op.Payload] = op
				}
				return h(ctx, from, &cluster.Operation{Kind: op.Kind, Payload: op.Payload, Users: first.Users})
			}
		}
	}},
	{"says twice that it is done", []string{"Done"}, func(w *world, b *brokenBus) {
		b.publish = func(p publication) {
			p.again(p.op, func(err error) {
				if p.done != nil {
					p.done(err)
					if w.every(50) {
						p.done(err)
					}
				}
			})
		}
	}},
	{"does not say that it is done", []string{"Done"}, func(w *world, b *brokenBus) {
		b.publish = func(p publication) {
			if w.every(50) {
				p.done = mute
			}
			p.again(p.op, p.done)
		}
	}},
	{"does not say what was for nobody", []string{"Unroutable"}, func(_ *world, b *brokenBus) {
		b.publish = func(p publication) {
			p.again(p.op, func(err error) {
				if errors.Is(err, cluster.ErrUnroutable) {
					err = nil
				}
				if p.done != nil {
					p.done(err)
				}
			})
		}
	}},
	{"drops what is published before Open", []string{"PublishBeforeOpen"}, func(_ *world, b *brokenBus) {
		b.publish = func(p publication) {
			if b.self != "" {
				p.again(p.op, p.done)
			}
		}
	}},
	{"lets a second node have the id", []string{"NodeTaken"}, func(_ *world, b *brokenBus) {
		b.opened = func(err error) error {
			if errors.Is(err, cluster.ErrNodeTaken) {
				return nil
			}
			return err
		}
	}},
	{"opens after the end of the context", []string{"OpenAfterContextEnd"}, func(_ *world, b *brokenBus) {
		b.opened = func(err error) error {
			if errors.Is(err, context.Canceled) {
				return nil
			}
			return err
		}
	}},
	{"calls handlers at once", []string{"ManyPublishers", "BlockedHandler"}, func(w *world, b *brokenBus) {
		b.handler = func(h cluster.Handler) cluster.Handler {
			return func(_ context.Context, from string, op *cluster.Operation) error {
				go func() { _ = h(w.ctx, from, op) }()
				return nil
			}
		}
	}},
	{"lets all wait for one handler", []string{"BlockedHandler"}, func(w *world, b *brokenBus) {
		b.handler = func(h cluster.Handler) cluster.Handler {
			return func(ctx context.Context, from string, op *cluster.Operation) error {
				w.mu.Lock()
				defer w.mu.Unlock()
				return h(ctx, from, op)
			}
		}
	}},
	{"does not show that a handler is blocked", []string{"BlockedHandler"}, func(_ *world, b *brokenBus) {
		b.stats = func(s *cluster.BusStats) { s.Blocked = false }
	}},
	{"takes an error of a handler for success", []string{"HandlerError"}, func(_ *world, b *brokenBus) {
		b.handler = func(h cluster.Handler) cluster.Handler {
			return func(ctx context.Context, from string, op *cluster.Operation) error { _ = h(ctx, from, op); return nil }
		}
	}},
	{"brings again what others have overtaken", []string{"HandlerError"}, func(_ *world, b *brokenBus) {
		b.handler = func(h cluster.Handler) cluster.Handler {
			var late []cluster.Operation
			return func(ctx context.Context, from string, op *cluster.Operation) error {
				again := *op
				if h(ctx, from, op) != nil {
					late = append(late, again)
					return nil
				}
				for len(late) > 0 {
					again := late[0]
					if h(ctx, from, &again) == nil {
						late = late[1:]
					}
				}
				return nil
			}
		}
	}},
	{"brings again what a handler has spoiled", []string{"HandlerError"}, func(_ *world, b *brokenBus) {
		b.handler = func(h cluster.Handler) cluster.Handler {
			return func(ctx context.Context, from string, op *cluster.Operation) error {
				for h(ctx, from, op) != nil {
				}
				return nil
			}
		}
	}},
	{"loses at Close what it has not sent", []string{"CloseFlushes"}, func(_ *world, b *brokenBus) {
		b.publish = func(p publication) {
			p.again(p.op, func(error) {
				if p.done != nil {
					p.done(cluster.ErrClosed)
				}
			})
		}
	}},
	{"says after Close what became of it", []string{"CloseFlushes"}, func(w *world, b *brokenBus) {
		b.publish = func(p publication) {
			p.again(p.op, func(err error) {
				if p.done != nil {
					time.AfterFunc(50*time.Millisecond, func() { p.done(err) })
				}
			})
		}
	}},
	{"does not end the context of a handler", []string{"CloseStops"}, func(w *world, b *brokenBus) {
		b.handler = func(h cluster.Handler) cluster.Handler {
			return func(_ context.Context, from string, op *cluster.Operation) error { return h(w.ctx, from, op) }
		}
	}},
	{"stays reachable after Close", []string{"CloseStops", "Unroutable", "NodeTaken"}, func(w *world, b *brokenBus) {
		b.close = func(context.Context) error { return nil }
	}},
	{"forgets at Close what was never sent", []string{"CloseWithoutOpen"}, func(_ *world, b *brokenBus) {
		b.publish = func(p publication) { p.again(p.op, nil) }
	}},
	{"leaves a goroutine", []string{"Open"}, func(_ *world, b *brokenBus) {
		b.opened = func(err error) error {
			go func() { time.Sleep(2 * time.Second) }()
			return err
		}
	}},
	{"counts nothing", []string{"Stats"}, func(_ *world, b *brokenBus) {
		b.stats = func(s *cluster.BusStats) { s.Published, s.Received = 0, 0 }
	}},
	{"is ready while it is away", []string{"Away"}, func(_ *world, b *brokenBus) {
		b.ready = func() error { return nil }
	}},
	{"accepts without bound", []string{"OutboxFull"}, func(_ *world, b *brokenBus) {
		b.admit = func() error { return nil }
	}},
	{"drops what it has accepted when it is full", []string{"OutboxFull"}, func(_ *world, b *brokenBus) {
		b.publish = func(p publication) {
			if err := b.Bus.Admit(); err != nil {
				if p.done != nil {
					go p.done(err)
				}
				return
			}
			p.again(p.op, p.done)
		}
	}},
	{"drops what is published while it is away", []string{"Away"}, func(_ *world, b *brokenBus) {
		b.publish = func(p publication) {
			if b.Bus.Ready() == nil {
				p.again(p.op, p.done)
			}
		}
	}},
	{"says that all is sent while it is away", []string{"CloseWhileAway"}, func(_ *world, b *brokenBus) {
		b.close = func(ctx context.Context) error { _ = b.Bus.Close(ctx); return nil }
	}},
}

func TestBrokenBus(t *testing.T) {
	for _, broken := range brokenBuses {
		for _, name := range broken.checks {
			t.Run(broken.name+"/"+name, func(t *testing.T) {
				check := busChecks[slices.IndexFunc(busChecks, func(c busCheck) bool { return c.name == name })]
				w := &world{ctx: t.Context(), ops: make(map[string]*cluster.Operation)}
				whole, r := t, &recorder{TB: t}
				noticed(t, r.run(func(t testing.TB) {
					runBus(t, check, func(testing.TB) BusCluster {
						hub := local.NewHub()
						hub.SetOutboxLimit(1 << 20)
						return BusCluster{
							New: func(testing.TB) cluster.Bus {
								b := &brokenBus{Bus: hub.Bus()}
								real := b.Bus
								whole.Cleanup(func() { _ = real.Close(context.Background()) }) // it may have been closed
								broken.breaks(w, b)
								return b
							},
							Away: func(testing.TB) func() {
								hub.SetBusAway(true)
								return func() { hub.SetBusAway(false) }
							},
							Patience: short,
						}
					})
				}))
			})
		}
	}
}
