package server

import (
	"time"

	"carillon/codec"
	"carillon/netpoll"
)

// kickTick is how often a spread kick closes a few more.
const kickTick = 20 * time.Millisecond

// kickEveryone closes the sessions there are now, in no order, spread over a time,
// and returns how many that is. It does not wait for them: a spread goes on in the
// background until it is done or the server stops.
func (s *Server) kickEveryone(code codec.CloseCode, reason string, spread time.Duration) (sessions int) {
	var hs []netpoll.Handle
	for i := range s.users.shards {
		for _, uh := range s.users.shards[i].list() {
			hs = append(hs, uh.handle)
		}
	}
	s.kicks.Go(func() {
		f := s.reactor.NewFeed()
		start := time.Now()
		t := time.NewTicker(kickTick)
		defer t.Stop()
		for done := 0; done < len(hs); {
			due := len(hs)
			if past := time.Since(start); past < spread {
				due = int(float64(len(hs)) * float64(past+kickTick) / float64(spread+kickTick))
			}
			if due > done {
				if f.CloseMany(s.handlerCtx, hs[done:due], code, reason, netpoll.CauseKicked) != nil {
					return // The server stops, which closes them all.
				}
				done = due
			}
			if done == len(hs) {
				return
			}
			select {
			case <-s.handlerCtx.Done():
				return
			case <-t.C:
			}
		}
	})
	return len(hs)
}
