package plan

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"
)

func heartbeats() *Plan {
	return &Plan{Scenarios: []Scenario{{Kind: Heartbeat, URL: "ws://localhost/", Connections: 10}}}
}

func TestCompleteReportsTypedErrors(t *testing.T) {
	t.Parallel()
	p := heartbeats()
	p.Duration, p.Scenarios[0].Rate = -1, math.NaN()
	err := p.Complete()
	var one *Error
	if !errors.As(err, &one) || one.Key != "duration" || one.File != "" || one.Line != 0 {
		t.Fatalf("got %+v", err)
	}
	want := "duration: it must be above 0s and at most 168h, got -1ns\nscenarios[0].rate: it must be above 0 and at most 10,000,000, got NaN"
	if err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
	if p.Whole {
		t.Error("a plan with errors counts as whole")
	}
}

func TestCompleteRefusesWhatJSONCannotHold(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*Plan){
		"bad UTF-8":           func(p *Plan) { p.Scenarios[0].Message = "\xff"; p.Scenarios[0].Expect = "*" },
		"bad UTF-8 in a list": func(p *Plan) { p.Scenarios[0].Ignore = []string{"\xff"} },
		"bad UTF-8 in a map":  func(p *Plan) { p.Scenarios[0].Headers = map[string]string{"A": "\xff"} },
		"infinite rate":       func(p *Plan) { p.Scenarios[0].Rate = math.Inf(1) },
		"infinite connect":    func(p *Plan) { p.Scenarios[0].ConnectRate = math.Inf(1) },
		"no number":           func(p *Plan) { p.FindMax, p.FindTop = "p99<5ms", math.NaN() },
		"long message":        func(p *Plan) { p.Scenarios[0].Message = strings.Repeat("x", MaxMessage+1); p.Scenarios[0].Expect = "*" },
		"many headers": func(p *Plan) {
			p.Scenarios[0].Headers = map[string]string{}
			for i := range maxList + 1 {
				p.Scenarios[0].Headers[decimalName(i)] = "x"
			}
		},
		"many scenarios": func(p *Plan) {
			for range maxScenarios {
				p.Scenarios = append(p.Scenarios, p.Scenarios[0])
			}
		},
		"long name": func(p *Plan) { p.Name = strings.Repeat("x", maxName+1) },
	} {
		p := heartbeats()
		change(p)
		if err := p.Complete(); err == nil {
			t.Errorf("%s: there is no error", name)
		}
	}
}

func decimalName(i int) string {
	return "X-" + strings.Repeat("a", i%10+1) + strings.Repeat("b", i/10+1)
}

func TestEmptyListsBecomeNil(t *testing.T) {
	t.Parallel()
	p := heartbeats()
	p.FailIf, p.PIDs, p.Scenarios[0].Headers = []string{}, []int{}, map[string]string{}
	if err := p.Complete(); err != nil {
		t.Fatal(err)
	}
	roundTrip(t, p)
}

func TestLength(t *testing.T) {
	t.Parallel()
	p := Plan{
		Warmup: 2 * time.Second, Duration: 10 * time.Second, Settle: 3 * time.Second,
		Scenarios: []Scenario{
			{Kind: Heartbeat, Connections: 100, ConnectRate: 10},
			{Kind: Connect, Connections: 10, ConnectRate: 10, Hold: 4 * time.Second},
		},
	}
	if got, want := p.Length(), 25*time.Second; got != want {
		t.Errorf("ramp, warm-up, duration and settle: got %v, want %v", got, want)
	}
	p.Scenarios[1].Hold = 20 * time.Second
	if got, want := p.Length(), 33*time.Second; got != want {
		t.Errorf("ramp, hold and settle: got %v, want %v", got, want)
	}
	p.Scenarios[1] = Scenario{Kind: Storm, Storm: &Storming{Cycles: 5, Every: 6 * time.Second, GiveUp: 4 * time.Second}}
	if got, want := p.Length(), 47*time.Second; got != want {
		t.Errorf("ramp, storms, the last way back and settle: got %v, want %v", got, want)
	}
	p.Scenarios[0].ConnectRate = 1e-300
	if got := p.Length(); got < 24*365*time.Hour {
		t.Errorf("a ramp for ever: got %v", got)
	}
}

func TestOpsRate(t *testing.T) {
	t.Parallel()
	for want, s := range map[float64]Scenario{
		50: {Connections: 100, Every: 2 * time.Second}, 7: {Connections: 100, Rate: 7}, 0: {Connections: 100, Model: Closed},
	} {
		if got := s.OpsRate(); got != want {
			t.Errorf("got %v, want %v", got, want)
		}
	}
}

func TestAt(t *testing.T) {
	t.Parallel()
	p := &Plan{
		FindMax: "p99<50ms",
		Scenarios: []Scenario{
			{Kind: Heartbeat, URL: "ws://localhost", Rate: 300, Connections: 30},
			{Kind: Echo, URL: "ws://localhost", Rate: 100, Connections: 10},
		},
	}
	if err := p.Complete(); err != nil {
		t.Fatal(err)
	}
	if got := p.FindStart(); got != 400 {
		t.Errorf("a search of rates starts at %v, want 400", got)
	}
	if p.FindTop != 400_000 {
		t.Errorf("it ends at %v, want 400,000", p.FindTop)
	}
	c := p.At(1000)
	if c.Scenarios[0].Rate != 750 || c.Scenarios[1].Rate != 250 || c.Scenarios[0].ConnectRate != 1000 {
		t.Errorf("at 1000: got %+v", c.Scenarios)
	}
	if p.Scenarios[0].Rate != 300 {
		t.Error("the plan itself was changed")
	}
	p.FindOf = OfConnections
	if got := p.FindStart(); got != 40 {
		t.Errorf("a search of connections starts at %v, want 40", got)
	}
	c = p.At(1e12)
	if c.Scenarios[0].Connections != maxConnections || c.Scenarios[1].Connections != maxConnections || c.Scenarios[0].Rate != 300 {
		t.Errorf("beyond the bounds: got %+v", c.Scenarios)
	}
	if c = p.At(0); c.Scenarios[0].Connections != 1 {
		t.Errorf("at 0: got %d connections, want 1", c.Scenarios[0].Connections)
	}
}

func TestTemplates(t *testing.T) {
	t.Parallel()
	p := &Plan{Scenarios: []Scenario{
		{Kind: Heartbeat, URL: "ws://localhost/{{.User}}", Headers: map[string]string{"B": "{{.ID}}", "A": "x"}},
		{Kind: Echo, URL: "ws://localhost", Expect: AnyMessage},
		{Kind: Push, URL: "ws://localhost"},
		{Kind: Storm, URL: "ws://localhost"},
	}}
	if err := p.Complete(); err != nil {
		t.Fatal(err)
	}
	var all []*Templates
	for i := range p.Scenarios {
		one, err := p.Scenarios[i].Templates()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, one)
	}
	v := &Values{ID: 7, User: "a/b", Mark: []byte("m"), Message: []byte(`"`)}
	text := func(tmpl *Template) string { return string(tmpl.Append(nil, v)) }
	heartbeat, echo, push, storm := all[0], all[1], all[2], all[3]
	if got := text(heartbeat.URL); got != "ws://localhost/a%2Fb" {
		t.Errorf("the URL is %q", got)
	}
	if len(heartbeat.Headers) != 2 || heartbeat.Headers[0].Name != "A" || text(heartbeat.Headers[1].Value) != "7" {
		t.Errorf("the headers are %+v", heartbeat.Headers)
	}
	if text(heartbeat.User) != "u7" || text(heartbeat.Expect) != heartbeatReply || heartbeat.ExpectAny || heartbeat.Body != nil {
		t.Errorf("heartbeat: got %+v", heartbeat)
	}
	if !echo.ExpectAny || echo.Expect != nil {
		t.Errorf("echo: got %+v", echo)
	}
	if push.Expect != push.Message || text(push.PublishURL) != "http://localhost/websocket/send/user/a%2Fb" || text(push.Body) != `{"message":"\""}` {
		t.Errorf("push: got %+v", push)
	}
	if len(push.PublishHeaders) != 1 || push.PublishHeaders[0].Name != "Content-Type" {
		t.Errorf("the headers of a publish are %+v", push.PublishHeaders)
	}
	if storm.Message != nil || storm.Expect != nil || storm.ExpectAny {
		t.Errorf("storm: got %+v", storm)
	}
	p.Scenarios[0].URL = "{{.Nothing}}"
	if _, err := p.Scenarios[0].Templates(); err == nil {
		t.Error("there is no error for an unknown field")
	}
}
