package engine

import (
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/gobwas/ws"

	"carillon/bench/plan"
	"carillon/bench/stats"
)

// mode is what a scenario's connections do with messages.
type mode uint8

const (
	modeIdle    mode = iota // connect, storm: they are counted
	modeRequest             // heartbeat, churn, soak: one fixed request under way, one fixed reply
	modeEcho                // marked requests come back
	modeDeliver             // broadcast, push, slow: marked messages that somebody published
)

// scenario is one scenario of the plan as this engine runs it. All but dial and
// the atomics is fixed once the engine runs.
type scenario struct {
	*plan.Scenario
	idx   int
	share Share
	own   stretch // of the scenario's operations, this engine's
	mode  mode

	to        endpoint
	user      *plan.Template
	message   *plan.Template
	expect    *plan.Template // what a receiver has to get; nil: any
	anyReply  bool           // Expect is "*": the mark, or the coming of a message, is all that is looked at
	constant  []byte         // expect, when it is the same for all
	op        ws.OpCode
	tokens    *plan.Tokens
	templates *plan.Templates

	open      atomic.Int64   // connections established, churners and publishers left out
	live      []atomic.Int32 // of them, those of each loop
	attempted atomic.Int64   // ramp attempts that have come to an end
	quota     atomic.Int64   // connections of the share wanted so far
	atMost    int64          // ramp attempts under way at once; 0: any number
	pending   atomic.Int64   // ramp attempts under way
	freed     atomic.Int64   // since when they are fewer than atMost again
	extra     atomic.Int64   // connections of publishers wanted
	from      atomic.Int64   // the measured period
	until     atomic.Int64

	dial   dialStats
	pushes *publishing
	storm  *storming
	slow   *slowReader
}

// dialStats is what dialers and publishers count. They are goroutines of their own.
type dialStats struct {
	mu  sync.Mutex
	acc [2]stats.Totals
}

// Windows of an accumulator.
const (
	measured = iota
	other
)

// windowOf tells to which period an operation belongs that was due at t.
func (sc *scenario) windowOf(t int64) int {
	if t >= sc.from.Load() && t < sc.until.Load() {
		return measured
	}
	return other
}

// count lets fn add to what was counted about dials and publishes due at t.
func (sc *scenario) count(due int64, fn func(*stats.Totals)) {
	w := sc.windowOf(due)
	sc.dial.mu.Lock()
	defer sc.dial.mu.Unlock()
	fn(&sc.dial.acc[w])
}

// newScenario prepares a scenario of a complete plan.
func newScenario(idx int, p *plan.Scenario, share Share, pins map[string][]netip.Addr) (*scenario, error) {
	sc := &scenario{Scenario: p, idx: idx, share: share, op: ws.OpText}
	sc.own = whole.part(share.First, share.First+share.Count, p.Connections)
	switch p.Kind {
	case plan.Connect, plan.Storm:
		sc.mode = modeIdle
	case plan.Heartbeat, plan.Churn, plan.Soak:
		sc.mode = modeRequest
	case plan.Echo:
		sc.mode = modeEcho
	case plan.Broadcast, plan.Push, plan.Slow:
		sc.mode = modeDeliver
	default:
		return nil, fmt.Errorf("scenario %s: unknown kind %q", p.Name, p.Kind)
	}
	if share.First < 0 || share.Count < 0 || share.First+share.Count > p.Connections {
		return nil, fmt.Errorf("scenario %s: connections %d to %d of %d", p.Name, share.First, share.First+share.Count, p.Connections)
	}
	if p.ConnectPending > 0 {
		sc.atMost = max(1, int64(p.ConnectPending)*int64(share.Count)/int64(p.Connections))
	}
	t, err := p.Templates()
	if err != nil {
		return nil, fmt.Errorf("scenario %s: %w", p.Name, err)
	}
	sc.templates = t
	sc.user, sc.message, sc.expect, sc.anyReply = t.User, t.Message, t.Expect, t.ExpectAny
	if sc.to, err = newEndpoint(p.URL, t.Headers, pins); err != nil {
		return nil, fmt.Errorf("scenario %s: %w", p.Name, err)
	}
	if sc.mode == modeRequest && sc.expect != nil && sc.expect.Constant() {
		sc.constant = sc.expect.Append(nil, &plan.Values{})
	}
	if sc.tokens, err = p.NewTokens(); err != nil {
		return nil, fmt.Errorf("scenario %s: %w", p.Name, err)
	}
	return sc, nil
}

// rate is how many operations per second the plan asks of all engines together.
func (sc *scenario) rate(scale float64) float64 {
	if scale > 0 {
		return sc.OpsRate() * scale
	}
	return sc.OpsRate()
}
