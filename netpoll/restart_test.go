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
