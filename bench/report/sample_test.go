package report

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"time"

	"carillon/bench/stats"
)

// sample is a report as a run of many scenarios would write it, the same for
// the same seed. slower stretches every latency.
func sample(seed uint64, slower float64) *Report {
	g := &generator{rand.New(rand.NewPCG(seed, 1)), slower}
	r := &Report{
		Schema: Schema, ID: "20260304-050607-4f2a", Name: "gateway, all kinds",
		Started: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC), Seconds: 41.7,
		Command: []string{"carillon", "bench", "--config", "mix.yml", "--fail-if", "p99>50ms"}, Seed: seed,
		Verdict:  Passed,
		Warnings: []string{"net.core.somaxconn is 128: bursts of connects may be dropped"},
		Plan:     json.RawMessage(`{"name":"gateway, all kinds","duration":30000000000}`),
		Scenarios: []Scenario{
			g.scenario("echo", "echo", 2000, 20000), g.scenario("fan-out", "broadcast", 5000, 4),
			g.connects(), g.storm(), g.slow(), g.soak(),
		},
		Search: &Search{
			Goal: "p99<50ms", Of: "rate", Best: 42000, Bound: "server", Reason: "at 45,000/s p99 was 81.2 ms",
			Steps: []Step{
				{Asked: 10000, Reached: 10001, Held: true, Value: 2.1, P50: .4, P99: 2.1},
				{Asked: 20000, Reached: 19998, Held: true, Value: 3.9, P50: .5, P99: 3.9},
				{Asked: 40000, Reached: 39990, Held: true, Value: 22.4, P50: .9, P99: 22.4},
				{Asked: 80000, Reached: 51200, Held: false, Value: 412, P50: 101, P99: 412, Note: "p99 was 412 ms"},
				{Asked: 45000, Reached: 44987, Held: false, Value: 81.2, P50: 1.4, P99: 81.2, Note: "p99 was 81.2 ms"},
				{Asked: 42000, Reached: 42003, Held: true, Value: 31.7, P50: 1.1, P99: 31.7},
			},
		},
		Client: Client{
			Workers: 2, Loops: 2, CPUSeconds: 21.4, CPUShare: .36, MachineBusy: .71, RSS: 48 << 20, PerConn: 1432,
			CPUPerMSent: 1.1, CPUPerMRecv: .62, Late: g.latency(.02), Lag: g.latency(.05),
			Ticks: 30000, DroppedTick: 3, Dropped: 12, GCPause: .31,
		},
		Servers: []Server{g.server()},
		Environment: Environment{
			Host: "bench-1", OS: "linux", Kernel: "6.18.2", CPU: "AMD EPYC 7763", Cores: 2, Memory: 8 << 30, Go: "go1.26.0",
			Versions: map[string]string{"carillon": "v0.9.0", "gnet": "v2.10.0"},
			Limits:   map[string]string{"nofile": "1048576", "memory.max": "max"},
			Sysctls:  map[string]string{"net.core.somaxconn": "128", "net.ipv4.ip_local_port_range": "32768 60999"},
		},
	}
	r.Judge([]*Expr{must("p99>50ms"), must("echo:lost+wrong>0"), must("rss_per_conn>2KiB"), must("failures>5%")})
	return r
}

func must(s string) *Expr {
	e, err := ParseCheck(s)
	if err != nil {
		panic(err)
	}
	return e
}

type generator struct {
	rand   *rand.Rand
	slower float64
}

// ms draws a latency: most near the median, some far above.
func (g *generator) ms(median float64) time.Duration {
	v := median * g.slower * math.Exp(g.rand.NormFloat64()*.5)
	if g.rand.IntN(500) == 0 {
		v *= 8
	}
	return time.Duration(v * float64(time.Millisecond))
}

func (g *generator) fill(h *stats.Hist, median float64, n int) {
	for range n {
		h.Record(g.ms(median))
	}
}

func (g *generator) latency(median float64) Latency {
	var h stats.Hist
	g.fill(&h, median, 2000)
	return Summary(&h)
}

// scenario is one that exchanges messages: 5 s of connects, 2 s of warm-up, 30
// measured, 1 to settle.
func (g *generator) scenario(name, kind string, connections int64, rate float64) Scenario {
	s := Scenario{
		Name: name, Kind: kind, Model: "open", Target: "ws://127.0.0.1:18001/ws?token=***",
		Connections: connections, Rate: rate, Seconds: 30,
	}
	received := rate
	if kind == "broadcast" || kind == "slow" {
		received = rate * float64(connections)
	}
	n := int64(received * 30)
	c := &s.Measured.Counts
	*c = stats.Counts{
		Arrivals: int64(rate * 30), Received: n - 25, ReceivedBytes: n * 132,
		Expected: n, OK: n - 31, Lost: 25, Late: 4, Duplicate: 3, OutOfOrder: 2, Wrong: 1, FirstSegment: 7, Unexpected: 2,
	}
	if kind == "broadcast" || kind == "slow" {
		c.Published, c.PublishFailed = int64(rate*30)-1, 1
		s.Measured.Cause(stats.PublishFailed, "HTTP 503", 1)
		g.fill(s.Measured.Hist(stats.Publish), .9, 1000)
	} else {
		c.Sent, c.SentBytes = int64(rate*30), int64(rate*30)*134
	}
	s.Measured.Cause(stats.Wrong, "payload differs at byte 17", 1)
	g.setUp(&s)
	g.fill(s.Measured.Hist(stats.Latency), 1.2, 6000)
	g.fill(s.Measured.Hist(stats.Lateness), .02, 2000)
	g.fill(s.Measured.Hist(stats.LoopLag), .05, 1000)
	g.series(&s, rate, received, c.Published > 0)
	s.Summarise()
	return s
}

func (g *generator) setUp(s *Scenario) {
	n := int(min(s.Connections, 1000))
	s.Setup.Counts = stats.Counts{Connects: s.Connections + 12, Connected: s.Connections, ConnectFailed: 12, Closed: 3, Left: s.Connections - 3}
	s.Setup.Cause(stats.ConnectFailed, "connection refused", 9)
	s.Setup.Cause(stats.ConnectFailed, "HTTP 503", 3)
	s.Setup.Cause(stats.Closed, "close 1013 slow consumer", 3)
	for _, m := range []struct {
		metric stats.Metric
		median float64
	}{{stats.TCP, .08}, {stats.Upgrade, .4}, {stats.FirstMessage, .6}, {stats.Connect, .5}} {
		g.fill(s.Setup.Hist(m.metric), m.median, n)
	}
}

func (g *generator) series(s *Scenario, rate, received float64, publishes bool) {
	for t := 1.; t <= 38; t++ {
		p := Point{T: t, Open: s.Connections}
		noise := 1 + g.rand.NormFloat64()*.01
		switch {
		case t <= 5:
			p.Phase, p.Open, p.Connects = "connect", int64(float64(s.Connections)*t/5), float64(s.Connections)/5
			p.Failures = float64(g.rand.IntN(4))
		case t <= 7:
			p.Phase = "warmup"
		case t <= 37:
			p.Phase = "measure"
		default:
			p.Phase = "settle"
		}
		if t > 5 && t <= 37 {
			p.Arrivals, p.Received = rate, received*noise
			if publishes {
				p.Published = rate
			} else {
				p.Sent = rate * noise
			}
			p.P50 = 1.2 * g.slower * (1 + g.rand.NormFloat64()*.05)
			p.P99 = 4 * g.slower * (1 + g.rand.Float64())
			p.Max = p.P99 * (1 + 4*g.rand.Float64())
		}
		s.Series = append(s.Series, p)
	}
}

func (g *generator) connects() Scenario {
	s := Scenario{Name: "ramp", Kind: "connect", Model: "open", Target: "wss://127.0.0.1:18002/ws", Connections: 5000, Seconds: 5}
	g.setUp(&s)
	s.Measured, s.Setup = s.Setup, stats.Totals{}
	g.fill(s.Measured.Hist(stats.TLS), 1.1, 1000)
	for t := 1.; t <= 12; t++ {
		p := Point{T: t, Phase: "measure", Open: min(int64(t*1000), 5000)}
		if t <= 5 {
			p.Connects = 1000
		}
		s.Series = append(s.Series, p)
	}
	s.Summarise()
	return s
}

func (g *generator) storm() Scenario {
	s := Scenario{Name: "storm", Kind: "storm", Model: "open", Target: "ws://127.0.0.1:18001/ws", Connections: 3000, Seconds: 30}
	g.setUp(&s)
	s.Measured.Counts = stats.Counts{Connects: 6400, Connected: 6000, ConnectFailed: 400, Left: 6000}
	s.Measured.Cause(stats.ConnectFailed, "reset by peer", 400)
	for m, median := range []float64{.2, 14} {
		g.fill(s.Measured.Hist([]stats.Metric{stats.TCP, stats.Upgrade}[m]), median, 1000)
	}
	s.Storms = []Storm{
		{T: 10, Dropped: 3000, Back: 3000, Attempts: 3210, Failures: 210, Half: .31, P99: 1.4, All: 2.2, PeakRate: 4100, Backoff: "none"},
		{T: 20, Dropped: 3000, Back: 2998, Attempts: 3190, Failures: 190, Half: .33, P99: 1.7, PeakRate: 3900, Backoff: "none", Abandoned: 2},
	}
	for t := 1.; t <= 35; t++ {
		p := Point{T: t, Phase: "measure", Open: 3000}
		if t == 10 || t == 20 {
			p.Open, p.Connects, p.Failures = 1800, 2900, 190
		}
		s.Series = append(s.Series, p)
	}
	s.Summarise()
	return s
}

func (g *generator) slow() Scenario {
	s := g.scenario("laggards", "slow", 1000, 20)
	s.Slow = &Slow{Clients: 100, Rate: 1024, Read: 3 << 20, Closed: 97, Causes: map[stats.Cause]int64{{Kind: stats.Closed, Text: "close 1013 slow consumer"}: 97}, Left: 3}
	return s
}

func (g *generator) soak() Scenario {
	s := g.scenario("long", "soak", 500, 500)
	s.Leak = []Slope{
		{What: "rss", Unit: "KiB/h", PerHour: 812, Low: 640, High: 984, First: 30100, Last: 36800, Samples: 1800, Leak: true},
		{What: "p99 latency", Unit: "ms/h", PerHour: .02, Low: -.11, High: .15, First: 4, Last: 4.1, Samples: 1800},
	}
	return s
}

func (g *generator) server() Server {
	s := Server{
		Source: "pid 4711 carillon", CPUSeconds: 24.8, UserSeconds: 15.1, SysSeconds: 9.7, RSSBefore: 18 << 20, RSS: 31 << 20,
		RSSMax: 33 << 20, PSS: 30 << 20, PerConn: 842, CPUPerMSent: 14.2, CPUPerMRecv: 3.1, Threads: 9, FDs: 16023,
		Missing: []string{"/proc/4711/io: permission denied"},
	}
	for t := 1.; t <= 41; t++ {
		s.Series = append(s.Series, ServerPoint{
			T: t, CPU: .8 + .1*g.rand.NormFloat64(), RSS: 18<<20 + int64(min(t, 6)*2.2*(1<<20)), PSS: 17<<20 + int64(min(t, 6)*2.2*(1<<20)), FDs: 20 + int(min(t, 5)*3200),
		})
	}
	return s
}
