package webtest

import (
	"testing"
	"time"
)

func testHeartbeat(t *testing.T, b *Browser, g *Gateway) {
	const interval = 200 * time.Millisecond
	beats := func() []time.Time {
		var beats []time.Time
		for _, m := range g.Received() {
			if m.Text == heartbeat && !m.Binary {
				beats = append(beats, m.Time)
			}
		}
		return beats
	}
	p := b.Open(t, g.URL)
	p.Fill("interval", "0.2")
	start := time.Now()
	p.Click("connect")
	Eventually(t, "six heartbeats arrive", func() bool { return len(beats()) >= 6 })
	expect(t, "messages that are no heartbeat", len(texts(g)), 0)
	if first := beats()[0].Sub(start); first < interval {
		t.Errorf("the first heartbeat came after %v, want %v at least", first, interval)
	}
	// A busy machine may delay one and hurry the next; five in a row may not
	// come faster than their pace.
	if took := beats()[5].Sub(beats()[0]); took < 5*interval-interval/2 {
		t.Errorf("six heartbeats came within %v, want about %v", took, 5*interval)
	}
	p.WaitLog("an acknowledgement", func(e Entry) bool {
		return e.Kind == "in" && e.Heartbeat && e.Text == heartbeatAck && e.Size == "24 B"
	})
	p.Eventually("the round trip is shown", `/^\d+\.\d ms · mean\u00a0\d+\.\d$/.test(document.getElementById("round-trip").textContent)`)

	p.Click("heartbeat")
	p.WaitLog("the switch", hasText("Heartbeat off"))
	p.Click("send") // Everything that was under way has arrived before this.
	Eventually(t, "the message arrives", func() bool { return len(texts(g)) == 1 })
	seen := len(beats())
	Never(t, 4*interval, "a heartbeat after they were switched off", func() bool { return len(beats()) != seen })

	p.Fill("interval", "0")
	p.Click("heartbeat")
	p.WaitLog("a warning", contains("warn", "the interval must be 0.01 to 3600 s"))
	expect(t, "the field is marked", Eval[string](p, `document.getElementById("interval").ariaInvalid`), "true")
	p.Fill("interval", "0.3")
	p.WaitLog("the switch", hasText("Heartbeat every 0.3 s"))
	Eventually(t, "heartbeats arrive again", func() bool { return len(beats()) > seen })
}

func testHideHeartbeats(t *testing.T, b *Browser, g *Gateway) {
	p := b.Open(t, g.URL)
	p.Fill("interval", "0.1")
	p.Click("connect")
	p.WaitLog("an acknowledgement", hasText(heartbeatAck))
	shown := `Array.from(document.querySelectorAll("#log li[data-heartbeat]")).some((item) => item.offsetHeight > 0)`
	expect(t, "heartbeats are shown", Eval[bool](p, shown), true)
	p.Click("hide-heartbeats")
	expect(t, "heartbeats are shown", Eval[bool](p, shown), false)
	p.Click("hide-heartbeats")
	expect(t, "heartbeats are shown", Eval[bool](p, shown), true)
}

func testSilence(t *testing.T, b *Browser, g *Gateway) {
	p := b.Open(t, g.URL, WithClock())
	p.Fill("interval", "0.1")
	g.Hear(false)
	p.Click("connect")
	p.WaitLog("a heartbeat", hasText(heartbeat))
	p.Clock().Advance(11 * time.Second)
	p.WaitLog("a warning", contains("warn", "No acknowledgement of a heartbeat for 10 s."))
	expect(t, "state", p.State(), StateOpen)
}
