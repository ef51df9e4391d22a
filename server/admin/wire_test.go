package admin

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"
)

// connect serves g on a real socket and connects to it.
func connect(t *testing.T, network, address string, g Gateway, configure ...func(*fasthttp.Server)) net.Conn {
	t.Helper()
	listener, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	serveOn(t, listener, New(g, Options{}).Handler(), configure...)
	conn, err := net.Dial(network, listener.Addr().String())
	return bounded(t, conn, err)
}

func write(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
}

// expect reads exactly the bytes of want; the date is any.
func expect(t *testing.T, r io.Reader, want string) {
	t.Helper()
	const date = "Mon, 02 Jan 2006 15:04:05 GMT"
	got := make([]byte, len(want))
	if n, err := io.ReadFull(r, got); err != nil {
		t.Fatalf("got %q, then %v, want %q", got[:n], err, want)
	}
	dates := regexp.MustCompile(`Date: .{` + fmt.Sprint(len(date)) + `}`)
	if text := dates.ReplaceAllString(string(got), "Date: "+date); text != want {
		t.Fatalf("got\n%q, want\n%q", text, want)
	}
}

const (
	head  = "HTTP/1.1 200 OK\r\nServer: fasthttp\r\nDate: Mon, 02 Jan 2006 15:04:05 GMT\r\n"
	empty = head + "Content-Length: 0\r\n\r\n"
)

// TestBytes pins the answers down that the reference's back ends see.
func TestBytes(t *testing.T) {
	t.Parallel()
	push := request("POST", "/websocket/broadcast", `{"message":"m"}`, asJSON)
	for _, c := range []struct{ name, request, want string }{
		{"push", push, empty},
		{"GET", request("GET", "/websocket/online/count", ""), head +
			"Content-Type: application/json\r\nContent-Length: 1\r\nCache-Control: no-store\r\n\r\n0"},
		{"HEAD", request("HEAD", "/websocket/online/users", ""), head +
			"Content-Type: application/json\r\nContent-Length: 2\r\nCache-Control: no-store\r\n\r\n"},
		{"OPTIONS", request("OPTIONS", "/websocket/broadcast", ""), head + "Content-Length: 0\r\nAllow: POST, OPTIONS\r\n\r\n"},
		{"problem", request("GET", "/x", ""), "HTTP/1.1 404 Not Found\r\nServer: fasthttp\r\nDate: Mon, 02 Jan 2006 15:04:05 GMT\r\n" +
			"Content-Type: application/problem+json\r\nContent-Length: 112\r\n\r\n" +
			`{"type":"about:blank","title":"Not Found","status":404,"detail":"there is nothing at this path","instance":"/x"}`},
		{"kick without Content-Length", "POST /websocket/kick/user/1 HTTP/1.1\r\nHost: localhost\r\n\r\n", empty},
		{"HTTP/1.0", "POST /websocket/kick/user/1 HTTP/1.0\r\n\r\n", "HTTP/1.1 200 OK\r\nServer: fasthttp\r\n" +
			"Date: Mon, 02 Jan 2006 15:04:05 GMT\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			conn := connect(t, "tcp", "127.0.0.1:0", &fakeGateway{})
			write(t, conn, c.request)
			expect(t, conn, c.want)
			if strings.Contains(c.want, "close") {
				return
			}
			// Nothing more came with it, and the connection is kept.
			write(t, conn, push)
			expect(t, conn, empty)
		})
	}
}

// TestBodyOnTheWire sends bodies in every way there is, three times on one connection.
func TestBodyOnTheWire(t *testing.T) {
	t.Parallel()
	const start = "POST /websocket/broadcast HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
	for _, streaming := range []bool{false, true} {
		for name, send := range map[string]func(t *testing.T, conn net.Conn, r *bufio.Reader){
			"whole": func(t *testing.T, conn net.Conn, _ *bufio.Reader) {
				write(t, conn, start+"Content-Length: 15\r\n\r\n"+`{"message":"m"}`)
			},
			"byte by byte": func(t *testing.T, conn net.Conn, _ *bufio.Reader) {
				for _, b := range []byte(start + "Content-Length: 15\r\n\r\n" + `{"message":"m"}`) {
					write(t, conn, string(b))
				}
			},
			"chunked": func(t *testing.T, conn net.Conn, _ *bufio.Reader) {
				write(t, conn, start+"Transfer-Encoding: chunked\r\n\r\n5;x=y\r\n{\"mes\r\nA\r\nsage\":\"m\"}\r\n0\r\n\r\n")
			},
			"100-continue": func(t *testing.T, conn net.Conn, r *bufio.Reader) {
				write(t, conn, start+"Content-Length: 15\r\nExpect: 100-continue\r\n\r\n")
				expect(t, r, "HTTP/1.1 100 Continue\r\n\r\n")
				write(t, conn, `{"message":"m"}`)
			},
			"100-continue, chunked": func(t *testing.T, conn net.Conn, r *bufio.Reader) {
				write(t, conn, start+"Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n")
				expect(t, r, "HTTP/1.1 100 Continue\r\n\r\n")
				write(t, conn, "f\r\n"+`{"message":"m"}`+"\r\n0\r\n\r\n")
			},
		} {
			t.Run(fmt.Sprintf("%s, streaming %v", name, streaming), func(t *testing.T) {
				t.Parallel()
				g := &fakeGateway{}
				conn := connect(t, "tcp", "127.0.0.1:0", g, func(s *fasthttp.Server) { s.StreamRequestBody = streaming })
				r := bufio.NewReader(conn)
				for range 3 {
					send(t, conn, r)
					expect(t, r, empty)
				}
				if got, want := g.taken(), slices.Repeat([]string{`broadcast "m" false`}, 3); !slices.Equal(got, want) {
					t.Errorf("calls = %q, want %q", got, want)
				}
			})
		}
	}
}

// TestPipeline writes many requests at once, good and bad ones, and expects their answers and effects in order.
func TestPipeline(t *testing.T) {
	t.Parallel()
	for _, streaming := range []bool{false, true} {
		g := &fakeGateway{}
		conn := connect(t, "tcp", "127.0.0.1:0", g, func(s *fasthttp.Server) { s.StreamRequestBody = streaming })
		var text strings.Builder
		var want []string
		const rounds = 50
		for i := range rounds {
			text.WriteString(request("POST", "/websocket/broadcast", fmt.Sprintf(`{"message":"m%d"}`, i), asJSON))
			text.WriteString(request("POST", "/websocket/send/user/1", "{", asJSON))
			text.WriteString(request("HEAD", "/websocket/online/users", ""))
			text.WriteString(request("POST", "/nowhere", strings.Repeat("GET / HTTP/1.1\r\n\r\n", 9), asJSON))
			text.WriteString(request("POST", "/websocket/broadcast", "no JSON", "Origin: https://evil.example"))
			text.WriteString(request("POST", "/websocket/kick/session/s", `{"ignored":1}`))
			want = append(want, fmt.Sprintf(`broadcast "m%d" false`, i), `kick session "s" false`)
		}
		go func() { _, _ = io.WriteString(conn, text.String()) }()
		r := bufio.NewReader(conn)
		for i := range rounds {
			for _, c := range []struct {
				method string
				status int
			}{{"POST", 200}, {"POST", 400}, {"HEAD", 200}, {"POST", 404}, {"POST", 403}, {"POST", 200}} {
				if got := readAnswer(t, r, c.method); got.status != c.status || got.closed {
					t.Fatalf("streaming %v, round %d: %d %s, want %d on a connection that stays", streaming, i, got.status, got.body, c.status)
				}
			}
		}
		if got := g.taken(); !slices.Equal(got, want) {
			t.Errorf("streaming %v: calls = %q, want %q", streaming, got, want)
		}
	}
}

// TestBodyCutOff makes sure that half a body is no push.
func TestBodyCutOff(t *testing.T) {
	t.Parallel()
	for _, streaming := range []bool{false, true} {
		g := &fakeGateway{}
		conn := connect(t, "tcp", "127.0.0.1:0", g, func(s *fasthttp.Server) { s.StreamRequestBody = streaming })
		write(t, conn, "POST /websocket/broadcast HTTP/1.1\r\nHost: localhost\r\n"+asJSON+"\r\nContent-Length: 16\r\n\r\n"+`{"message":"m"}`)
		if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if got := readAnswer(t, bufio.NewReader(conn), "POST"); got.status != 400 || !got.closed {
			t.Errorf("streaming %v: %d %s, want 400 and the end of the connection", streaming, got.status, got.body)
		}
		if calls := g.taken(); len(calls) != 0 {
			t.Errorf("streaming %v: the gateway was called: %q", streaming, calls)
		}
	}
}

func TestUnixSocket(t *testing.T) {
	t.Parallel()
	conn := connect(t, "unix", filepath.Join(t.TempDir(), "s"), &fakeGateway{})
	write(t, conn, request("POST", "/websocket/broadcast", `{"message":"m"}`, asJSON, "Host: anything"))
	expect(t, conn, empty)
}
