package engine

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
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
	mode  mode

	host      hostport // of URL
	tls       bool
	path      *plan.Template // request target
	headers   []headerTemplate
	user      *plan.Template
	message   *plan.Template
	expect    *plan.Template // what a receiver has to get
	sameBytes bool           // expect is message
	anyReply  bool           // Expect is "*": the mark, or the coming of a message, is all that is looked at
	ignore    []string
	constant  []byte // expect, when it is the same for all
	op        ws.OpCode
	tokens    *plan.Tokens

	open      atomic.Int64 // connections established, churners and publishers left out
	attempted atomic.Int64 // ramp attempts that have come to an end
	quota     atomic.Int64 // connections of the share wanted so far
	extra     atomic.Int64 // connections of publishers wanted
	from, to  atomic.Int64 // the measured period

	dial   dialStats
	pushes *publishing
	storm  *storming
	slow   *slowReader
}

// headerTemplate is one header of the upgrade request.
type headerTemplate struct {
	name  string
	value *plan.Template
}

// hostport is where a scenario connects to.
type hostport struct {
	host string // for Host and TLS
	name string // without the port
	port uint16
	addr []netip.Addr
}

// dialStats is what dialers count. They are goroutines of their own.
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
	if t >= sc.from.Load() && t < sc.to.Load() {
		return measured
	}
	return other
}

// count lets fn add to what was counted about dials due at t.
func (sc *scenario) count(due int64, fn func(*stats.Totals)) {
	w := sc.windowOf(due)
	sc.dial.mu.Lock()
	defer sc.dial.mu.Unlock()
	fn(&sc.dial.acc[w])
}

func newScenario(idx int, p *plan.Scenario, share Share, pins map[string][]netip.Addr) (*scenario, error) {
	sc := &scenario{Scenario: p, idx: idx, share: share, op: ws.OpText, ignore: p.Ignore}
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
	u, err := url.Parse(p.URL)
	if err != nil {
		return nil, err
	}
	sc.tls = u.Scheme == "wss"
	if sc.host, err = newHostport(u, pins); err != nil {
		return nil, err
	}
	compile := func(text string, fields ...plan.Field) *plan.Template {
		t, cerr := plan.Compile(text, fields...)
		err = errors.Join(err, cerr)
		return t
	}
	per := []plan.Field{plan.FieldID, plan.FieldUser, plan.FieldToken}
	sc.path = compile(targetOf(p.URL), per...)
	for name, value := range p.Headers {
		sc.headers = append(sc.headers, headerTemplate{name, compile(value, per...)})
	}
	sc.user = compile(p.User, plan.FieldID)
	text := []plan.Field{plan.FieldID, plan.FieldUser, plan.FieldSeq, plan.FieldMark, plan.FieldPad}
	sc.message = compile(p.Message, text...)
	switch p.Expect {
	case "":
		sc.expect, sc.sameBytes = sc.message, true
	case "*":
		sc.anyReply = true
	default:
		sc.expect = compile(p.Expect, text...)
	}
	if err != nil {
		return nil, fmt.Errorf("scenario %s: %w", p.Name, err)
	}
	if sc.mode == modeRequest && sc.expect != nil && sc.expect.Constant() {
		sc.constant = sc.expect.Append(nil, &plan.Values{})
	}
	sc.tokens, err = p.NewTokens()
	return sc, err
}

// rateOf is the part of the scenario's rate that this engine has.
func (sc *scenario) rateOf(scale float64) float64 {
	if sc.Connections == 0 {
		return 0
	}
	rate := sc.Rate
	if rate == 0 && sc.Every > 0 {
		rate = float64(sc.Connections) / sc.Every.Seconds()
	}
	if scale > 0 {
		rate *= scale
	}
	if sc.Kind == plan.Broadcast || sc.Kind == plan.Slow {
		if !sc.share.Publish {
			return 0
		}
		return rate
	}
	return rate * float64(sc.share.Count) / float64(sc.Connections)
}
