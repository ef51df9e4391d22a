package proc

import (
	"net"
	"strconv"
	"testing"
)

// TestFreePort gets each port once, and none that somebody listens on.
func TestFreePort(t *testing.T) {
	taken, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(firstPort+int((lastPort.Load()+3)%ports))))
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	seen := map[string]bool{}
	_, seenPort, err := net.SplitHostPort(taken.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	seen[seenPort] = true
	for range 10 {
		port, err := FreePort("127.0.0.1")
		if err != nil {
			t.Fatal(err)
		}
		if n, err := strconv.Atoi(port); err != nil || n < firstPort || n >= firstPort+ports || seen[port] {
			t.Errorf("port %q, %v", port, err)
		}
		seen[port] = true
	}
	if _, err := FreePort("192.0.2.1"); err == nil {
		t.Error("a port of a host that is not this one")
	}
}
