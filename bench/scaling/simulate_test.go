package scaling

import (
	"math"
	"testing"
)

// TestSimulateLone follows one broadcast to one node, where nothing waits.
func TestSimulateLone(t *testing.T) {
	t.Parallel()
	c := Default()
	l := Everyday(16_000)
	got := Simulate(l, Plain(1), c, 1, 1)
	arrived := (2*c.Hop.Value + c.MessageIn.Value + c.Copy.Value + c.Handle.Value) / 1e6
	if !near(got.Arrived, arrived) {
		t.Errorf("arrived after %v, want %v", got.Arrived, arrived)
	}
	if want := arrived + 1000*c.Frame.Value/1e6; !near(got.Last, want) || !near(got.Worst, want) {
		t.Errorf("last after %v, want %v", got.Last, want)
	}
	if got.P50 <= arrived || got.P50 >= got.P99 || got.P99 >= got.Last || got.Together != 1 {
		t.Errorf("%+v", got)
	}
}

// TestSimulateFanOut: the last of n copies leaves when all cores of the broker have
// done their share, or the channel has routed them all, whatever is later.
func TestSimulateFanOut(t *testing.T) {
	t.Parallel()
	l := Everyday(1)
	for _, route := range []float64{0.001, 30} {
		c := Default()
		c.Route.Value = route
		s := Plain(1600)
		got := Simulate(l, s, c, 1, 1)
		before := (2*c.Hop.Value + c.MessageIn.Value + c.Handle.Value) / 1e6
		spread := max(1600*(c.Copy.Value-route)/16, 1600*route) / 1e6
		if math.Abs(got.Arrived-before-spread) > 2*c.Copy.seconds() {
			t.Errorf("routing in %v µs: arrived after %v, want about %v", route, got.Arrived, before+spread)
		}
		s.Exchanges = 16
		if sharded := Simulate(l, s, c, 1, 1); math.Abs(sharded.Arrived-before-spread/16) > 2*c.Copy.seconds() {
			t.Errorf("routing in %v µs, sharded: arrived after %v, want about %v", route, sharded.Arrived, before+spread/16)
		}
	}
}

// TestSimulateTree: in a relay tree every node gets every broadcast once, and the depth
// of the tree is what it costs.
func TestSimulateTree(t *testing.T) {
	t.Parallel()
	c := Default()
	for _, nodes := range []int{1, 2, 3, 7, 64, 1000} {
		for _, fanOut := range []int{2, 3, 16} {
			s := Plain(float64(nodes))
			s.FanOut = float64(fanOut)
			list := make([]node, nodes)
			spread(0, s, c, list, []exchange{{cores: newPool(16)}})
			last := 0.0
			for i, n := range list {
				if len(n.arrivals) != 1 {
					t.Fatalf("%d nodes, fan-out %d: node %d got %d", nodes, fanOut, i, len(n.arrivals))
				}
				last = max(last, n.arrivals[0])
			}
			levels := 0
			for width, reached := fanOut, 0; reached < nodes; width, levels = width*fanOut, levels+1 {
				reached += width
			}
			least := c.Hop.seconds() + float64(levels)*(c.Hop.seconds()+c.Handle.seconds())
			most := least + float64(fanOut)*float64(levels)*c.Relay.seconds() + 2*float64(fanOut)*c.Copy.seconds()
			if last < least || last > most {
				t.Errorf("%d nodes, fan-out %d: %v s, want %v to %v", nodes, fanOut, last, least, most)
			}
		}
	}
}

// TestSimulateTogether: broadcasts that come faster than a sweep takes leave together,
// and none waits for more than the sweep under way and its own.
func TestSimulateTogether(t *testing.T) {
	t.Parallel()
	c := Default()
	l := Everyday(200_000)
	l.Broadcasts = 100
	got := Simulate(l, Plain(2), c, 500, 7)
	sweep := 100_000 * c.Frame.seconds() / 16
	if want := l.Broadcasts * sweep; got.Together < 0.8*want || got.Together > 1.3*want {
		t.Errorf("%v together, want about %v", got.Together, want)
	}
	if got.Worst > 3*sweep {
		t.Errorf("the worst took %v, a sweep takes %v", got.Worst, sweep)
	}
	if again := Simulate(l, Plain(2), c, 500, 7); again != got {
		t.Errorf("%+v with the same seed, then %+v", got, again)
	}
	if other := Simulate(l, Plain(2), c, 500, 8); other == got {
		t.Error("another seed gives the same")
	}
}

// TestSimulateRelay: a node passes a broadcast on to one child after the other.
func TestSimulateRelay(t *testing.T) {
	t.Parallel()
	c := Default()
	s := Plain(6)
	s.FanOut = 2 // two heads, and two children of each
	list := make([]node, 6)
	spread(0, s, c, list, []exchange{{cores: newPool(16)}})
	for i, parent := range []int{0, 0, 1, 1} {
		want := list[parent].arrivals[0] + float64(i%2+1)*c.Relay.seconds() + c.Hop.seconds() + c.Handle.seconds()
		if got := list[2+i].arrivals[0]; !near(got, want) {
			t.Errorf("child %d of node %d got it at %v, want %v", i%2, parent, got, want)
		}
	}
}

func TestPool(t *testing.T) {
	t.Parallel()
	p := newPool(2)
	for i, c := range []struct{ ready, work, done float64 }{{0, 3, 3}, {0, 1, 1}, {0, 1, 2}, {5, 1, 6}, {5, 1, 6}, {5, 1, 7}} {
		if got := p.run(c.ready, c.work); got != c.done {
			t.Errorf("piece %d done at %v, want %v", i, got, c.done)
		}
	}
}
