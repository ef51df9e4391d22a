package webtest

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"
)

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
