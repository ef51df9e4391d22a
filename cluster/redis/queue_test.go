package redis

import (
	"fmt"
	"sync"
	"testing"

	"carillon/cluster"
)

func numberedID(i int) cluster.SessionID {
	return cluster.SessionID{12: byte(i), 13: byte(i >> 8), 14: byte(i >> 16)}
}

// Changes of a session come out in their order, and none is lost, while many put.
func TestQueue(t *testing.T) {
	const loops, rounds = 8, 5000
	q := newQueue(1 << 20)
	var putting sync.WaitGroup
	for l := range loops {
		putting.Go(func() {
			for i := range rounds {
				id := numberedID(l*rounds + i)
				q.put(change{user: "u", id: id, kind: come})
				q.put(change{user: "u", id: id, kind: gone})
			}
		})
	}
	seen := make(map[cluster.SessionID]kind)
	var batch []change
	for n := 0; n < 2*loops*rounds; {
		batch = q.take(batch[:0], 700)
		if len(batch) > 700 {
			t.Fatalf("a batch of %d", len(batch))
		}
		if len(batch) == 0 && q.sleep() {
			<-q.wake
		}
		n += len(batch)
		for _, c := range batch {
			last, known := seen[c.id]
			if c.kind == come && known || c.kind == gone && (!known || last != come) {
				t.Fatalf("%v after %v", c.kind, last)
			}
			seen[c.id] = c.kind
		}
	}
	putting.Wait()
	if q.waiting.Load() != 0 || q.noted.Load() != 2*loops*rounds || len(q.take(nil, 10)) != 0 {
		t.Errorf("%d wait, %d noted", q.waiting.Load(), q.noted.Load())
	}
}

func TestQueueOverflow(t *testing.T) {
	q := newQueue(100)
	for i := range 250 {
		q.put(change{id: numberedID(i)})
	}
	if q.waiting.Load() != 100 || !q.overflow.Load() {
		t.Errorf("%d wait, overflow %t", q.waiting.Load(), q.overflow.Load())
	}
	if q.sleep() {
		t.Error("may sleep, although it has overflowed")
	}
	q.take(nil, 30)
	q.drop()
	if q.waiting.Load() != 0 || q.overflow.Load() || len(q.take(nil, 1000)) != 0 {
		t.Errorf("%d wait after drop, overflow %t", q.waiting.Load(), q.overflow.Load())
	}
	if q.noted.Load() != q.settled.Load()+30 {
		t.Errorf("%d noted, %d settled", q.noted.Load(), q.settled.Load())
	}
	q.put(change{id: numberedID(1)})
	if got := q.take(nil, 10); len(got) != 1 {
		t.Errorf("got %d after drop", len(got))
	}
}

// BenchmarkPut is what Connect costs an event loop, while the consumer takes.
func BenchmarkPut(b *testing.B) {
	q := newQueue(1 << 30)
	stop := make(chan struct{})
	var consumer sync.WaitGroup
	consumer.Go(func() {
		var batch []change
		for {
			if batch = q.take(batch[:0], atomicMost); len(batch) == 0 && q.sleep() {
				select {
				case <-q.wake:
				case <-stop:
					return
				}
			}
		}
	})
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i++
		q.put(change{user: "user", id: numberedID(i), kind: come})
	}
	close(stop)
	consumer.Wait()
}

func TestPutAllocates(t *testing.T) {
	q := newQueue(1 << 20)
	batch := make([]change, 0, 1<<14)
	round := func() {
		for i := range 1 << 13 {
			q.put(change{user: "user", id: numberedID(i)})
		}
		batch = q.take(batch[:0], 1<<14)
	}
	round() // makes room
	round()
	if n := testing.AllocsPerRun(20, round); n > 0 {
		t.Errorf("%.1f allocations for %d changes", n, 1<<13)
	}
	if len(batch) != 1<<13 {
		t.Error(fmt.Sprint("took ", len(batch)))
	}
}
