package config

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

func takeID(t *testing.T, s Server) (string, func()) {
	t.Helper()
	id, release, err := DefaultNodeID(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	return id, release
}

func TestDefaultNodeID(t *testing.T) {
	t.Parallel()
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	// No test listens on these ports; the process id keeps parallel runs of this test apart.
	s := Server{UnixSocket: fmt.Sprintf("/nowhere/%d/carillon.sock", os.Getpid())}
	base := fmt.Sprintf("%s-nowhere-%d-carillon.sock", host, os.Getpid())
	first, releaseFirst := takeID(t, s)
	second, _ := takeID(t, s)
	third, _ := takeID(t, s)
	if first != base || second != base+"-2" || third != base+"-3" {
		t.Errorf("got %s, %s, %s, want %s and -2, -3 behind it", first, second, third, base)
	}
	releaseFirst()
	if again, _ := takeID(t, s); again != base {
		t.Errorf("after the first was released: got %s, want %s", again, base)
	}
	c := Default()
	c.Server.NodeID = third
	if err := c.Validate(); err != nil {
		t.Errorf("the default is not a valid node id: %v", err)
	}
}

func TestNodeName(t *testing.T) {
	t.Parallel()
	if got, want := nodeName("höst a-run/x"), "h-st-a-run-x"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := nodeName(strings.Repeat("a", 500) + "-18001"); len(got) > maxNodeID-5 || !strings.HasSuffix(got, "-18001") {
		t.Errorf("a long name: got %d bytes ending in %s", len(got), got[len(got)-6:])
	}
}
