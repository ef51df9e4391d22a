package faulty

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"

	"carillon/bench/internal/await"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 10 * time.Second

// dial connects a plain client, which the end of the test closes.
func dial(t *testing.T, url string) *websocket.Conn {
	t.Helper()
	c, _, err := websocket.DefaultDialer.Dial(url, nil)
	if err != nil {
		t.Fatalf("dial %s: %v", url, err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetReadDeadline(time.Now().Add(patience))
	return c
}

func send(t *testing.T, c *websocket.Conn, text string) {
	t.Helper()
	if err := c.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
		t.Fatalf("send: %v", err)
	}
}

func receive(t *testing.T, c *websocket.Conn) string {
	t.Helper()
	_, b, err := c.ReadMessage()
	if err != nil {
		t.Fatalf("receive: %v", err)
	}
	return string(b)
}

func want(t *testing.T, c *websocket.Conn, texts ...string) {
	t.Helper()
	for i, text := range texts {
		if got := receive(t, c); got != text {
			t.Fatalf("message %d: got %q, want %q", i, got, text)
		}
	}
}

// post publishes a JSON body and returns the status.
func post(t *testing.T, url, body string) int {
	t.Helper()
	tr := &http.Transport{DisableKeepAlives: true}
	defer tr.CloseIdleConnections()
	resp, err := (&http.Client{Transport: tr}).Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatalf("post: %v", err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

// atRest waits until nothing is under way and returns the figures.
func atRest(t *testing.T, s *Server, due int64) Stats {
	t.Helper()
	var st Stats
	await.Until(t, "the frames to be accounted for", func() bool {
		st = s.Stats()
		return st.Due == due && st.Due+st.Duplicated == st.Sent+st.Dropped+st.Undelivered+st.Held
	})
	return st
}
