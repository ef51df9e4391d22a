package live

import "carillon/bench/report"

// minute is how many states a screen looks back.
const minute = 60

// series are the last values of one figure, the newest last.
type series []float64

func (s series) push(v float64) series {
	if len(s) == minute {
		s = s[:copy(s, s[1:])]
	}
	return append(s, v)
}

// track is the last minute of one scenario.
type track struct {
	open, sent, received, published, p99 series
}

// history is the last minute of a run.
type history struct {
	scenarios map[string]*track
	client    series            // cores
	servers   map[string]series // cores, by source
}

func newHistory() *history {
	return &history{scenarios: make(map[string]*track), servers: make(map[string]series)}
}

// add appends a state. What is no longer in it is forgotten.
func (h *history) add(p *report.Progress) {
	scenarios, servers := make(map[string]*track, len(p.Scenario)), make(map[string]series, len(p.Servers))
	for i := range p.Scenario {
		s := &p.Scenario[i]
		t := h.scenarios[s.Name]
		if t == nil {
			t = new(track)
		}
		t.open = t.open.push(float64(s.Last.Open))
		t.sent = t.sent.push(s.Last.Sent)
		t.received = t.received.push(s.Last.Received)
		t.published = t.published.push(s.Last.Published)
		t.p99 = t.p99.push(s.Last.P99)
		scenarios[s.Name] = t
	}
	for _, s := range p.Servers {
		servers[s.Source] = h.servers[s.Source].push(s.Last.CPU)
	}
	h.scenarios, h.servers = scenarios, servers
	h.client = h.client.push(p.Client.CPU)
}

func (h *history) of(name string) *track {
	if t := h.scenarios[name]; t != nil {
		return t
	}
	return new(track)
}
