package services

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"
)

// echo is a server that sends back what it gets, and the end too.
func echo(t *testing.T) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", Host+":0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				_, _ = io.Copy(c, c)
				_ = c.Close()
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		all.Wait()
	})
	return l.Addr().String()
}

// proxied starts a proxy before an echo, and a connection through it that works.
func proxied(t *testing.T) (*Proxy, net.Conn) {
	t.Helper()
	addr := echo(t)
	p := NewProxy(t, addr)
	c := dialProxy(t, p)
	roundTrip(t, c, "hello")
	return p, c
}

func dialProxy(t *testing.T, p *Proxy) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func roundTrip(t *testing.T, c net.Conn, text string) {
	t.Helper()
	send(t, c, text)
	receive(t, c, text)
}

func send(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

func receive(t *testing.T, c net.Conn, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != want {
		t.Fatalf("got %q, %v, want %q", got, err, want)
	}
}

func TestProxyForwards(t *testing.T) {
	t.Parallel()
	p, c := proxied(t)
	big := bytes.Repeat([]byte("0123456789abcdef"), 1<<18)
	go func() {
		_, _ = c.Write(big)
		_ = c.(*net.TCPConn).CloseWrite()
	}()
	got, err := io.ReadAll(c) // until the end has come through both ways
	if err != nil || !bytes.Equal(got, big) {
		t.Fatalf("got %d bytes, %v, want %d", len(got), err, len(big))
	}
	want := int64(len(big) + len("hello"))
	if p.Bytes(ToServer) != want || p.Bytes(ToClient) != want {
		t.Errorf("counted %d and %d bytes, want %d", p.Bytes(ToServer), p.Bytes(ToClient), want)
	}
	waitFor(t, "the connection is gone", func() string {
		if p.Connections() > 0 {
			return "it is not"
		}
		return ""
	})
}

func TestProxyCut(t *testing.T) {
	t.Parallel()
	for ending, want := range map[Ending]error{FIN: io.EOF, RST: syscall.ECONNRESET} {
		p, c := proxied(t)
		p.Cut(ending)
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
		roundTrip(t, dialProxy(t, p), "again")
	}
}

func TestProxyCutAfter(t *testing.T) {
	t.Parallel()
	for _, n := range []int64{1, 7, 12} { // in the first message, in its echo, in the next
		p, c := proxied(t)
		before := p.Bytes(ToServer) + p.Bytes(ToClient)
		p.CutAfter(n, FIN)
		var got bytes.Buffer
		for {
			if _, err := io.WriteString(c, "ABCDE"); err != nil {
				break
			}
			if _, err := io.CopyN(&got, c, 5); err != nil {
				break
			}
		}
		if passed := p.Bytes(ToServer) + p.Bytes(ToClient) - before; passed != n {
			t.Errorf("%d bytes passed, want %d", passed, n)
		}
		if want := max(0, n%10-5) + n/10*5; int64(got.Len()) != want {
			t.Errorf("after %d bytes %d have come back, want %d", n, got.Len(), want)
		}
		roundTrip(t, dialProxy(t, p), "again")
	}
}

func TestProxyRefuse(t *testing.T) {
	t.Parallel()
	p, c := proxied(t)
	p.Refuse(RST)
	p.Refuse(RST)
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("got %v", err)
	}
	if c, err := net.Dial("tcp", p.Addr()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("connected to %v, %v", c, err)
	}
	for range 2 {
		if err := p.Restore(); err != nil {
			t.Fatal(err)
		}
	}
	roundTrip(t, dialProxy(t, p), "again")
}

func TestProxyBlackhole(t *testing.T) {
	t.Parallel()
	p, before := proxied(t)
	other := dialProxy(t, p)
	roundTrip(t, other, "other")
	p.Blackhole()
	p.Blackhole()
	during := dialProxy(t, p)
	for _, c := range []net.Conn{before, during} {
		send(t, c, "late")
		_ = c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		if n, err := c.Read(make([]byte, 1)); n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("got %d bytes, %v", n, err)
		}
		_ = c.SetReadDeadline(time.Time{})
	}
	if err := p.Restore(); err != nil {
		t.Fatal(err)
	}
	receive(t, before, "late")
	receive(t, during, "late")
	roundTrip(t, before, "more")

	// A connection can be cut, and the proxy closed, while nothing passes.
	p.Blackhole()
	send(t, before, "never")
	p.Cut(RST)
	if _, err := before.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("got %v", err)
	}
	send(t, dialProxy(t, p), "never")
}

func TestProxyDelay(t *testing.T) {
	t.Parallel()
	p, c := proxied(t)
	const by = 30 * time.Millisecond
	p.Delay(ToServer, by)
	p.Delay(ToClient, by)
	start := time.Now()
	roundTrip(t, c, "slow")
	if took := time.Since(start); took < 2*by {
		t.Errorf("took %v, want at least %v", took, 2*by)
	}
	p.Delay(ToServer, time.Hour)
	p.Delay(ToClient, time.Hour)
	if err := p.Restore(); err != nil {
		t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	roundTrip(t, c, "at once")
}

func TestProxyBeforeNothing(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", Host+":0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	p := NewProxy(t, l.Addr().String())
	c, err := net.Dial("tcp", p.Addr())
	if err == nil { // the reset may come as early as that
		_, err = c.Read(make([]byte, 1))
		_ = c.Close()
	}
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("got %v", err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if c, err := net.Dial("tcp", p.Addr()); err == nil {
		_ = c.Close()
		t.Error("a closed proxy takes connections")
	}
	if err := p.Restore(); err != nil {
		t.Error(err)
	}
}
