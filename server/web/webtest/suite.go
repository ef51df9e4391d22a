package webtest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

const (
	heartbeat    = `{"type":"HEARTBEAT"}`
	heartbeatAck = `{"type":"HEARTBEAT_ACK"}`
)

// Run drives the page through what it promises, against one gateway per test.
// newGateway starts a gateway and stops it when its test ends. Tests whose
// hooks it lacks are left out.
func Run(t *testing.T, newGateway func(t testing.TB) *Gateway) {
	b := NewBrowser(t)
	able := newGateway(t)
	for _, c := range cases {
		if !c.can(able) {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			c.run(t, b, newGateway(t))
		})
	}
}

// testCase is one test and the hooks that it cannot do without.
type testCase struct {
	name string
	can  func(*Gateway) bool
	run  func(*testing.T, *Browser, *Gateway)
}

func always(*Gateway) bool     { return true }
func pushes(g *Gateway) bool   { return g.Push != nil }
func receives(g *Gateway) bool { return g.Received != nil }
func counts(g *Gateway) bool   { return g.Sessions != nil && g.Handshakes != nil }
func cuts(g *Gateway) bool     { return counts(g) && g.Cut != nil }
func refuses(g *Gateway) bool  { return cuts(g) && g.Refuse != nil }
func closes(g *Gateway) bool   { return counts(g) && g.Close != nil }
func hears(g *Gateway) bool    { return closes(g) && receives(g) && g.Hear != nil }

var cases = []testCase{
	{"opens filled in", always, testDefaults},
	{"hides the token until asked", always, testReveal},
	{"connects", counts, testConnect},
	{"connects by keyboard alone", counts, testKeyboard},
	{"sends the token as a subprotocol", counts, testProtocolToken},
	{"refuses an address that is none", counts, testBadAddress},
	{"connects once when asked twice", counts, testDoubleConnect},
	{"sends what the editor shows", receives, testSend},
	{"writes the target user into the message", always, testTarget},
	{"offers a sample of every code", always, testCodes},
	{"shows what it receives", pushes, testReceive},
	{"shows markup as text", pushes, testMarkup},
	{"shows a close reason as text", closes, testReasonMarkup},
	{"keeps a thousand lines", pushes, testLogLimit},
	{"pauses and clears the log", pushes, testPause},
	{"sends heartbeats", receives, testHeartbeat},
	{"hides heartbeats", receives, testHideHeartbeats},
	{"warns when heartbeats are not acknowledged", hears, testSilence},
	{"stays closed after a manual close", receives, testManualClose},
	{"stays closed when closed while waiting", cuts, testCloseWhileWaiting},
	{"reconnects with doubling delays", refuses, testBackoff},
	{"connects at once when asked while waiting", cuts, testConnectWhileWaiting},
	{"waits a real second", cuts, testRealSecond},
	{"does what the close code says", closes, testCloseCodes},
	{"says why a token is refused", counts, testRefusedToken},
	{"goes on while the gateway is overloaded", refuses, testOverloaded},
	{"ignores an old socket", hears, testOldSocket},
	{"fits a phone", pushes, testPhone},
	{"labels every control", always, testLabels},
}

// openAndConnect opens the page and presses Connect.
func openAndConnect(t *testing.T, b *Browser, g *Gateway, options ...OpenOption) *Page {
	t.Helper()
	p := b.Open(t, g.URL, options...)
	p.Click("connect")
	p.WaitState(StateOpen)
	return p
}

func expect[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func hasText(text string) func(Entry) bool {
	return func(e Entry) bool { return e.Text == text }
}

func contains(kind, part string) func(Entry) bool {
	return func(e Entry) bool { return e.Kind == kind && strings.Contains(e.Text, part) }
}

// texts are the messages that came, without heartbeats and ends of sessions.
func texts(g *Gateway) []string {
	var texts []string
	for _, m := range g.Received() {
		if m.Close == 0 && m.Text != heartbeat {
			texts = append(texts, m.Text)
		}
	}
	return texts
}

func testDefaults(t *testing.T, b *Browser, g *Gateway) {
	before := time.Now().Truncate(time.Millisecond)
	p := b.Open(t, g.URL+"/index.html")
	expect(t, "address", p.Value("address"), strings.Replace(g.URL, "http", "ws", 1)+g.Endpoint)
	expect(t, "token", p.Value("token"), g.Token)
	expect(t, "state", p.State(), StateIdle)
	expect(t, "status", p.Text("status"), "Not connected")
	expect(t, "title", Eval[string](p, "document.title"), "carillon console")
	expect(t, "send is disabled", Eval[bool](p, `document.getElementById("send").disabled`), true)
	checkSample(t, p.Value("message"), "CHAT_SEND", before)
}

// checkSample checks a sample of a chat message, not older than since.
func checkSample(t testing.TB, text, code string, since time.Time) {
	t.Helper()
	var envelope struct {
		Type string `json:"type"`
		Code string `json:"code"`
		Data struct {
			Content string    `json:"content"`
			Time    time.Time `json:"time"`
		} `json:"data"`
	}
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&envelope); err != nil {
		t.Fatalf("sample %s: %v", text, err)
	}
	expect(t, "type", envelope.Type, "BIZ")
	expect(t, "code", envelope.Code, code)
	if envelope.Data.Content == "" || envelope.Data.Time.Before(since) {
		t.Errorf("sample %s: want a content, and a time from %v on", text, since)
	}
}

func testReveal(t *testing.T, b *Browser, g *Gateway) {
	p := b.Open(t, g.URL)
	kind := `document.getElementById("token").type`
	expect(t, "type of the field", Eval[string](p, kind), "password")
	p.Click("reveal")
	expect(t, "type of the field", Eval[string](p, kind), "text")
	p.Click("reveal")
	expect(t, "type of the field", Eval[string](p, kind), "password")
}

func testConnect(t *testing.T, b *Browser, g *Gateway) {
	p := openAndConnect(t, b, g)
	expect(t, "status", p.Text("status"), "Connected")
	expect(t, "handshakes", len(g.Handshakes()), 1)
	Eventually(t, "one session is there", func() bool { return g.Sessions() == 1 })
	p.WaitLog("the connection", hasText("Connected"))
	for _, entry := range p.Log() {
		if strings.Contains(entry.Text, g.Token) {
			t.Errorf("the log shows the token: %q", entry.Text)
		}
	}
}

func testKeyboard(t *testing.T, b *Browser, g *Gateway) {
	p := b.Open(t, g.URL)
	p.Do(`document.getElementById("address").focus()`)
	p.Press(kb.Enter)
	p.WaitState(StateOpen)
	visited := map[string]bool{}
	for range 40 {
		p.Press(kb.Tab)
		visited[Eval[string](p, "document.activeElement.id")] = true
	}
	for _, id := range []string{"address", "token", "close", "message", "send", "hide-heartbeats", "pause", "clear", "log"} {
		if !visited[id] {
			t.Errorf("the Tab key does not reach %s", id)
		}
	}
}

func testProtocolToken(t *testing.T, b *Browser, g *Gateway) {
	p := b.Open(t, g.URL)
	p.Fill("carrier", "protocol")
	p.Click("connect")
	p.WaitState(StateOpen)
	p.WaitLog("the chosen subprotocol", hasText("Connected (bearer)"))
}

func testBadAddress(t *testing.T, b *Browser, g *Gateway) {
	p := b.Open(t, g.URL)
	for address, hint := range map[string]string{
		"ws://":             "not a URL",
		"ftp://example.com": "must start with ws://",
	} {
		p.Fill("address", address)
		p.Click("connect")
		if !strings.Contains(p.Text("connection-hint"), hint) {
			t.Errorf("hint for %q: got %q, want one with %q", address, p.Text("connection-hint"), hint)
		}
		expect(t, "state", p.State(), StateClosed)
	}
	p.Fill("address", g.Endpoint)
	p.Fill("protocols", "a a")
	p.Click("connect")
	if !strings.Contains(p.Text("connection-hint"), "browser refuses") {
		t.Errorf("hint for doubled subprotocols: got %q", p.Text("connection-hint"))
	}
	expect(t, "handshakes", len(g.Handshakes()), 0)

	p.Fill("protocols", "")
	p.Click("connect")
	p.WaitState(StateOpen)
	expect(t, "hint", p.Text("connection-hint"), "")
}

func testDoubleConnect(t *testing.T, b *Browser, g *Gateway) {
	p := b.Open(t, g.URL)
	p.Do(`const form = document.getElementById("connection");
		const submit = () => form.dispatchEvent(new Event("submit", { cancelable: true }));
		submit(); submit()`)
	p.WaitState(StateOpen)
	p.WaitLog("the second attempt", hasText("Already connecting."))
	p.Do(`document.getElementById("connection").dispatchEvent(new Event("submit", { cancelable: true }))`)
	p.WaitLog("the third attempt", hasText("Already connected."))
	expect(t, "handshakes", len(g.Handshakes()), 1)
	expect(t, "state", p.State(), StateOpen)
}

func testSend(t *testing.T, b *Browser, g *Gateway) {
	p := openAndConnect(t, b, g)
	before := time.Now().Truncate(time.Millisecond)
	p.Click("send")
	Eventually(t, "the sample arrives", func() bool { return len(texts(g)) == 1 })
	expect(t, "sample", texts(g)[0], p.Value("message"))
	checkSample(t, texts(g)[0], "CHAT_SEND", before)

	exact := "{\"type\":\"BIZ\", \"code\":\"CHAT_SEND\",\n\t\"data\":\"é 你好 😀 \u2028 </script>\"} "
	p.Fill("message", exact)
	p.Do(`document.getElementById("message").focus()`)
	p.Press(kb.Enter, chromedp.KeyModifiers(chromedp.ModifierCtrl))
	Eventually(t, "the message arrives", func() bool { return len(texts(g)) == 2 })
	expect(t, "message", texts(g)[1], exact)
	entry := p.WaitLog("the message", hasText(exact))
	expect(t, "kind", entry.Kind, "out")
	expect(t, "size", entry.Size, fmt.Sprintf("%d B", len(exact)))

	p.Fill("message", "{bad")
	expect(t, "hint", p.Text("message-hint"), "4 bytes, not valid JSON")
	p.Click("send")
	Eventually(t, "the bad message arrives", func() bool { return len(texts(g)) == 3 })
	expect(t, "bad message", texts(g)[2], "{bad")
	if g.Received()[0].Binary {
		t.Error("messages are binary, want text")
	}

	p.Click("restore")
	checkSample(t, p.Value("message"), "CHAT_SEND", before)
}

func testTarget(t *testing.T, b *Browser, g *Gateway) {
	p := b.Open(t, g.URL)
	user := func() any {
		var envelope struct {
			Data map[string]any `json:"data"`
		}
		if err := json.Unmarshal([]byte(p.Value("message")), &envelope); err != nil {
			t.Fatal(err)
		}
		return envelope.Data["toUserId"]
	}
	p.Type("target", "10002")
	expect(t, "user in the sample", user(), any("10002"))
	p.Fill("message", `{"type":"BIZ","code":"MINE","data":{"kept":1}}`)
	p.Type("target", `a"b`)
	expect(t, "user in an edited message", user(), any(`a"b`))
	if !strings.Contains(p.Value("message"), `"MINE"`) {
		t.Errorf("the edit is lost: %s", p.Value("message"))
	}
	p.Fill("target", "")
	expect(t, "user after it was cleared", user(), nil)
	p.Fill("message", "{bad")
	p.Fill("target", "1")
	expect(t, "message that is no envelope", p.Value("message"), "{bad")
}

func testCodes(t *testing.T, b *Browser, g *Gateway) {
	p := b.Open(t, g.URL)
	codes := Eval[[]string](p, `Array.from(document.getElementById("code").options, (option) => option.value)`)
	if len(codes) < 5 {
		t.Errorf("codes: got %v, want five at least", codes)
	}
	for _, code := range codes {
		p.Fill("code", code)
		var envelope struct{ Type, Code string }
		if err := json.Unmarshal([]byte(p.Value("message")), &envelope); err != nil {
			t.Fatal(err)
		}
		expect(t, "code of the sample", envelope.Code, code)
		expect(t, "type of the sample", envelope.Type, "BIZ")
	}
}

func testReceive(t *testing.T, b *Browser, g *Gateway) {
	p := openAndConnect(t, b, g)
	p.Click("clear")
	long := strings.Repeat("长", 3000)
	g.Push(`{"type":"BIZ","code":"NOTICE_PUSH"}`, "héllo\nworld", "", long)
	p.Eventually("four lines", `document.querySelectorAll("#log li").length === 4`)
	entries := p.Log()
	expect(t, "first", entries[0], Entry{Kind: "in", Text: `{"type":"BIZ","code":"NOTICE_PUSH"}`, Size: "35 B"})
	expect(t, "second", entries[1], Entry{Kind: "in", Text: "héllo\nworld", Size: "12 B"})
	expect(t, "empty", entries[2], Entry{Kind: "in", Size: "0 B"})
	expect(t, "size of the long one", entries[3].Size, "9,000 B")
	expect(t, "folded text", entries[3].Text, strings.Repeat("长", 1000)+"… 2,000 more characters")
	p.Do(`document.querySelector("#log .body button").click()`)
	expect(t, "unfolded text", p.Log()[3].Text, long)
	expect(t, "received", p.Text("received"), "4 · 8.8 KiB")
}

const markup = `<img src=x onerror="window.pwned=1"><script>window.pwned=1</script><b id=bold>x</b>`

func expectNoMarkup(t *testing.T, p *Page) {
	t.Helper()
	// Had an image been made, its error event would need a turn of the loop.
	p.Eventually("a frame was drawn", `window.webtestFrame === 2 || (window.webtestFrame ??= 1,
		requestAnimationFrame(() => setTimeout(() => { window.webtestFrame = 2; })), false)`)
	expect(t, "elements from the wire", Eval[int](p, `document.querySelectorAll("main img, main script, main b, .state b, .state img").length`), 0)
	expect(t, "a script from the wire ran", Eval[bool](p, `"pwned" in window`), false)
}

func testMarkup(t *testing.T, b *Browser, g *Gateway) {
	p := openAndConnect(t, b, g)
	long := markup + strings.Repeat("x", 2000) + markup
	envelope := `{"type":"BIZ","code":"` + `<img src=x onerror=window.pwned=1>` + `","data":"</li><svg onload=window.pwned=1>"}`
	g.Push(markup, envelope, long)
	p.WaitLog("the markup", hasText(markup))
	p.WaitLog("the envelope", hasText(envelope))
	p.WaitLog("the long text", contains("in", "more characters"))
	p.Do(`document.querySelector("#log .body button").click()`)
	p.WaitLog("the whole long text", hasText(long))
	expectNoMarkup(t, p)
}

func testReasonMarkup(t *testing.T, b *Browser, g *Gateway) {
	p := openAndConnect(t, b, g)
	g.Close(1008, markup)
	p.WaitState(StateClosed)
	expect(t, "status", p.Text("status"), "Closed: 1008, "+markup)
	p.WaitLog("the reason", contains("warn", markup))
	expectNoMarkup(t, p)
}

func testLogLimit(t *testing.T, b *Browser, g *Gateway) {
	p := openAndConnect(t, b, g)
	p.Fill("heartbeat", "")
	var flood []string
	for i := range 1500 {
		flood = append(flood, fmt.Sprint("message ", i))
	}
	g.Push(flood...)
	p.Eventually("the last message", `document.querySelector("#log li:last-child .body")?.textContent === "message 1499"`)
	entries := p.Log()
	expect(t, "lines", len(entries), 1000)
	expect(t, "oldest line", entries[0].Text, "message 500")
	if !strings.HasPrefix(p.Text("received"), "1,500 · ") {
		t.Errorf("received: got %q, want 1,500", p.Text("received"))
	}
	p.Eventually("the newest line is in view", `(({ scrollHeight, scrollTop, clientHeight }) =>
		scrollHeight - scrollTop - clientHeight < 5)(document.getElementById("log"))`)

	// A reader who has scrolled up is left alone.
	p.Do(`document.getElementById("log").scrollTop = 0`)
	g.Push("one more")
	p.Eventually("the way back is offered", `!document.getElementById("latest").hidden`)
	if top := Eval[float64](p, `document.getElementById("log").scrollTop`); top > 100 {
		t.Errorf("the log scrolled to %v under the reader", top)
	}
	p.Click("latest")
	p.Eventually("the way back is gone", `document.getElementById("latest").hidden`)
}

func testPause(t *testing.T, b *Browser, g *Gateway) {
	p := openAndConnect(t, b, g)
	p.WaitLog("the connection", hasText("Connected"))
	p.Click("pause")
	g.Push("while paused", "and another")
	p.Eventually("two are held back", `document.getElementById("pause").textContent === "Resume (2 new)"`)
	if slices.ContainsFunc(p.Log(), hasText("while paused")) {
		t.Error("the paused log grew")
	}
	p.Click("pause")
	p.WaitLog("what came meanwhile", hasText("and another"))
	expect(t, "button", p.Text("pause"), "Pause")

	p.Click("clear")
	expect(t, "lines after clear", len(p.Log()), 0)
	expect(t, "received after clear", p.Text("received"), "0 · 0 B")
}

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
		t.Run(fmt.Sprint(c.code), func(t *testing.T) {
			p := openAndConnect(t, b, g, WithClock())
			Eventually(t, "the session is there", func() bool { return g.Sessions() == 1 })
			handshakes := len(g.Handshakes())
			g.Close(c.code, c.reason)
			if !c.again {
				p.WaitState(StateClosed)
				expect(t, "status", p.Text("status"), c.status)
				p.WaitLog("why it stops", contains("warn", c.status+". Not reconnecting: "))
				expectQuiet(t, p, g, handshakes)
				return
			}
			p.WaitState(StateWaiting)
			expect(t, "status", p.Text("status"), c.status)
			p.Click("close")
			p.WaitState(StateClosed)
		})
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

func testOverloaded(t *testing.T, b *Browser, g *Gateway) {
	g.Refuse(503)
	p := b.Open(t, g.URL, WithClock())
	p.Click("connect")
	p.WaitLog("the answer", hasText("The gateway answers 503."))
	expect(t, "state", p.State(), StateWaiting)
	g.Refuse(0)
	p.Clock().Advance(time.Second)
	p.WaitState(StateOpen)
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

func testPhone(t *testing.T, b *Browser, g *Gateway) {
	for _, width := range []int{320, 390, 768} {
		t.Run(fmt.Sprint(width), func(t *testing.T) {
			p := openAndConnect(t, b, g, WithViewport(width, 780))
			g.Push(strings.Repeat("unbroken", 100))
			p.WaitLog("the long word", contains("in", "unbroken"))
			expect(t, "scroll width", Eval[int](p, "document.documentElement.scrollWidth"), width)
			narrow := Eval[[]string](p, `Array.from(document.querySelectorAll("button, input, select, textarea"))
				.filter((control) => !control.hidden)
				.filter((control) => { const box = control.getBoundingClientRect();
					return box.width < 14 || box.left < 0 || box.right > innerWidth; })
				.map((control) => control.id)`)
			if len(narrow) != 0 {
				t.Errorf("controls out of view: %v", narrow)
			}
		})
	}
}

func testLabels(t *testing.T, b *Browser, g *Gateway) {
	p := b.Open(t, g.URL)
	unlabelled := Eval[[]string](p, `Array.from(document.querySelectorAll("input, select, textarea"))
		.filter((control) => control.labels.length === 0).map((control) => control.id)`)
	if len(unlabelled) != 0 {
		t.Errorf("controls without a label: %v", unlabelled)
	}
	expect(t, "role of the status", Eval[string](p, `document.getElementById("status").role`), "status")
	expect(t, "role of the log", Eval[string](p, `document.getElementById("log").role`), "log")
	expect(t, "requests to elsewhere", Eval[int](p, `performance.getEntriesByType("resource")
		.filter((entry) => new URL(entry.name).origin !== location.origin).length`), 0)
}
