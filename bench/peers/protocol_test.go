package peers

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"github.com/gorilla/websocket"
)

// stream is a connection after its handshake, read through the buffer that the
// handshake was read through.
type stream struct {
	net.Conn
	in *bufio.Reader
}

func (s stream) Read(p []byte) (int, error) { return s.in.Read(p) }

// upgraded shakes hands and checks the answer.
func upgraded(t *testing.T, addr, path string) stream {
	t.Helper()
	s := stream{Conn: raw(t, addr)}
	s.in = bufio.NewReader(s.Conn)
	write(t, s, handshake(path))
	resp, err := http.ReadResponse(s.in, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := resp.Header.Get("Sec-Websocket-Accept"); resp.StatusCode != http.StatusSwitchingProtocols || got != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		t.Fatalf("status %d, accept %q", resp.StatusCode, got)
	}
	for _, name := range []string{"Sec-Websocket-Extensions", "Sec-Websocket-Protocol"} {
		if got := resp.Header.Get(name); got != "" {
			t.Errorf("%s: %q", name, got)
		}
	}
	return s
}

// ended wants nothing but the end of a connection.
func ended(t *testing.T, s stream) {
	t.Helper()
	if n, err := io.Copy(io.Discard, s); n > 0 || (err != nil && !errors.Is(err, syscall.ECONNRESET)) {
		t.Errorf("%d bytes and %v after the close", n, err)
	}
}

// TestProtocol checks bytes, for each server and all that differ in the library.
func TestProtocol(t *testing.T) {
	all := servers(t)
	all["c"] = cserver()
	for name, command := range all {
		t.Run(name, func(t *testing.T) {
			addr := serve(t, command...)
			beats := masked(0x81, beat)
			t.Run("heartbeat", func(t *testing.T) {
				s := upgraded(t, addr, "/ws?token=a")
				write(t, s, beats)
				read(t, s, plain(0x81, pong))
				write(t, s, beats, masked(0x81, `{"type":"OTHER"}`), masked(0x82, beat), beats, beats)
				read(t, s, strings.Repeat(plain(0x81, pong), 3))
				for _, b := range []byte(beats) {
					write(t, s, string([]byte{b}))
				}
				read(t, s, plain(0x81, pong))
			})
			t.Run("fragments", func(t *testing.T) {
				s := upgraded(t, addr, "/ws?token=a")
				write(t, s, masked(0x01, beat[:5]), masked(0x00, ""), masked(0x00, beat[5:9]), masked(0x80, beat[9:]))
				read(t, s, plain(0x81, pong))
				write(t, s, masked(0x01, beat[:5]), masked(0x89, "between"), masked(0x80, beat[5:]))
				read(t, s, plain(0x8a, "between")+plain(0x81, pong))
			})
			t.Run("ping", func(t *testing.T) {
				s := upgraded(t, addr, "/ws?token=a")
				longest := strings.Repeat("p", 125)
				write(t, s, masked(0x89, "are you there"), masked(0x89, longest), masked(0x8a, "unasked"), beats)
				read(t, s, plain(0x8a, "are you there")+plain(0x8a, longest)+plain(0x81, pong))
			})
			t.Run("close", func(t *testing.T) {
				s := upgraded(t, addr, "/ws?token=a")
				write(t, s, masked(0x88, "\x03\xe8"))
				read(t, s, plain(0x88, "\x03\xe8"))
				ended(t, s)
			})
			t.Run("broadcast", func(t *testing.T) {
				conns := make([]stream, 100)
				for i := range conns {
					conns[i] = upgraded(t, addr, fmt.Sprint("/ws?token=", i))
					write(t, conns[i], beats)
					read(t, conns[i], plain(0x81, pong)) // it is known
				}
				gone := upgraded(t, addr, "/ws?token=gone")
				write(t, gone, masked(0x88, "\x03\xe8"))
				read(t, gone, plain(0x88, "\x03\xe8"))
				ended(t, gone)
				large := strings.Repeat("ä", 40_000)
				for _, text := range []string{"", "a", strings.Repeat("b", 126), large} {
					body, err := json.Marshal(map[string]string{"message": text})
					if err != nil {
						t.Fatal(err)
					}
					if status := post(t, "http://"+addr+"/websocket/broadcast", string(body)); status != http.StatusOK {
						t.Fatalf("status %d", status)
					}
				}
				for _, s := range conns {
					read(t, s, plain(0x81, "")+plain(0x81, "a")+plain(0x81, strings.Repeat("b", 126))+plain(0x81, large))
				}
			})
		})
	}
}

// TestCentrifuge checks what a server says that has a protocol of its own.
func TestCentrifuge(t *testing.T) {
	addr := serve(t, build(t, "centrifugeserver"))
	type message struct {
		ID      int
		Connect *struct{ Client string }
		RPC     *struct{ Data json.RawMessage }
		Error   *struct{ Code int }
		Push    *struct {
			Channel string
			Pub     struct{ Data string }
		}
	}
	next := func(t *testing.T, c *websocket.Conn) (m message) {
		t.Helper()
		kind, b, err := c.ReadMessage()
		if err == nil && kind == websocket.TextMessage {
			err = json.Unmarshal(b, &m)
		}
		if err != nil || kind != websocket.TextMessage {
			t.Fatalf("got %d %.100q %v", kind, b, err)
		}
		return m
	}
	conns := map[string]*websocket.Conn{}
	for _, user := range []string{"a", "b"} {
		c := dial(t, "ws://"+addr+"/ws?token="+user)
		conns[user] = c
		if m := next(t, c); m.ID != 1 || m.Connect == nil || m.Connect.Client == "" {
			t.Fatalf("got %+v, want the answer to the command that the server adds", m)
		}
		send(t, c, websocket.TextMessage, `{"id":2,"rpc":{"method":"HEARTBEAT"}}`)
		want(t, c, websocket.TextMessage, `{"id":2,"rpc":{"data":{"type":"HEARTBEAT_ACK"}}}`)
		send(t, c, websocket.TextMessage, `{"id":3,"rpc":{"method":"OTHER"}}`)
		if m := next(t, c); m.ID != 3 || m.Error == nil {
			t.Errorf("got %+v, want an error", m)
		}
	}
	post(t, "http://"+addr+"/websocket/broadcast", `{"message":"for \"all\""}`)
	for user, c := range conns {
		if m := next(t, c); m.Push == nil || m.Push.Pub.Data != `for "all"` {
			t.Errorf("%s: got %+v", user, m)
		}
	}
	post(t, "http://"+addr+"/websocket/send/user/b", `{"message":"for b"}`)
	if m := next(t, conns["b"]); m.Push == nil || m.Push.Pub.Data != "for b" {
		t.Errorf("got %+v", m)
	}
	if err := conns["a"].WriteMessage(websocket.PingMessage, []byte("p")); err != nil {
		t.Fatal(err)
	}
	ponged := ""
	conns["a"].SetPongHandler(func(text string) error { ponged = text; return nil })
	if err := conns["a"].WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(1000, "")); err != nil {
		t.Fatal(err)
	}
	_, _, err := conns["a"].ReadMessage()
	if !websocket.IsCloseError(err, websocket.CloseNormalClosure) || ponged != "p" {
		t.Errorf("got %v after a pong of %q", err, ponged)
	}
	if status := post(t, "http://"+addr+"/websocket/broadcast", `{}`); status != http.StatusBadRequest {
		t.Errorf("status %d, want 400", status)
	}
}
