package plan

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// fill gives every member that was not given its default. What it does not
// understand it leaves for the checks.
func (d *draft) fill() {
	for i := range d.Scenarios {
		d.fillScenario(i, scenarioKey(i))
	}
	d.nameScenarios()
	if d.uses("duration") {
		preset(d, "warmup", &d.Warmup, 2*time.Second)
		duration := 10 * time.Second
		if slices.ContainsFunc(d.Scenarios, func(s Scenario) bool { return s.Kind == Soak }) {
			duration = 10 * time.Minute
		}
		preset(d, "duration", &d.Duration, duration)
	}
	preset(d, "settle", &d.Settle, 5*time.Second)
	d.fillSearch()
	// Twice what it takes: a server that is slow to connect is a result, not an accident.
	preset(d, "limit", &d.Limit, min(max(time.Hour, 2*d.Length()), maxLimit))
	switch {
	case d.set("name", d.Name == ""):
	case len(d.Scenarios) == 1:
		d.Name = d.Scenarios[0].Name
	default:
		d.Name = "mix"
	}
}

// uses tells whether any scenario uses a setting of the plan.
func (d *draft) uses(key string) bool {
	one := planSection.lookup(key)
	return slices.ContainsFunc(d.Scenarios, func(s Scenario) bool { return one.uses(s.Kind) })
}

func scenarioKey(i int) string { return "scenarios[" + strconv.Itoa(i) + "]" }

// nameScenarios names those without a name after their kind, and numbers them when there are several.
func (d *draft) nameScenarios() {
	kinds, taken := map[Kind]int{}, map[string]bool{}
	for _, s := range d.Scenarios {
		kinds[s.Kind]++
		taken[s.Name] = true
	}
	for i := range d.Scenarios {
		s := &d.Scenarios[i]
		if d.set(scenarioKey(i)+".name", s.Name == "") {
			continue
		}
		name := string(s.Kind)
		for n := 1; kinds[s.Kind] > 1 && (n == 1 || taken[name]); n++ {
			name = string(s.Kind) + "-" + strconv.Itoa(n)
		}
		s.Name, taken[name] = name, true
	}
}

func (d *draft) fillScenario(i int, key string) {
	s := &d.Scenarios[i]
	if !s.Kind.known() {
		return
	}
	preset(d, key+".user", &s.User, defaultUser)
	preset(d, key+".model", &s.Model, Open) // of those that only connect, too: connects are due at their rate
	preset(d, key+".connections", &s.Connections, 100)
	preset(d, key+".connect-rate", &s.ConnectRate, 1000)
	if slices.Contains(gathering, s.Kind) {
		preset(d, key+".connect-pending", &s.ConnectPending, max(1000, int(min(s.ConnectRate, maxConnections))))
	}
	preset(d, key+".connect-timeout", &s.ConnectTimeout, 10*time.Second)
	if s.JWTSecret != "" {
		preset(d, key+".jwt-ttl", &s.JWTTTL, 24*time.Hour)
	}
	if slices.Contains(messaging, s.Kind) {
		d.fillLoad(s, key)
		d.fillMessage(s, key)
		preset(d, key+".reply-timeout", &s.ReplyTimeout, 5*time.Second)
	}
	switch s.Kind {
	case Connect:
		preset(d, key+".hold", &s.Hold, 10*time.Second)
	case Broadcast, Push, Slow:
		d.fillPublish(s, key+".publish.")
		if s.Kind == Slow {
			s.Slow = orNew(s.Slow)
			preset(d, key+".slow.share", &s.Slow.Share, .1)
		}
	case Churn:
		s.Churn = orNew(s.Churn)
		preset(d, key+".churn.rate", &s.Churn.Rate, 100)
		preset(d, key+".churn.lifetime", &s.Churn.Lifetime, time.Second)
	case Storm:
		d.fillStorm(s, key+".storm.")
	}
}

func orNew[T any](p *T) *T {
	if p == nil {
		p = new(T)
	}
	return p
}

// fillLoad fills in model, rate and what belongs to them.
func (d *draft) fillLoad(s *Scenario, key string) {
	if s.Model == Closed {
		preset(d, key+".outstanding", &s.Outstanding, 1)
		return
	}
	preset(d, key+".arrival", &s.Arrival, Constant)
	if d.set(key+".rate", s.Rate == 0) || d.set(key+".every", s.Every == 0) {
		return
	}
	switch s.Kind {
	case Soak:
		s.Every = 25 * time.Second
	case Broadcast, Slow:
		s.Rate = 10
	case Push:
		s.Rate = 1000
	default:
		s.Rate = float64(min(1000, max(s.Connections, 1)))
	}
}

func (d *draft) fillMessage(s *Scenario, key string) {
	own := d.set(key+".message", s.Message == "")
	switch s.Kind {
	case Echo:
		preset(d, key+".message", &s.Message, echoMessage)
	case Broadcast, Push, Slow:
		preset(d, key+".message", &s.Message, publishedMessage)
	default:
		preset(d, key+".message", &s.Message, heartbeatMessage)
		if !own || s.Message == heartbeatMessage {
			preset(d, key+".expect", &s.Expect, heartbeatReply)
		}
	}
}

func (d *draft) fillPublish(s *Scenario, key string) {
	s.Publish = orNew(s.Publish)
	p := s.Publish
	preset(d, key+"via", &p.Via, ViaHTTP)
	preset(d, key+"timeout", &p.Timeout, 5*time.Second)
	publishers := 1
	if s.Kind == Push {
		publishers = 16
	}
	preset(d, key+"publishers", &p.Publishers, publishers)
	if p.Via == ViaClient {
		preset(d, key+"url", &p.URL, s.URL)
		preset(d, key+"body", &p.Body, clientBody)
		if !d.set(key+"headers", p.Headers == nil) {
			p.Headers = maps.Clone(s.Headers)
		}
		return
	}
	preset(d, key+"method", &p.Method, http.MethodPost)
	preset(d, key+"url", &p.URL, publishURL(s.URL, s.Kind))
	preset(d, key+"body", &p.Body, publishBody)
	if !slices.ContainsFunc(slices.Collect(maps.Keys(p.Headers)), func(name string) bool {
		return strings.EqualFold(name, "Content-Type")
	}) {
		p.Headers = maps.Clone(p.Headers) // the map is the caller's
		if p.Headers == nil {
			p.Headers = map[string]string{}
		}
		p.Headers["Content-Type"] = "application/json"
	}
}

// publishURL is where the gateway of this project, at the address that the clients connect to, takes publishes.
func publishURL(clients string, k Kind) string {
	scheme, authority, ok := cutURL(clients)
	if !ok {
		return ""
	}
	path := "/websocket/broadcast"
	if k == Push {
		path = "/websocket/send/user/{{.User}}"
	}
	return map[string]string{"ws": "http://", "wss": "https://"}[scheme] + authority + path
}

func (d *draft) fillStorm(s *Scenario, key string) {
	s.Storm = orNew(s.Storm)
	preset(d, key+"cycles", &s.Storm.Cycles, 3)
	preset(d, key+"every", &s.Storm.Every, 10*time.Second)
	preset(d, key+"give-up", &s.Storm.GiveUp, 30*time.Second)
	if b := s.Storm.Backoff; b != nil {
		preset(d, key+"backoff.base", &b.Base, time.Second)
		preset(d, key+"backoff.factor", &b.Factor, 2)
		preset(d, key+"backoff.max", &b.Max, 30*time.Second)
		preset(d, key+"backoff.jitter", &b.Jitter, 1)
	}
}
