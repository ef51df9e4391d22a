package webtest

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

func testManualClose(t *testing.T, b *Browser, g *Gateway) {
	p := openAndConnect(t, b, g, WithClock())
	p.Click("close")
	p.WaitState(StateClosed)
	expect(t, "status", p.Text("status"), "Closed by you (1000)")
	Eventually(t, "the gateway gets a close frame with 1000", func() bool {
		return slices.ContainsFunc(g.Received(), func(m Message) bool { return m.Close == 1000 })
	})
	expectQuiet(t, p, g, 1)

	p.Click("connect")
	p.WaitState(StateOpen)
}

// expectQuiet checks that the page makes no further attempt.
func expectQuiet(t *testing.T, p *Page, g *Gateway, handshakes int) {
	t.Helper()
	if pending := p.Clock().Pending(); len(pending) != 0 {
		t.Errorf("timers are pending: %v", pending)
	}
	p.Clock().Advance(10 * time.Minute)
	expect(t, "state", p.State(), StateClosed)
	if g.Handshakes != nil {
		expect(t, "handshakes", len(g.Handshakes()), handshakes)
	}
}

func testCloseWhileWaiting(t *testing.T, b *Browser, g *Gateway) {
	p := openAndConnect(t, b, g, WithClock())
	Eventually(t, "the session is there", func() bool { return g.Sessions() == 1 })
	g.Cut()
	p.WaitState(StateWaiting)
	p.Click("close")
	p.WaitState(StateClosed)
	expectQuiet(t, p, g, 1)
}

func testBackoff(t *testing.T, b *Browser, g *Gateway) {
	p := openAndConnect(t, b, g, WithClock())
	Eventually(t, "the session is there", func() bool { return g.Sessions() == 1 })
	g.Refuse(503)
	g.Cut()
	p.WaitState(StateWaiting)
	expect(t, "status", p.Text("status"), "Connection lost (1006)")
	for i, seconds := range []int{1, 2, 4, 8, 16, 30, 30} {
		delay := time.Duration(seconds) * time.Second
		expect(t, "attempts so far", len(g.Handshakes()), 1+i)
		expect(t, fmt.Sprintf("delays before attempt %d", i+1), fmt.Sprint(p.Clock().Pending()), fmt.Sprint([]time.Duration{delay}))
		expect(t, "countdown", p.Text("countdown"), fmt.Sprintf("Reconnecting in %d s", seconds))
		p.Clock().Advance(delay - time.Second)
		expect(t, "countdown near its end", p.Text("countdown"), "Reconnecting in 1 s")
		p.Clock().Advance(time.Second - time.Millisecond)
		expect(t, "state just before the time", p.State(), StateWaiting)
		p.Clock().Advance(time.Millisecond)
		Eventually(t, "an attempt was refused", func() bool { return len(g.Handshakes()) == 2+i })
		p.WaitState(StateWaiting)
	}
	g.Refuse(0)
	p.Clock().Advance(30 * time.Second)
	p.WaitState(StateOpen)
	Eventually(t, "the session is there", func() bool { return g.Sessions() == 1 })

	// The success has set the delay back.
	g.Cut()
	p.WaitState(StateWaiting)
	expect(t, "delays after a success", fmt.Sprint(p.Clock().Pending()), "[1s]")
	p.Clock().Advance(time.Second)
	p.WaitState(StateOpen)
}

func testConnectWhileWaiting(t *testing.T, b *Browser, g *Gateway) {
	p := openAndConnect(t, b, g, WithClock())
	Eventually(t, "the session is there", func() bool { return g.Sessions() == 1 })
	g.Cut()
	p.WaitState(StateWaiting)
	expect(t, "button", p.Text("connect"), "Connect now")
	p.Click("connect")
	p.WaitState(StateOpen)
	expect(t, "pending timers", len(p.Clock().Pending()), 0)
	p.Clock().Advance(time.Minute)
	expect(t, "handshakes", len(g.Handshakes()), 2)
	expect(t, "state", p.State(), StateOpen)
}

func testRealSecond(t *testing.T, b *Browser, g *Gateway) {
	openAndConnect(t, b, g)
	Eventually(t, "the session is there", func() bool { return g.Sessions() == 1 })
	cut := time.Now()
	g.Cut()
	Eventually(t, "the page is back", func() bool { return len(g.Handshakes()) == 2 })
	if took := g.Handshakes()[1].Sub(cut); took < time.Second || took > 10*time.Second {
		t.Errorf("the page came back after %v, want one second and little more", took)
	}
}

func testCloseCodes(t *testing.T, b *Browser, g *Gateway) {
	p := b.Open(t, g.URL, WithClock())
	for _, c := range []struct {
		code   int
		reason string
		again  bool
		status string
	}{
		{1000, "", false, "Closed: 1000, normal"},
		{1001, "server shutting down", true, "Closed: 1001, server shutting down"},
		{1002, "reserved opcode", false, "Closed: 1002, reserved opcode"},
		{1003, "", false, "Closed: 1003, unsupported data"},
		{1007, "", false, "Closed: 1007, invalid payload"},
		{1008, "not yours", false, "Closed: 1008, not yours"},
		{1009, "", false, "Closed: 1009, too big"},
		{1011, "", true, "Closed: 1011, internal error"},
		{1012, "", true, "Closed: 1012, service restart"},
		{1013, "slow consumer", true, "Closed: 1013, slow consumer"},
		{3000, "", true, "Closed: 3000"},
		{4401, "token expired", false, "Closed: 4401, token expired"},
		{4500, "heartbeat timeout", true, "Closed: 4500, heartbeat timeout"},
	} {
		Eventually(t, "the session before has ended", func() bool { return g.Sessions() == 0 })
		p.Click("connect")
		p.WaitState(StateOpen)
		Eventually(t, "the session is there", func() bool { return g.Sessions() == 1 })
		handshakes := len(g.Handshakes())
		g.Close(c.code, c.reason)
		if !c.again {
			p.WaitState(StateClosed)
			expect(t, "status", p.Text("status"), c.status)
			p.WaitLog("why it stops", contains("warn", c.status+". Not reconnecting: "))
			expectQuiet(t, p, g, handshakes)
			continue
		}
		p.WaitState(StateWaiting)
		expect(t, "status", p.Text("status"), c.status)
		p.Click("close")
		p.WaitState(StateClosed)
	}
}

func testRefusedToken(t *testing.T, b *Browser, g *Gateway) {
	for _, carrier := range []string{"query", "protocol"} {
		t.Run(carrier, func(t *testing.T) {
			p := b.Open(t, g.URL, WithClock())
			p.Fill("token", "wrong")
			p.Fill("carrier", carrier)
			handshakes := len(g.Handshakes())
			p.Click("connect")
			p.WaitState(StateClosed)
			expect(t, "status", p.Text("status"), "Refused with 401")
			p.WaitLog("the reason", contains("warn", "does not accept this token"))
			expectQuiet(t, p, g, handshakes+1)
		})
	}
}

func testRefusedAgain(t *testing.T, b *Browser, g *Gateway) {
	p := b.Open(t, g.URL, WithClock())
	for i, token := range []string{"wrong", "wrong as well"} {
		p.Click("clear")
		p.Fill("token", token)
		p.Click("connect")
		Eventually(t, "the attempt was refused", func() bool { return len(g.Handshakes()) == i+1 })
		p.WaitState(StateClosed)
		expect(t, "status", p.Text("status"), "Refused with 401")
		p.WaitLog("the reason", contains("warn", "does not accept this token"))
		expectQuiet(t, p, g, i+1)
	}
}

func testRefusedLater(t *testing.T, b *Browser, g *Gateway) {
	for name, first := range map[string]int{"overloaded": 503, "away": HangUp} {
		t.Run(name, func(t *testing.T) {
			g.Refuse(0)
			p := openAndConnect(t, b, g, WithClock())
			Eventually(t, "the session is there", func() bool { return g.Sessions() == 1 })
			handshakes := len(g.Handshakes())
			g.Refuse(first)
			g.Cut()
			p.WaitState(StateWaiting)
			p.Clock().Advance(time.Second)
			waitExplained(p, 1)
			expect(t, "state", p.State(), StateWaiting)
			g.Refuse(401)
			p.Clock().Advance(2 * time.Second)
			Eventually(t, "the token was refused", func() bool { return len(g.Handshakes()) == handshakes+2 })
			p.WaitState(StateClosed)
			expect(t, "status", p.Text("status"), "Refused with 401")
			p.WaitLog("the reason", contains("warn", "does not accept this token"))
			expectQuiet(t, p, g, handshakes+2)
		})
	}
}

// waitExplained waits until the page has asked n times why it was refused, and
// each time learnt it, or that nobody answers.
func waitExplained(p *Page, n int) {
	p.t.Helper()
	p.Eventually(fmt.Sprintf("%d refusals are explained", n), fmt.Sprintf(
		`performance.getEntriesByType("resource").filter((entry) => entry.initiatorType === "fetch").length === %d`, n))
}

func testOverloaded(t *testing.T, b *Browser, g *Gateway) {
	g.Refuse(503)
	p := b.Open(t, g.URL, WithClock())
	p.Click("connect")
	p.WaitLog("the answer", hasText("The gateway answers 503."))
	expect(t, "state", p.State(), StateWaiting)
	p.Clock().Advance(time.Second)
	waitExplained(p, 2)
	g.Refuse(429)
	p.Clock().Advance(2 * time.Second)
	p.WaitLog("another answer", hasText("The gateway answers 429."))
	same := 0
	for _, entry := range p.Log() {
		if entry.Text == "The gateway answers 503." {
			same++
		}
	}
	expect(t, "warnings of the same answer", same, 1)
	g.Refuse(0)
	p.Clock().Advance(4 * time.Second)
	p.WaitState(StateOpen)
}

func testAskedAnew(t *testing.T, b *Browser, g *Gateway) {
	g.Refuse(503)
	p := b.Open(t, g.URL, WithClock())
	p.Click("connect")
	p.WaitState(StateWaiting)
	p.Clock().Advance(time.Second)
	Eventually(t, "the second attempt was refused", func() bool { return len(g.Handshakes()) == 2 })
	p.WaitState(StateWaiting)
	expect(t, "delays of the page's own attempts", fmt.Sprint(p.Clock().Pending()), "[2s]")
	p.Click("connect")
	Eventually(t, "the user's attempt was refused", func() bool { return len(g.Handshakes()) == 3 })
	p.WaitState(StateWaiting)
	expect(t, "delays after the user's attempt", fmt.Sprint(p.Clock().Pending()), "[1s]")
}

func testOldSocket(t *testing.T, b *Browser, g *Gateway) {
	p := openAndConnect(t, b, g)
	Eventually(t, "the session is there", func() bool { return g.Sessions() == 1 })
	// The gateway reads one message more and then does not see the close frame.
	g.Hear(false)
	p.Click("send")
	Eventually(t, "the message arrives", func() bool { return len(texts(g)) == 1 })
	p.Click("close")
	p.WaitState(StateClosing)
	p.Click("connect")
	p.WaitState(StateOpen)
	g.Hear(true)
	Eventually(t, "the old session has ended", func() bool { return g.Sessions() == 1 && len(g.Handshakes()) == 2 })
	Never(t, 300*time.Millisecond, "the old socket's end is taken for the new one's", func() bool { return p.State() != StateOpen })
	p.Click("send")
	Eventually(t, "the new socket sends", func() bool { return len(texts(g)) == 2 })
}
