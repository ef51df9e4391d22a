package processtest

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// client is a session that answers a close.
type client struct {
	name   string // in the messages that it sends to itself
	conn   *websocket.Conn
	acks   chan struct{}
	echoes chan struct{} // own messages that came back
	pushes chan struct{} // messages of back ends
	ended  chan struct{}
	err    error // why reading ended, valid then
}

// dial opens a session and waits until it is registered.
func (s *supervisor) dial() (*client, error) {
	conn, _, err := websocket.DefaultDialer.Dial("ws://"+s.addr+"/ws?token="+s.token, nil)
	if err != nil {
		return nil, err
	}
	c := &client{name: rand.Text(), conn: conn, acks: make(chan struct{}, 1), echoes: make(chan struct{}, 1), pushes: make(chan struct{}, 1), ended: make(chan struct{})}
	go c.read()
	s.t.Cleanup(func() {
		_ = conn.Close()
		<-c.ended
	})
	return c, c.beat()
}

// connect opens n sessions.
func (s *supervisor) connect(n int) []*client {
	s.t.Helper()
	const atOnce = 4
	all, errs := make([]*client, n), make([]error, n)
	var group sync.WaitGroup
	for w := range atOnce {
		group.Go(func() {
			for i := w; i < n; i += atOnce {
				all[i], errs[i] = s.dial()
			}
		})
	}
	group.Wait()
	if err := errors.Join(errs...); err != nil {
		s.t.Fatal(err)
	}
	return all
}

func (c *client) read() {
	defer close(c.ended)
	for {
		_, text, err := c.conn.ReadMessage()
		if err != nil {
			c.err = err
			return
		}
		switch text := string(text); {
		case strings.Contains(text, "HEARTBEAT_ACK"):
			c.acks <- struct{}{}
		case strings.Contains(text, c.name):
			c.echoes <- struct{}{}
		case !strings.HasPrefix(text, "{"):
			c.pushes <- struct{}{}
		}
	}
}

// beat sends a heartbeat and waits for the answer.
func (c *client) beat() error {
	if err := c.send(`{"type":"HEARTBEAT"}`); err != nil {
		return err
	}
	return c.await(c.acks, "an acknowledgement")
}

func (c *client) send(text string) error {
	return c.conn.WriteMessage(websocket.TextMessage, []byte(text))
}

func (c *client) await(got <-chan struct{}, what string) error {
	select {
	case <-got:
		return nil
	case <-c.ended:
		return fmt.Errorf("waiting for %s, the session has ended: %w", what, c.err)
	case <-time.After(patience):
		return errors.New("timed out waiting for " + what)
	}
}

// chatter sends n messages that the gateway logs at level debug, with their data, and waits until all were handled:
// those of a session are handled in their order, and the last is one to itself.
func (c *client) chatter(t testing.TB, n int, data string) {
	t.Helper()
	err := error(nil)
	for range n {
		err = errors.Join(err, c.send(fmt.Sprintf(`{"type":"BIZ","code":"NOTICE_ACK","data":%q}`, data)))
	}
	err = errors.Join(err, c.send(fmt.Sprintf(`{"type":"BIZ","code":"CHAT_SEND","data":{"toUserId":"10001","name":%q}}`, c.name)))
	if err = errors.Join(err, c.await(c.echoes, "the message to itself")); err != nil {
		t.Fatal(err)
	}
}

// closedWith tells whether the session has ended with a close code.
func (c *client) closedWith(code int) bool {
	select {
	case <-c.ended:
		return websocket.IsCloseError(c.err, code)
	default:
		return false
	}
}

// over tells whether the session has ended.
func (c *client) over() bool {
	select {
	case <-c.ended:
		return true
	default:
		return false
	}
}

// get is call for GET.
func (s *supervisor) get(i int, path string) (string, error) {
	return s.call(i, http.MethodGet, path, "")
}

// call calls an endpoint of worker i, counted from 1, on its own port.
func (s *supervisor) call(i int, method, path, body string) (string, error) {
	req, err := http.NewRequest(method, fmt.Sprintf("http://127.0.0.1:%d%s", s.admin+i-1, path), strings.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %d", path, res.StatusCode)
	}
	return string(answer), err
}

// sessions is how many each worker holds; -1 for one that does not answer.
func (s *supervisor) sessions() []int {
	counts := make([]int, s.n)
	for i := range s.n {
		counts[i] = -1
		if text, err := s.get(i+1, "/websocket/online/session/count"); err == nil {
			counts[i], _ = strconv.Atoi(strings.TrimSpace(text))
		}
	}
	return counts
}
