package netpoll

import (
	"carillon/codec"
)

// drain closes the open connections of a shard spread over a window, so that
// clients do not all come back at once.
type drain struct {
	active bool
	end    uint32 // tick at which all must have been told, real clock
	slot   int    // where the next share begins
}

func (s *Shard) startDrain(window uint32) {
	s.tick() // the clock may be a period old
	s.drain = drain{active: true, end: s.real + window}
	s.drainStep()
}

// drainStep closes this tick's share of the connections.
func (s *Shard) drainStep() {
	if !s.drain.active {
		return
	}
	share := s.open
	if rest := int32(s.drain.end - s.real); rest > 0 {
		share = (s.open + int(rest) - 1) / int(rest)
	}
	for ; share > 0 && s.drain.slot < len(s.conns); s.drain.slot++ {
		if c := s.conns[s.drain.slot]; c != nil && c.state == stateOpen {
			s.beginClose(c, codec.CloseGoingAway, reasonShutdown, CauseShutdown, false)
			share--
		}
	}
	if s.drain.slot == len(s.conns) || s.open == 0 {
		s.drain.slot = 0 // a handshake may have ended since
		for _, c := range s.conns {
			if c != nil && c.state == stateHandshake {
				c.cause = CauseShutdown
				s.doom(c)
			}
		}
	}
}
