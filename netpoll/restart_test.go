package netpoll

import (
	"fmt"
	"io"
	"net"
	"testing"
)

// TestRestartOnTheSamePort starts a second reactor on a port whose connections
// the first one closed: they are in TIME_WAIT on our side and must not hold it.
func TestRestartOnTheSamePort(t *testing.T) {
	first := startReactor(t, Options{}, newTestHandler())
	port := first.Port()
	c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, "GET /ws HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(c); err != nil || len(b) == 0 {
		t.Fatalf("read %q, %v; want a refusal and the end", b, err)
	}
	_ = c.Close()
	waitFor(t, "the connection to be gone", func() bool { return first.Conns() == 0 })
	if err := first.Stop(); err != nil {
		t.Fatal(err)
	}
	second := startReactor(t, Options{Port: port}, newTestHandler())
	dial(t, second)
}

// TestStartOnThePortOfAnotherProgram starts a reactor on a port that a program
// without SO_REUSEPORT has just left, with a connection in TIME_WAIT: a Java node
// that is being replaced.
func TestStartOnThePortOfAnotherProgram(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	served, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	_ = served.Close() // first, so that TIME_WAIT is on this side
	if _, err := c.Read(make([]byte, 1)); err != io.EOF {
		t.Fatalf("read: %v, want the end", err)
	}
	_ = c.Close()
	_ = ln.Close()
	r := startReactor(t, Options{Port: ln.Addr().(*net.TCPAddr).Port}, newTestHandler())
	dial(t, r)
}
