package live

import (
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"carillon/bench/report"
)

// heartbeatRun is second n of a run with one scenario that goes well.
func heartbeatRun(n int) report.Progress {
	t := float64(n)
	p := report.Progress{
		Name: "heartbeats of 10,000", Elapsed: t, Phase: "measure", In: t - 12, Of: 60,
		Scenario: []report.ScenarioProgress{heartbeatScenario("heartbeat", n)},
		Client:   report.ClientProgress{Workers: 2, CPU: 0.61, Cores: 2, RSS: 48 << 20, LateP99: 0.31, LagP99: 0.12},
		Servers: []report.ServerProgress{{
			Source: "pid 4711 carillon", Last: report.ServerPoint{T: t, CPU: 0.4 + 0.2*math.Sin(t/5), RSS: 31 << 20},
		}},
		Warnings: []string{"net.core.somaxconn is 128: bursts of connects may be refused"},
	}
	if n < 12 {
		p.Phase, p.In, p.Of = "connect", t, 0
	}
	return p
}

func heartbeatScenario(name string, n int) report.ScenarioProgress {
	t := float64(n)
	open := min(int64(n)*900, 10_000)
	s := report.ScenarioProgress{
		Name: name, Kind: "heartbeat", Wanted: 10_000,
		Last: report.Point{
			T: t, Phase: "measure", Open: open,
			Sent: 2000 + 300*math.Sin(t/3), Received: 1990 + 300*math.Sin(t/3),
			P50: 0.82, P99: 2.4 + math.Sin(t/4), Max: 11.25,
		},
		Connected: open, Sent: int64(n) * 2000, Received: int64(n) * 1990,
	}
	if open < 10_000 {
		s.Last.Connects = 900
	} else {
		s.Latency = report.Latency{Count: int64(n) * 1990, P50: 0.813, P99: 2.71, P999: 8.44, P9999: 14.2, Max: 1234.6}
	}
	return s
}

// troubledRun is second n of a run in which much goes wrong.
func troubledRun(n int) report.Progress {
	p := heartbeatRun(n)
	p.Name, p.Step = "mix of all", "step 4: 20,000/s"
	p.Client.CPU, p.Client.LagP99, p.Client.Dropped = 1.93, 84.5, 1200
	b := heartbeatScenario("everyone", n)
	b.Kind, b.Published, b.Sent, b.Last.Sent, b.Last.Published = "broadcast", 431, 0, 0, 10
	b.ConnectFailed, b.Closed, b.Faults = 12, 3, 1043
	b.TopCauses = []report.Cause{
		{Text: "connection refused", Count: 12},
		{Text: "close 1013 \x1b[2Jslow\nconsumer", Count: 3},
		{Text: "HTTP 503", Count: 2},
	}
	p.Scenario = append(p.Scenario, b)
	p.Warnings = append(p.Warnings, "the clock of agent b differs by 3 ms", "20 of 10,000 connections were not made")
	return p
}

// crowdedRun has more scenarios than fit anywhere.
func crowdedRun(n int) report.Progress {
	p := heartbeatRun(n)
	p.Name = "thirty"
	p.Scenario = nil
	for i := range 30 {
		p.Scenario = append(p.Scenario, heartbeatScenario(fmt.Sprintf("scenario-%02d", i+1), n))
	}
	return p
}

// patience bounds every wait; a test that passes does not come near it.
const patience = 10 * time.Second

// counter counts calls.
type counter struct{ atomic.Int64 }

func (c *counter) call() { c.Add(1) }
