package systemtest

import (
	"fmt"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

const (
	heartbeatText = `{"type":"HEARTBEAT"}`
	ackText       = `{"type":"HEARTBEAT_ACK"}`
)

// client is a user who writes down everything that comes.
type client struct {
	t    testing.TB
	user string
	conn *websocket.Conn

	mu    sync.Mutex
	got   []string
	acks  int
	err   error
	ended chan struct{}
}

// connect opens a session and waits until it is registered.
func connect(t testing.TB, p *process, user string) *client {
	t.Helper()
	c, err := dial(t, p, user)
	if err != nil {
		t.Fatalf("%s on %s: %v", user, p.id, err)
	}
	return c
}

func dial(t testing.TB, p *process, user string) (*client, error) {
	conn, _, err := websocket.DefaultDialer.Dial("ws://"+p.addr+"/ws?token="+url.QueryEscape("t-"+user), nil)
	if err != nil {
		return nil, err
	}
	c := &client{t: t, user: user, conn: conn, ended: make(chan struct{})}
	go c.read()
	t.Cleanup(func() {
		_ = conn.Close()
		<-c.ended
	})
	return c, c.heartbeat()
}

func (c *client) read() {
	defer close(c.ended)
	for {
		_, text, err := c.conn.ReadMessage()
		c.mu.Lock()
		switch {
		case err != nil:
			c.err = err
			c.mu.Unlock()
			return
		case string(text) == ackText:
			c.acks++
		default:
			c.got = append(c.got, string(text))
		}
		c.mu.Unlock()
	}
}

// heartbeat sends one and waits for its acknowledgement.
func (c *client) heartbeat() error {
	c.mu.Lock()
	before := c.acks
	c.mu.Unlock()
	if err := c.conn.WriteMessage(websocket.TextMessage, []byte(heartbeatText)); err != nil {
		return err
	}
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		c.mu.Lock()
		acks, err := c.acks, c.err
		c.mu.Unlock()
		if acks > before {
			return nil
		}
		if err != nil {
			return fmt.Errorf("the session has ended: %w", err)
		}
	}
	return fmt.Errorf("%s: heartbeat not acknowledged", c.user)
}

// alive fails the test unless the session goes on.
func (c *client) alive() {
	c.t.Helper()
	if err := c.heartbeat(); err != nil {
		c.t.Fatalf("%s: %v", c.user, err)
	}
}

// messages returns what has come so far.
func (c *client) messages() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.got)
}

// expects waits until the client has got as many messages as want has, and fails
// the test unless they are those, in that order.
func (c *client) expects(want ...string) {
	c.t.Helper()
	deadline := time.Now().Add(patience)
	for len(c.messages()) < len(want) && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
	}
	c.alive() // what came too often comes before the acknowledgement
	if got := c.messages(); !slices.Equal(got, want) {
		c.t.Fatalf("%s got %d messages, want %d: %s", c.user, len(got), len(want), firstDifference(got, want))
	}
}

func firstDifference(got, want []string) string {
	for i := range max(len(got), len(want)) {
		at := func(list []string) string {
			if i < len(list) {
				return fmt.Sprintf("%.60q", list[i])
			}
			return "nothing"
		}
		if at(got) != at(want) {
			return fmt.Sprintf("number %d is %s, want %s", i, at(got), at(want))
		}
	}
	return "the same"
}

// forget drops what has come so far.
func (c *client) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.got = nil
}

// closed waits for the end of the session and returns the close code, or 0.
func (c *client) closed() int {
	c.t.Helper()
	select {
	case <-c.ended:
	case <-time.After(patience):
		c.t.Fatalf("%s: the session goes on", c.user)
	}
	if ce, ok := c.err.(*websocket.CloseError); ok {
		return ce.Code
	}
	return 0
}
