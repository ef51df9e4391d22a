package server

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	coder "github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"

	"carillon/server/config"
)

// clientEvent is what a client library reports.
type clientEvent struct {
	Event   string `json:"event"` // open, text, binary, pong, close, error; exit of a program
	Text    string `json:"text"`
	Code    int    `json:"code"`
	Deflate bool   `json:"deflate"`
}

// library is a WebSocket client that is not ours.
type library interface {
	// send sends one text message, in as many fragments as it can of the parts.
	send(parts ...string) error
	ping(data string)
	close(code int, reason string)
	// next waits for the next event.
	next() clientEvent
}

// TestClientLibraries runs the same scenario with four independent libraries.
func TestClientLibraries(t *testing.T) {
	open := map[string]func(t *testing.T, url string, compression bool) library{
		"gorilla": openGorilla,
		"coder":   openCoder,
		"node ws": func(t *testing.T, url string, compression bool) library {
			return openScript(t, url, compression, "node", filepath.Join("testdata", "clients", "node", "client.js"))
		},
		"python websockets": func(t *testing.T, url string, compression bool) library {
			dir := filepath.Join("testdata", "clients", "python")
			return openScript(t, url, compression, filepath.Join(dir, ".venv", "bin", "python"), filepath.Join(dir, "client.py"))
		},
	}
	for name, open := range open {
		for _, compression := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/compression=%v", name, compression), func(t *testing.T) {
				t.Parallel()
				r := start(t, func(cfg *config.Config) { cfg.WebSocket.Compression = compression })
				dial := func(user string) library {
					c := open(t, "ws://"+r.Addr()+"/ws?token=u-"+user, compression)
					e := c.next()
					if e.Event == "exit" {
						t.Fatalf("the client program ended; make setup installs what it needs:\n%s", e.Text)
					}
					if e.Event != "open" || e.Deflate != compression {
						t.Fatalf("got %+v, want to be open with deflate %v", e, compression)
					}
					return c
				}
				clientScenario(t, r, dial)
			})
		}
	}
}

func clientScenario(t *testing.T, r *running, dial func(user string) library) {
	want := func(c library, event, text string) {
		t.Helper()
		if e := c.next(); e.Event != event || e.Text != text {
			t.Fatalf("got %s %.80q (%d bytes, code %d), want %s %.80q (%d bytes)", e.Event, e.Text, len(e.Text), e.Code, event, text, len(text))
		}
	}
	wantClose := func(c library, code int, reason string) {
		t.Helper()
		if e := c.next(); e.Event != "close" || e.Code != code || e.Text != reason {
			t.Fatalf("got %+v, want close %d %q", e, code, reason)
		}
	}
	send := func(c library, parts ...string) {
		t.Helper()
		if err := c.send(parts...); err != nil {
			t.Fatal(err)
		}
	}
	beat := func(c library) {
		t.Helper()
		send(c, heartbeatRequest)
		want(c, "text", heartbeatAck)
	}
	push := func(path, message string) {
		t.Helper()
		body, err := json.Marshal(map[string]string{"message": message})
		if err != nil {
			t.Fatal(err)
		}
		if status, answer := r.post(t, path, string(body)); status != 200 {
			t.Fatalf("%s: %d %s", path, status, answer)
		}
	}

	c := dial("ann")
	beat(c)
	send(c, `{"type":"HEART`, ``, `BEAT","data":"é漢`, `😀"}`)
	want(c, "text", heartbeatAck)
	c.ping("a ping")
	want(c, "pong", "a ping")
	large := strings.Repeat("grüße 😀 ", 300<<10/13)
	for _, text := range []string{"plain", "😀 \u2028 \x00 \"", "", large, strings.Repeat("x", 125), strings.Repeat("x", 126), strings.Repeat("x", 65536)} {
		push("/websocket/send/user/ann", text)
		want(c, "text", text)
	}
	other := dial("bob")
	beat(other)
	push("/websocket/broadcast", "to all "+large)
	want(c, "text", "to all "+large)
	want(other, "text", "to all "+large)
	beat(c)

	other.close(4321, "see you")
	wantClose(other, 4321, "see you")
	waitFor(t, "the other to leave", func() bool { return r.SessionCount() == 1 })
	for code, reason := range map[int]string{1000: "", 3000: "", 4999: "bis später 再见"} {
		other = dial("bob")
		other.close(code, reason)
		wantClose(other, code, reason)
	}
	waitFor(t, "the others to leave", func() bool { return r.SessionCount() == 1 })

	push("/websocket/kick/user/ann", "")
	wantClose(c, 1000, "")

	c = dial("ann")
	beat(c)
	_ = c.send(strings.Repeat("x", 70000)) // it may be refused before it is all written
	if e := c.next(); e.Event != "close" || e.Code != 1009 {
		t.Fatalf("got %+v, want close 1009", e)
	}

	c = dial("ann")
	beat(c)
	stopped := make(chan error, 1)
	go func() { stopped <- r.stop() }()
	wantClose(c, 1001, "server shutting down")
	if err := <-stopped; err != nil {
		t.Fatalf("run: %v", err)
	}
}

// events is the queue of what a library reports.
type events struct {
	t       testing.TB
	ch      chan clientEvent
	closing *atomic.Bool // the client closes: a library may end its read with any error
}

func newEvents(t testing.TB) events { return events{t, make(chan clientEvent, 64), new(atomic.Bool)} }

// failed reports that a read failed without a close frame.
func (e events) failed(err error) {
	if !e.closing.Load() {
		e.ch <- clientEvent{Event: "error", Text: err.Error()}
	}
}

func (e events) next() clientEvent {
	e.t.Helper()
	select {
	case v := <-e.ch:
		return v
	case <-time.After(testPatience):
		e.t.Fatal("the client library reports nothing")
		return clientEvent{}
	}
}

func (e events) check(err error) {
	e.t.Helper()
	if err != nil {
		e.t.Fatal(err)
	}
}

type gorillaClient struct {
	events
	c *gorilla.Conn
}

func openGorilla(t *testing.T, url string, compression bool) library {
	d := gorilla.Dialer{EnableCompression: compression}
	c, res, err := d.Dial(url, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	g := &gorillaClient{newEvents(t), c}
	g.ch <- clientEvent{Event: "open", Deflate: strings.Contains(res.Header.Get("Sec-WebSocket-Extensions"), "permessage-deflate")}
	c.SetPongHandler(func(data string) error {
		g.ch <- clientEvent{Event: "pong", Text: data}
		return nil
	})
	go func() {
		for {
			kind, b, err := c.ReadMessage()
			var closed *gorilla.CloseError
			switch {
			case errors.As(err, &closed):
				g.ch <- clientEvent{Event: "close", Code: closed.Code, Text: closed.Text}
				_ = c.Close() // gorilla leaves TCP to its user; the server would wait for its timeout
				return
			case err != nil:
				g.failed(err)
				return
			case kind == gorilla.TextMessage:
				g.ch <- clientEvent{Event: "text", Text: string(b)}
			default:
				g.ch <- clientEvent{Event: "binary", Text: string(b)}
			}
		}
	}()
	return g
}

func (g *gorillaClient) send(parts ...string) error {
	// gorilla writes a frame whenever its buffer of 4 KiB is full.
	w, err := g.c.NextWriter(gorilla.TextMessage)
	return writeParts(w, err, parts)
}

func writeParts(w io.WriteCloser, err error, parts []string) error {
	for i := 0; err == nil && i < len(parts); i++ {
		_, err = io.WriteString(w, parts[i])
	}
	if err != nil {
		return err
	}
	return w.Close()
}

func (g *gorillaClient) ping(data string) {
	g.check(g.c.WriteControl(gorilla.PingMessage, []byte(data), time.Now().Add(testPatience)))
}

func (g *gorillaClient) close(code int, reason string) {
	g.check(g.c.WriteControl(gorilla.CloseMessage, gorilla.FormatCloseMessage(code, reason), time.Now().Add(testPatience)))
}

type coderClient struct {
	events
	c   *coder.Conn
	ctx context.Context
}

func openCoder(t *testing.T, url string, compression bool) library {
	mode := coder.CompressionDisabled
	if compression {
		mode = coder.CompressionContextTakeover
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*testPatience)
	c, res, err := coder.Dial(ctx, url, &coder.DialOptions{CompressionMode: mode, CompressionThreshold: 1})
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	c.SetReadLimit(1 << 22)
	t.Cleanup(func() {
		_ = c.CloseNow()
		cancel()
	})
	g := &coderClient{newEvents(t), c, ctx}
	g.ch <- clientEvent{Event: "open", Deflate: strings.Contains(res.Header.Get("Sec-WebSocket-Extensions"), "permessage-deflate")}
	go func() {
		for {
			kind, b, err := c.Read(ctx)
			var closed coder.CloseError
			switch {
			case errors.As(err, &closed):
				g.ch <- clientEvent{Event: "close", Code: int(closed.Code), Text: closed.Reason}
				return
			case err != nil:
				g.failed(err)
				return
			case kind == coder.MessageText:
				g.ch <- clientEvent{Event: "text", Text: string(b)}
			default:
				g.ch <- clientEvent{Event: "binary", Text: string(b)}
			}
		}
	}()
	return g
}

func (g *coderClient) send(parts ...string) error {
	w, err := g.c.Writer(g.ctx, coder.MessageText)
	return writeParts(w, err, parts)
}

// ping sends a payload of the library's own choice and waits for its pong.
func (g *coderClient) ping(data string) {
	g.check(g.c.Ping(g.ctx))
	g.ch <- clientEvent{Event: "pong", Text: data}
}

func (g *coderClient) close(code int, reason string) {
	g.closing.Store(true)
	go func() {
		// It reads the answer itself; nil means that the code came back.
		if err := g.c.Close(coder.StatusCode(code), reason); err == nil {
			g.ch <- clientEvent{Event: "close", Code: code, Text: reason}
		}
	}()
}

// scriptClient is a program in another language.
type scriptClient struct {
	events
	in io.Writer
}

func openScript(t *testing.T, url string, compression bool, program, script string) library {
	onOff := map[bool]string{true: "on", false: "off"}[compression]
	cmd := exec.Command(program, script, url, onOff)
	complaints := new(syncBuffer)
	cmd.Stderr = complaints
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v; make setup installs it", err)
	}
	s := &scriptClient{newEvents(t), in}
	read := make(chan struct{})
	go func() {
		defer close(read)
		lines := bufio.NewReader(out)
		for {
			line, err := lines.ReadBytes('\n')
			if err != nil {
				err = cmd.Wait()
				s.ch <- clientEvent{Event: "exit", Text: fmt.Sprintf("%v: %s", err, complaints)}
				return
			}
			var e clientEvent
			if err := json.Unmarshal(line, &e); err != nil {
				e = clientEvent{Event: "error", Text: err.Error() + ": " + string(line)}
			}
			s.ch <- e
		}
	}()
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Process.Kill()
		<-read
	})
	return s
}

func (s *scriptClient) tell(do string, code int, parts ...string) error {
	b, err := json.Marshal(map[string]any{"do": do, "code": code, "parts": parts})
	if err == nil {
		_, err = s.in.Write(append(b, '\n'))
	}
	return err
}

func (s *scriptClient) send(parts ...string) error    { return s.tell("send", 0, parts...) }
func (s *scriptClient) ping(data string)              { s.check(s.tell("ping", 0, data)) }
func (s *scriptClient) close(code int, reason string) { s.check(s.tell("close", code, reason)) }
