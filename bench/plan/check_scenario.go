package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// checkScenario checks one scenario, whose defaults are filled in.
func (d *draft) checkScenario(i int) {
	s, key := &d.Scenarios[i], scenarioKey(i)
	oneOf(d, key+".kind", s.Kind, Kinds()...)
	d.checkHandshake(s, key+".")
	if !s.Kind.known() {
		return
	}
	d.from(key+".connections", float64(s.Connections), 1, maxConnections)
	d.from(key+".first-id", float64(s.FirstID), 0, maxFirstID)
	d.above(key+".connect-rate", s.ConnectRate, 0, maxRate)
	if slices.Contains(gathering, s.Kind) {
		d.from(key+".connect-pending", float64(s.ConnectPending), 1, maxConnections)
	}
	d.wait(key+".connect-timeout", s.ConnectTimeout, false, maxWait)
	d.wait(key+".hold", s.Hold, true, maxLimit)
	for i, text := range s.Ignore {
		if text == "" {
			d.errs.add(fmt.Sprintf("%s.ignore[%d]", key, i), "it is empty, so that every message begins with it")
		}
	}
	if slices.Contains(messaging, s.Kind) {
		d.checkLoad(s, key+".")
		d.checkMessage(s, key+".")
		d.wait(key+".reply-timeout", s.ReplyTimeout, false, maxWait)
	}
	if p := s.Publish; p != nil {
		d.checkPublish(s, key+".publish.")
	}
	if c := s.Churn; c != nil {
		d.above(key+".churn.rate", c.Rate, 0, maxRate)
		d.wait(key+".churn.lifetime", c.Lifetime, false, maxLimit)
	}
	if s.Storm != nil {
		d.checkStorm(s.Storm, key+".storm.")
	}
	if s.Slow != nil {
		d.from(key+".slow.share", s.Slow.Share, 0, 1)
		d.from(key+".slow.bytes-per-second", float64(s.Slow.Rate), 0, 1<<40)
	}
}

// checkHandshake checks what a connection is made with.
func (d *draft) checkHandshake(s *Scenario, key string) {
	user, err := Compile(s.User, FieldID)
	switch {
	case err != nil:
		d.errs.add(key+"user", "%v", err)
	case s.User == "" && s.Kind.known():
		d.errs.add(key+"user", "it is empty")
	case !printable(user):
		d.errs.add(key+"user", "it has control characters")
	}
	where := "" // {{.Token}} is used
	if s.publishUsesToken() {
		where = "publish"
	}
	if d.checkHeaders(key+"headers", s.Headers, handshakeFields, handshakeHeaders) {
		where = "headers"
	}
	address, err := checkURL(s.URL, clientURL)
	if err != nil {
		d.errs.add(key+"url", "%v", err)
	} else if address.Uses(FieldToken) {
		where = "url"
	}
	if !subprotocols(s.Subprotocol) {
		d.errs.add(key+"subprotocol", "it must be a token of HTTP, or several with commas")
	}
	d.checkToken(s, key, where)
}

// publishUsesToken tells whether connections that publish are made with a token.
func (s *Scenario) publishUsesToken() bool {
	if s.Publish == nil || s.Publish.Via != ViaClient {
		return false
	}
	texts := append(slices.Collect(maps.Values(s.Publish.Headers)), s.Publish.URL)
	return slices.ContainsFunc(texts, func(text string) bool {
		t, err := Compile(text, handshakeFields...)
		return err == nil && t.Uses(FieldToken)
	})
}

// checkToken checks where tokens come from; used is the key that needs them, or "".
func (d *draft) checkToken(s *Scenario, key string, used string) {
	source := "token-file"
	if s.JWTSecret != "" {
		source = "jwt-secret"
	}
	have := s.TokenFile != "" || s.JWTSecret != "" || d.bad[key+"token-file"] || d.bad[key+"jwt-secret"]
	switch {
	case s.TokenFile != "" && s.JWTSecret != "":
		d.errs.add(key+"jwt-secret", "a token comes from a file or is made with a secret, not both")
	case have && used == "":
		d.errs.add(key+source, "neither the URL nor a header has {{.Token}}, where the token would go")
	case used != "" && !have:
		d.errs.add(key+used, "{{.Token}} is used, and there is neither a token file nor a JWT secret")
	}
	if s.JWTSecret != "" {
		d.wait(key+"jwt-ttl", s.JWTTTL, false, 10*365*24*time.Hour)
	} else if s.JWTTTL != 0 {
		d.errs.add(key+"jwt-ttl", "there is no JWT secret to make tokens with")
	}
}

// refuse reports a key that is set and must not be.
func (d *draft) refuse(key string, set bool, problem string) {
	if set {
		d.errs.add(key, "%s", problem)
	}
}

// checkLoad checks when operations are due.
func (d *draft) checkLoad(s *Scenario, key string) {
	if slices.Contains(asking, s.Kind) {
		oneOf(d, key+"model", s.Model, Open, Closed)
	}
	if s.Model == Closed {
		d.checkClosed(s, key)
		return
	}
	oneOf(d, key+"arrival", s.Arrival, Constant, Poisson)
	const closed = "it belongs to the closed model, and the model is open"
	d.refuse(key+"outstanding", s.Outstanding != 0, closed)
	d.refuse(key+"think", s.Think != 0, closed)
	rate, every := d.set(key+"rate", s.Rate == 0), d.set(key+"every", s.Every == 0)
	switch {
	case rate && every:
		d.errs.add(key+"every", "a rate is given as well; one of them says how often")
	case every:
		d.wait(key+"every", s.Every, false, maxLimit)
		if s.Every > 0 && s.OpsRate() > maxRate {
			d.errs.add(key+"every", "it comes to %s operations per second, more than %s", decimal(s.OpsRate()), decimal(maxRate))
		}
	default:
		d.above(key+"rate", s.Rate, 0, maxRate)
	}
}

func (d *draft) checkClosed(s *Scenario, key string) {
	const open = "it belongs to the open model, and the model is closed: a connection sends again when it was answered"
	d.refuse(key+"rate", d.set(key+"rate", s.Rate == 0), open)
	d.refuse(key+"every", d.set(key+"every", s.Every == 0), open)
	d.refuse(key+"arrival", s.Arrival != "", open)
	d.from(key+"outstanding", float64(s.Outstanding), 1, 10_000)
	d.wait(key+"think", s.Think, true, maxWait)
}

// checkMessage checks what is sent and what shall come back.
func (d *draft) checkMessage(s *Scenario, key string) {
	fields := s.Kind.messageFields()
	message, err := Compile(s.Message, fields...)
	switch {
	case err != nil:
		d.errs.add(key+"message", "%v", err)
	case s.Message == "":
		d.errs.add(key+"message", "it is empty")
	case s.Kind.Marked() && !message.Uses(FieldMark):
		d.errs.add(key+"message", "it must have {{.Mark}}, which messages of kind %s are known by", s.Kind)
	}
	expect := message
	switch s.Expect {
	case AnyMessage:
		return
	case "":
		if !s.Kind.Marked() && s.Message != "" {
			d.errs.add(key+"expect", "it is not set, and the message is not the default one; write the reply, or * for any message")
		}
	default:
		expect, err = Compile(s.Expect, fields...)
		switch {
		case err != nil:
			d.errs.add(key+"expect", "%v", err)
		case s.Kind.Marked() && !expect.Uses(FieldMark):
			d.errs.add(key+"expect", "it must have {{.Mark}}, which messages of kind %s are known by, or be *", s.Kind)
		}
	}
	for i, text := range s.Ignore {
		if expect != nil && text != "" && strings.HasPrefix(expect.prefix(), text) {
			d.errs.add(fmt.Sprintf("%signore[%d]", key, i), "the expected message begins with it, and would never be looked at")
		}
	}
}

func (d *draft) checkPublish(s *Scenario, key string) {
	p := s.Publish
	oneOf(d, key+"via", p.Via, ViaHTTP, ViaClient)
	rule, reserved := urlRule{schemes: []string{"http", "https"}, fields: s.publishFields()}, requestHeaders
	if p.Via == ViaClient {
		rule.schemes, reserved = []string{"ws", "wss"}, handshakeHeaders
		d.refuse(key+"method", p.Method != "", "it belongs to HTTP, and publishes go via client")
		d.refuse(key+"status", p.Status != nil, "it belongs to HTTP, and publishes go via client")
	} else if !httpToken(p.Method) {
		d.errs.add(key+"method", "it must be an HTTP method, got %s", quote(p.Method))
	}
	if _, err := checkURL(p.URL, rule); err != nil {
		// What was made from an address that is wrong itself has been reported there.
		made := p.URL == "" || p.URL == s.URL || p.URL == publishURL(s.URL, s.Kind)
		if _, origin := checkURL(s.URL, clientURL); origin == nil || !made {
			d.errs.add(key+"url", "%v", err)
		}
	}
	d.checkHeaders(key+"headers", p.Headers, s.publishFields(), reserved)
	body, err := Compile(p.Body, s.bodyFields()...)
	switch {
	case err != nil:
		d.errs.add(key+"body", "%v", err)
	case !body.Uses(FieldMessage) && !body.Uses(FieldRaw):
		d.errs.add(key+"body", "it must have {{.Message}} or {{.Raw}}, where the message goes")
	}
	d.from(key+"publishers", float64(p.Publishers), 1, maxPublishers)
	d.wait(key+"timeout", p.Timeout, false, maxWait)
	for i, code := range p.Status {
		d.from(fmt.Sprintf("%sstatus[%d]", key, i), float64(code), 100, 599)
	}
}

func (d *draft) checkStorm(s *Storming, key string) {
	d.from(key+"cycles", float64(s.Cycles), 1, 1_000_000)
	d.wait(key+"every", s.Every, false, maxLimit)
	d.wait(key+"give-up", s.GiveUp, false, maxWait)
	b := s.Backoff
	if b == nil {
		return
	}
	d.wait(key+"backoff.base", b.Base, false, maxWait)
	d.from(key+"backoff.factor", b.Factor, 1, 100)
	d.wait(key+"backoff.max", b.Max, false, maxWait)
	if b.Max > 0 && b.Max < b.Base {
		d.errs.add(key+"backoff.max", "it is below the base, %s", short(b.Base))
	}
	d.from(key+"backoff.jitter", b.Jitter, 0, 1)
}
