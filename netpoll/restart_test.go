package netpoll

import (
	"testing"

	"carillon/codec"
)

// TestRestartOnTheSamePort starts a second reactor on a port whose connections
// the first one closed: they are in TIME_WAIT on our side and must not hold it.
func TestRestartOnTheSamePort(t *testing.T) {
	h := newTestHandler()
	first := startReactor(t, Options{}, h)
	c := dial(t, first)
	send(t, c, codec.HeartbeatRequest)
	expect(t, c, `{"type":"HEARTBEAT_ACK"}`)
	if err := first.CloseMany(h.all(), codec.CloseNormal, "", CauseKicked, nil); err != nil {
		t.Fatal(err)
	}
	expectClose(t, c, 1000, "")
	_ = c.Close()
	waitFor(t, "the connection to be gone", func() bool { return first.Conns() == 0 })
	port := first.Port()
	if err := first.Stop(); err != nil {
		t.Fatal(err)
	}
	second := startReactor(t, Options{Port: port}, newTestHandler())
	dial(t, second)
}
