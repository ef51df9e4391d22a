package webtest

import (
	"strings"
	"testing"
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
	{"says why a second token is refused", counts, testRefusedAgain},
	{"stops when the token runs out in an outage", refuses, testRefusedLater},
	{"goes on while the gateway is overloaded", refuses, testOverloaded},
	{"begins again with a second when asked", refuses, testAskedAnew},
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
