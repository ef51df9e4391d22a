package engine

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"carillon/bench/plan"
	"carillon/codec"
)

func TestEndpoint(t *testing.T) {
	t.Parallel()
	pins := map[string][]netip.Addr{"h.example": addresses("127.0.0.5", "::1"), "::1": addresses("::1")}
	for _, tt := range []struct {
		in, host, target, first, second string
		tls                             bool
	}{
		{in: "ws://h.example", host: "h.example", target: "/", first: "127.0.0.5:80", second: "[::1]:80"},
		{in: "wss://h.example/", host: "h.example", target: "/", first: "127.0.0.5:443", second: "[::1]:443", tls: true},
		{in: "WSS://h.example:8443?a=b", host: "h.example:8443", target: "/?a=b", first: "127.0.0.5:8443", second: "[::1]:8443", tls: true},
		{in: "ws://127.0.0.1:81/a/b?c=d/e", host: "127.0.0.1:81", target: "/a/b?c=d/e", first: "127.0.0.1:81", second: "127.0.0.1:81"},
		{in: "ws://[::1]:8080/x", host: "[::1]:8080", target: "/x", first: "[::1]:8080", second: "[::1]:8080"},
		{in: "ws://h.example/u/{{.User}}?i={{.ID}}&t={{.Token}}", host: "h.example", target: "/u/a%2F%3F%20%C3%A4?i=7&t=x%2By", first: "127.0.0.5:80", second: "[::1]:80"},
	} {
		p, err := newEndpoint(tt.in, nil, pins)
		if err != nil {
			t.Errorf("%s: %v", tt.in, err)
			continue
		}
		target := string(p.path.Append(nil, &plan.Values{ID: 7, User: "a/? ä", Token: "x+y"}))
		if p.host != tt.host || target != tt.target || p.tls != tt.tls || p.tcp(0).String() != tt.first || p.tcp(1).String() != tt.second || p.tcp(2).String() != tt.first && len(p.addr) == 2 {
			t.Errorf("%s: got host %s, target %s, TLS %v, %v, %v", tt.in, p.host, target, p.tls, p.tcp(0), p.tcp(1))
		}
	}
	if _, err := newEndpoint("ws://elsewhere.example/", nil, pins); err == nil {
		t.Error("a host that was not checked is connected to")
	}
}

// Every request is one that a server can read, with what it has to have.
func TestRequest(t *testing.T) {
	t.Parallel()
	sc := plan.Scenario{Kind: plan.Echo, URL: "ws://127.0.0.1:9/ws?u={{.User}}", User: "u {{.ID}}", FirstID: 5,
		Headers: map[string]string{"X-B": "{{.ID}}", "X-A": "a"}, Subprotocol: "v1"}
	job := newJob(t, sc)
	s, err := newScenario(0, &job.Plan.Scenarios[0], job.Shares[0], nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.request(&s.to, 2, [16]byte([]byte("the sample nonce")), "9")
	if err != nil {
		t.Fatal(err)
	}
	want := "GET /ws?u=u%207 HTTP/1.1\r\nHost: 127.0.0.1:9\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: v1\r\nUser-Agent: carillon-bench/9\r\nX-A: a\r\nX-B: 7\r\n\r\n"
	if string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if _, n, rej := codec.ScanRequest(got, 0); n != len(got) || rej != nil {
		t.Errorf("a server reads %d bytes, %v", n, rej)
	}
}

func TestCauses(t *testing.T) {
	t.Parallel()
	wrap := func(err error) error { return fmt.Errorf("read tcp 127.0.0.1: %w", err) }
	for _, tt := range []struct {
		err         error
		dial, ended string
	}{
		{unix.ECONNREFUSED, "connection refused", "read tcp 127.0.0.1: connection refused"},
		{unix.ECONNRESET, "reset by peer", "reset by peer"},
		{unix.EPIPE, "reset by peer", "closed without a close frame"},
		{unix.EADDRNOTAVAIL, "no free port on this machine", ""},
		{unix.EMFILE, "no free descriptor on this machine", ""},
		{unix.ENETUNREACH, "unreachable", ""},
		{unix.ETIMEDOUT, "timeout", "connection timed out"},
		{io.EOF, "closed by the server", "closed without a close frame"},
		{errors.New("strange\x00things"), "strange things", "read tcp 127.0.0.1: strange things"},
	} {
		if got := dialCause(wrap(tt.err)); got != tt.dial {
			t.Errorf("%v: got %q, want %q", tt.err, got, tt.dial)
		}
		if got := causeOf(wrap(tt.err)); tt.ended != "" && got != tt.ended {
			t.Errorf("%v: got %q, want %q", tt.err, got, tt.ended)
		}
	}
	for payload, want := range map[string]string{
		"": "close 1005 no status", "\x03\xe8": "close 1000 normal", "\x03\xf5slow consumer": "close 1013 try again later: slow consumer",
		"\x0f\xa1why\nnot": "close 4001: why not", "x": "close frame: close frame of one byte", "\x03\xed": "close frame: close code not allowed",
		"\x03\xe8\xff": "close frame: close reason is not utf-8",
	} {
		if got := closeCause([]byte(payload)); got != want {
			t.Errorf("%q: got %q, want %q", payload, got, want)
		}
	}
}

func TestPrintable(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"": "", "plain": "plain", "a\tb\r\nc\x7f\u0085d": "a b  c  d", "\xff\xfe": "(not UTF-8)", "täglich": "täglich",
		strings.Repeat("x", 81): strings.Repeat("x", 80) + "…", strings.Repeat("x", 79) + "ä": strings.Repeat("x", 79) + "…",
	} {
		if got := printable([]byte(in)); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func FuzzEndpoint(f *testing.F) {
	for _, s := range []string{"ws://127.0.0.1", "wss://[::1]:8?x", "ws://127.0.0.1:80/{{.User}}", "://", "ws:", "", "ws://127.0.0.1:99999/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, address string) {
		p, err := newEndpoint(address, nil, nil)
		if err != nil {
			return
		}
		u, err := url.Parse(originOf(address))
		if err != nil || u.Host != p.host || !strings.HasPrefix(targetOf(address), "/") {
			t.Fatalf("%q: host %q, target %q", address, p.host, targetOf(address))
		}
		if p.tcp(0).Port != int(p.port) {
			t.Fatalf("%q: port %d", address, p.tcp(0).Port)
		}
	})
}
