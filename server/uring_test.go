package server

import (
	"testing"

	"carillon/netpoll"
	"carillon/server/config"
)

// TestIOUring is how server.io-uring reaches the reactor.
func TestIOUring(t *testing.T) {
	t.Parallel()
	for value, want := range map[config.IOUring]netpoll.UringMode{
		"": netpoll.UringAuto, config.IOUringAuto: netpoll.UringAuto, config.IOUringOn: netpoll.UringOn, config.IOUringOff: netpoll.UringOff,
	} {
		s := &Server{cfg: config.Config{Server: config.Server{IOUring: value}}}
		if got := s.reactorOptions(nil).Uring; got != want {
			t.Errorf("%q: got %v, want %v", value, got, want)
		}
	}
}
