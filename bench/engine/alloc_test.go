//go:build !race

package engine

import (
	"testing"

	"carillon/bench/plan"
)

// Steps that are done for every message allocate nothing.
func TestAllocations(t *testing.T) {
	steps := map[string]func(t *testing.T) func(){
		"a delivery that came at another connection before": func(t *testing.T) func() {
			b := newBare(t, plan.Scenario{Kind: plan.Broadcast})
			frame := b.delivery()
			b.feed(frame)
			return func() {
				b.c.echoes = echoes{} // a connection that has had nothing yet
				b.feed(frame)
			}
		},
		"a delivery": func(t *testing.T) func() {
			b := newBare(t, plan.Scenario{Kind: plan.Broadcast})
			frames := make([][]byte, 2000)
			for i := range frames {
				frames[i] = b.delivery()
			}
			for _, f := range frames[:100] {
				b.feed(f)
			}
			i := 99
			return func() { i++; b.feed(frames[i]) }
		},
		"a push": func(t *testing.T) func() {
			b := newBare(t, plan.Scenario{Kind: plan.Push, Message: "{{.Mark}} {{.User}} {{.ID}} {{.Seq}}", User: "user {{.ID}}"})
			frames := make([][]byte, 2000)
			for i := range frames {
				frames[i] = b.delivery()
			}
			i := -1
			return func() { i++; b.feed(frames[i]) }
		},
		"a heartbeat and its reply": func(t *testing.T) func() {
			b := newBare(t, plan.Scenario{Kind: plan.Heartbeat})
			reply := heartbeatReply()
			return func() {
				b.g.s.now++
				if !b.g.arrive(b.g.s.now) {
					b.t.Fatal("nobody is free")
				}
				b.drain()
				b.feed(reply)
				b.g.expire()
			}
		},
		"an echo and its reply": func(t *testing.T) func() {
			b := newBare(t, plan.Scenario{Kind: plan.Echo})
			reply := make([]byte, 0, 1<<10)
			return func() { reply = b.echo(reply) }
		},
		"a look with nothing to do": func(t *testing.T) func() {
			b := newBare(t, plan.Scenario{Kind: plan.Heartbeat})
			return func() { b.g.s.now += housekeeping; b.g.pump(); b.g.s.housekeep() }
		},
	}
	for name, step := range steps {
		t.Run(name, func(t *testing.T) {
			do := step(t)
			do()
			if n := testing.AllocsPerRun(1000, do); n != 0 {
				t.Errorf("%v allocations, want none", n)
			}
		})
	}
}
