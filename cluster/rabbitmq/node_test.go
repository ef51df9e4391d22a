package rabbitmq_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"

	"carillon/cluster"
	"carillon/cluster/rabbitmq"
)

// node is a bus that remembers what its handler got.
type node struct {
	*rabbitmq.Bus
	id     string
	logs   *logs
	closed sync.Once

	mu   sync.Mutex
	got  []taken
	gate func(ctx context.Context, op *cluster.Operation) error // asked first, if set
}

type taken struct {
	from string
	op   cluster.Operation
}

// newNode returns a node that is not open.
func newNode(t testing.TB, o rabbitmq.Options, id string) *node {
	t.Helper()
	n := &node{id: id, logs: &logs{}}
	o.Logger = slog.New(slog.NewTextHandler(n.logs, &slog.HandlerOptions{Level: slog.LevelDebug})).With("node", id)
	var err error
	if n.Bus, err = rabbitmq.New(o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log of %s:\n%s\n%+v", id, n.logs, n.Stats())
		}
	})
	return n
}

// openNode returns a node that is open, and closed at the end of the test.
func openNode(t testing.TB, o rabbitmq.Options, id string) *node {
	t.Helper()
	n := newNode(t, o, id)
	n.open(t)
	return n
}

func (n *node) open(t testing.TB) {
	t.Helper()
	if err := n.Open(t.Context(), cluster.Node{ID: n.id}, n.handle); err != nil {
		t.Fatalf("%s: %v", n.id, err)
	}
	t.Cleanup(func() { n.close(t) })
}

// close closes the bus; the second time does nothing.
func (n *node) close(t testing.TB) {
	t.Helper()
	n.closed.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := n.Close(ctx); err != nil {
			t.Errorf("%s: close: %v", n.id, err)
		}
	})
}

func (n *node) handle(ctx context.Context, from string, op *cluster.Operation) error {
	n.mu.Lock()
	gate := n.gate
	n.mu.Unlock()
	if gate != nil {
		if err := gate(ctx, op); err != nil {
			return err
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.got = append(n.got, taken{from, *op})
	return nil
}

// taken returns what the handler got so far.
func (n *node) taken() []taken {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.got)
}

func (n *node) count() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.got)
}

// awaits waits until the handler got as much.
func (n *node) awaits(t testing.TB, count int) []taken {
	t.Helper()
	eventually(t, func() error {
		if got := n.count(); got < count {
			return fmt.Errorf("%s has got %d operations, want %d", n.id, got, count)
		}
		return nil
	})
	return n.taken()
}

// payloads returns the payloads of what was taken.
func payloads(all []taken) (list []string) {
	for _, x := range all {
		list = append(list, x.op.Payload)
	}
	return list
}

func push(payload string) *cluster.Operation {
	return &cluster.Operation{Kind: cluster.PushAll, Payload: payload}
}

// logs is a log that can be read while it is written.
type logs struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// lines returns how many lines have this text.
func (l *logs) lines(text string) (n int) {
	for line := range strings.Lines(l.String()) {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

func contains(err error, text string) bool { return err != nil && strings.Contains(err.Error(), text) }

func self(id string) cluster.Node { return cluster.Node{ID: id} }
