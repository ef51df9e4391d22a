package scaling

import (
	"math"
	"testing"
	"time"
)

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-9*max(math.Abs(a), math.Abs(b), 1) }

func TestCount(t *testing.T) {
	t.Parallel()
	costs := Default()
	load := func(perUser, pushes, broadcasts float64) Load {
		l := Everyday(1200)
		l.PerUser, l.Pushes, l.Broadcasts, l.Known = perUser, pushes, broadcasts, 0.25
		return l
	}
	with := func(nodes float64, change func(*Shape)) Shape {
		s := Plain(nodes)
		if change != nil {
			change(&s)
		}
		return s
	}
	type want struct{ in, copies, own, relayed float64 }
	for name, c := range map[string]struct {
		load  Load
		shape Shape
		want  want
	}{
		"one node":        {load(1, 100, 3), with(1, nil), want{3, 3, 3, 0}},
		"broadcasts":      {load(1, 0, 3), with(4, nil), want{3, 12, 3, 0}},
		"pushes":          {load(1, 100, 0), with(4, nil), want{75, 75, 0, 0}},
		"two sessions":    {load(2, 100, 0), with(2, nil), want{75, 75, 0, 0}},
		"reference nodes": {load(1, 100, 3), with(4, func(s *Shape) { s.Mixed = true }), want{103, 412, 103, 0}},
		"exchanges":       {load(1, 0, 3), with(8, func(s *Shape) { s.Exchanges = 4 }), want{12, 24, 3, 0}},
		"relay tree":      {load(1, 0, 3), with(8, func(s *Shape) { s.FanOut = 2 }), want{3, 6, 3, 18}},
		"wide relay tree": {load(1, 0, 3), with(8, func(s *Shape) { s.FanOut = 16 }), want{3, 24, 3, 0}},
	} {
		n := Count(c.load, c.shape, costs)
		if got := (want{n.In, n.Copies, n.Own, n.Relayed}); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
		if want := c.load.Pushes * 0.75; n.Lookups != want {
			t.Errorf("%s: %v lookups, want %v", name, n.Lookups, want)
		}
		if want := c.shape.Nodes / 5; !near(n.Renewals, want) || !near(n.LeaseReads, want*c.shape.Nodes) {
			t.Errorf("%s: %v renewals, %v leases", name, n.Renewals, n.LeaseReads)
		}
	}
}

func TestCountPresence(t *testing.T) {
	t.Parallel()
	l := Everyday(1_800_000) // 1,000 connects and as many leaves a second
	s := Plain(10)
	for _, c := range []struct {
		wait              time.Duration
		masters           float64
		scripts, commands float64
	}{
		{time.Millisecond, 0, 2000, 23_000}, // each for itself
		{50 * time.Millisecond, 0, 200, 5000},
		{time.Minute, 0, 20, 3200}, // a hundred together
		{12_500 * time.Microsecond, 3, 200, 5000},
		{time.Minute, 3, 2, 3020},
	} {
		s.RoundTrip, s.Masters = c.wait, c.masters
		n := Count(l, s, Default())
		if !near(n.Scripts, c.scripts) || !near(n.Commands, c.commands) {
			t.Errorf("a wait of %v: %v commands in %v scripts, want %v in %v", c.wait, n.Commands, n.Scripts, c.commands, c.scripts)
		}
	}
	n := Count(l, s, Default())
	if !near(n.Beats, 90_000) || !near(n.Compared, 80_000) {
		t.Errorf("%v heartbeats, %v compared", n.Beats, n.Compared)
	}
	s.Reference = false
	if n := Count(l, s, Default()); n.Beats != 0 || n.Compared != 0 {
		t.Errorf("without the reference's keys: %v heartbeats, %v compared", n.Beats, n.Compared)
	}
}

// TestHolders compares what is expected with the mean over every way to spread the
// sessions of a user over the nodes.
func TestHolders(t *testing.T) {
	t.Parallel()
	for nodes := 1; nodes <= 5; nodes++ {
		for perUser := 1; perUser <= 4; perUser++ {
			ways := int(math.Pow(float64(nodes), float64(perUser)))
			sum := 0
			for way := range ways {
				held := make(map[int]bool)
				for rest, k := way, 0; k < perUser; rest, k = rest/nodes, k+1 {
					if at := rest % nodes; at != 0 { // 0 is where the push is made
						held[at] = true
					}
				}
				sum += len(held)
			}
			if got, want := holders(float64(perUser), float64(nodes)), float64(sum)/float64(ways); !near(got, want) {
				t.Errorf("%d sessions on %d nodes: %v, want %v", perUser, nodes, got, want)
			}
		}
	}
}
