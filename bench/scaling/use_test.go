package scaling

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestNodeUse(t *testing.T) {
	t.Parallel()
	c := Default()
	l := Everyday(20_000)
	l.Broadcasts, l.Pushes, l.Payload = 2, 100, 128
	u := UseOf(l, Plain(2), c).Node
	for what, v := range map[string][2]float64{
		"connections": {u.Connections, 10_000},
		"heartbeats":  {u.Heartbeats, 400 * c.Heartbeat.Value / 1e6},
		"connects":    {u.Connects, 10_000.0 / 1800 * c.Connect.Value / 1e6},
		"publishing":  {u.Publishing, 50 * c.Publish.Value / 1e6},
		"handling":    {u.Handling, (50 + 2) * c.Handle.Value / 1e6},
		"frames":      {u.Frames, 20_000 * c.Frame.Value / 1e6},
		"sweep":       {u.Sweep, 10_000 * c.Frame.Value / 1e6 / 16},
		"memory":      {u.Memory, c.NodeBase.Value + 10_000*6200},
		"network":     {u.Net, (66+4+128)*(20_000+50) + 400*(66+26)},
	} {
		if !near(v[0], v[1]) {
			t.Errorf("%s: %v, want %v", what, v[0], v[1])
		}
	}
	if sum := u.Heartbeats + u.Connects + u.Publishing + u.Handling + u.Frames; !near(u.Cores, sum) {
		t.Errorf("cores %v, want %v", u.Cores, sum)
	}
}

func TestBrokerUse(t *testing.T) {
	t.Parallel()
	c := Default()
	l := Everyday(1000)
	l.Broadcasts, l.Pushes, l.Payload = 10, 0, 100
	s := Plain(100)
	one := UseOf(l, s, c).Broker
	if want := (10*c.MessageIn.Value + 1000*c.Copy.Value) / 1e6; !near(one.Cores, want) {
		t.Errorf("%v cores, want %v", one.Cores, want)
	}
	if want := 1000 * (c.JSONEnvelope.Value + 100); !near(one.Net, want) {
		t.Errorf("%v bytes a second, want %v", one.Net, want)
	}
	s.Exchanges = 4
	four := UseOf(l, s, c).Broker
	// Each broker gets every broadcast, and a quarter of the copies.
	if want := (10*c.MessageIn.Value + 250*c.Copy.Value) / 1e6; !near(four.Cores, want) {
		t.Errorf("%v cores of each of four brokers, want %v", four.Cores, want)
	}
	if !near(four.Channel*4, one.Channel) || !near(four.Spread*4, one.Spread) || !near(four.Net*4, one.Net) {
		t.Errorf("four exchanges: %+v, one: %+v", four, one)
	}
	s.Exchanges, s.FanOut = 1, 10
	if tree := UseOf(l, s, c); !near(tree.Broker.Spread*10, one.Spread) || tree.Counts.Relayed != 900 {
		t.Errorf("a tree: %+v", tree)
	}
}

// TestRedisUse adds up by hand what a single server does, and what the hot keys of a
// Redis Cluster do.
func TestRedisUse(t *testing.T) {
	t.Parallel()
	c := Default()
	l := Everyday(180_000) // 100 connects and as many leaves a second
	l.Pushes = 1000
	s := Plain(10)
	s.RoundTrip = 10 * time.Millisecond
	scripts := 200.0 // 20 changes a second of each node are less than one for each wait
	changes := 100*c.Arrive.Value + 100*c.Depart.Value
	leases := 2*c.Renewal.Value + 20*c.LeaseRead.Value
	u := UseOf(l, s, c).Redis
	for what, v := range map[string][2]float64{
		"changes": {u.Changes, scripts*c.Script.Value + changes},
		"beats":   {u.Beats, 9000 * c.Beat.Value},
		"compare": {u.Compared, 8000 * c.Compare.Value},
		"lookups": {u.Lookups, 1000 * c.Lookup.Value},
		"leases":  {u.Leases, leases},
	} {
		if !near(v[0], v[1]/1e6) {
			t.Errorf("%s: %v, want %v", what, v[0], v[1]/1e6)
		}
	}
	if want := u.Changes + u.Beats + u.Compared + u.Lookups + u.Leases; !near(u.Total, want) {
		t.Errorf("in all %v, want %v", u.Total, want)
	}

	s.Masters, s.RoundTrip = 3, 100*time.Millisecond
	u = UseOf(l, s, c).Redis
	fences := 200.0 / 8 * c.Script.Value // in four steps, as long as they wait, 8 changes gather
	each := (100*c.ClusterArrive.Value + 100*c.ClusterDepart.Value) / 6
	for what, v := range map[string][2]float64{
		"coordination": {u.Coordination, fences + leases},
		"online":       {u.Online, each + 8000*c.Compare.Value + 1000*c.Compare.Value},
		"sessions":     {u.Sessions, each},
		"changes":      {u.Changes, fences + 6*each},
	} {
		if !near(v[0], v[1]/1e6) {
			t.Errorf("cluster, %s: %v, want %v", what, v[0], v[1]/1e6)
		}
	}
	s.Reference = false
	if got, want := UseOf(l, s, c).Redis.Changes, (fences+2*each)/1e6; !near(got, want) {
		t.Errorf("without the reference's keys changes take %v, want %v", got, want)
	}
}

// TestMixedNode: while there are reference nodes each node handles every push.
func TestMixedNode(t *testing.T) {
	t.Parallel()
	c := Default()
	l := Everyday(1000)
	l.Broadcasts, l.Pushes = 0, 100
	s := Plain(10)
	s.Mixed = true
	if got, want := UseOf(l, s, c).Node.Handling, 100*c.Handle.Value/1e6; !near(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// TestSettle: nodes wait for a round trip while Redis is idle, and for longer when it
// is not, so that more leaves together and it never is overloaded while that helps.
func TestSettle(t *testing.T) {
	t.Parallel()
	c := Default()
	if r := UseOf(Everyday(1e6), Plain(10), c).Redis; r.Wait != 0.0005 || r.Total > fullCore {
		t.Errorf("idle: %+v", r)
	}
	busy := UseOf(Everyday(5e6), Plain(50), c).Redis
	if busy.Wait <= 0.0005 || busy.Wait >= 0.1 || math.Abs(busy.Total-fullCore) > 0.01 || busy.Least > busy.Total {
		t.Errorf("busy: %+v", busy)
	}
	if r := UseOf(Everyday(1e8), Plain(1000), c).Redis; !near(r.Wait, 0.1) || !near(r.Total, r.Least) || r.Total < 1 {
		t.Errorf("overloaded: %+v", r)
	}
	s := Plain(50)
	s.RoundTrip = time.Second
	if r := UseOf(Everyday(1e6), s, c).Redis; r.Wait != 1 {
		t.Errorf("a far Redis: %+v", r)
	}
}

// TestReferenceKeys: without them the hot keys are gone, and the rest costs less.
func TestReferenceKeys(t *testing.T) {
	t.Parallel()
	s := Plain(100)
	s.Masters = 30
	with := UseOf(Everyday(1e7), s, Default()).Redis
	s.Reference = false
	without := UseOf(Everyday(1e7), s, Default()).Redis
	if with.Online == 0 || with.Sessions == 0 || with.SessionsMemory == 0 || with.Beats == 0 {
		t.Errorf("with them: %+v", with)
	}
	if without.Online != 0 || without.Sessions != 0 || without.SessionsMemory != 0 || without.Beats != 0 || without.Total >= with.Total ||
		without.Coordination != with.Coordination {
		t.Errorf("without them: %+v", without)
	}
}

// TestBreaks: at the count that is named the part is at its limit, which is nowhere
// below.
func TestBreaks(t *testing.T) {
	t.Parallel()
	c := Default()
	shape := func(n float64) Shape { return Plain(max(n/100_000, 1)) }
	breaks := Breaks(Limits(Plain(1)), Everyday, shape, c)
	if len(breaks) < 4 {
		t.Fatalf("%d breaks", len(breaks))
	}
	before := 0.0
	for _, b := range breaks {
		at := func(n float64) float64 { return b.Of(Everyday(n), shape(n), UseOf(Everyday(n), shape(n), c)) }
		if at(b.Connections*1.001) < 1 || at(b.Connections*0.98) >= 1 {
			t.Errorf("%s at %v: %v before, %v after", b.Part, b.Connections, at(b.Connections*0.98), at(b.Connections*1.001))
		}
		if b.Connections < before {
			t.Errorf("%s is out of order", b.Part)
		}
		before = b.Connections
	}
	never := Limit{"never", func(Load, Shape, Use) float64 { return 0.5 }, ""}
	if got := Breaks([]Limit{never}, Everyday, shape, c); len(got) != 0 {
		t.Errorf("%+v", got)
	}
}

func TestLimitsOfShapes(t *testing.T) {
	t.Parallel()
	names := func(s Shape) string {
		var list []string
		for _, l := range Limits(s) {
			list = append(list, l.Part)
		}
		return strings.Join(list, "\n")
	}
	s := Plain(10)
	if got := names(s); !strings.Contains(got, "single server") || strings.Contains(got, "online") {
		t.Error(got)
	}
	s.Masters = 3
	if got := names(s); strings.Contains(got, "single server") || !strings.Contains(got, "online") {
		t.Error(got)
	}
	s.Reference = false
	if got := names(s); strings.Contains(got, "online") {
		t.Error(got)
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	if err := Everyday(1).Validate(); err != nil {
		t.Error(err)
	}
	if err := Plain(1).Validate(); err != nil {
		t.Error(err)
	}
	err := Load{Known: 2, Pushes: -1, Broadcasts: -1, Payload: -1}.Validate()
	for _, what := range []string{"connections of 0", "sessions per user", "lifetime", "heartbeat", "pushes of -1", "known share", "broadcasts", "payload"} {
		if err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%v: no %q", err, what)
		}
	}
	err = Shape{Exchanges: 2, FanOut: 1, Masters: 2}.Validate()
	for _, what := range []string{"nodes of 0", "exchanges of 2", "fan-out of 1", "masters of 2", "lease", "refresh", "reconcile", "round trip", "node machine", "broker machine", "redis machine"} {
		if err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%v: no %q", err, what)
		}
	}
}
