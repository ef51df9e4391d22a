package netpoll

// counters are a shard's, written by its loop alone and published once a period.
type counters struct {
	accepted, upgraded uint64
	received           uint64 // whole messages and control frames of clients
	sent               uint64 // bytes
	blocked            uint64 // times the kernel took no more
	closed             [causeCount]uint64
}

// ShardStats is what one loop published last, at most a second ago.
type ShardStats struct {
	Sockets      int   // connections of any state
	Open         int   // connections that take messages
	Blocked      int   // connections whose socket takes no more for now
	OutBytes     int   // bytes queued for single connections
	LogBytes     int   // size of the broadcast rings
	QueueDepth   int64 // operations that wait for the loop
	QueueBytes   int64
	QueueRefused uint64
	Wakes        uint64 // writes to the loop's wake socket

	Accepted, Upgraded, Received uint64
	SentBytes, BlockedTimes      uint64
	Closed                       [causeCount]uint64 // by Cause
}

// publish makes the counters readable for other goroutines.
func (s *Shard) publish() {
	s.published.Store(&ShardStats{
		Sockets: len(s.conns) - len(s.free), Open: s.open, Blocked: len(s.blocked), OutBytes: s.outBytes,
		LogBytes: len(s.logs[logPlain].buf) + len(s.logs[logDeflate].buf),
		Accepted: s.count.accepted, Upgraded: s.count.upgraded, Received: s.count.received,
		SentBytes: s.count.sent, BlockedTimes: s.count.blocked, Closed: s.count.closed,
	})
}

// Stats returns the counters of every loop, at most a second old. Any goroutine.
func (r *Reactor) Stats() []ShardStats {
	shards := *r.shards.Load()
	all := make([]ShardStats, len(shards))
	for i, s := range shards {
		all[i] = *s.published.Load()
		all[i].QueueDepth = s.depth.Load()
		all[i].QueueBytes = s.depthBytes.Load()
		all[i].QueueRefused = s.refused.Load()
		s.mu.Lock()
		all[i].Wakes = s.rings
		s.mu.Unlock()
	}
	if len(all) > 0 {
		all[0].Closed[CauseCapacity] += r.overflows.Load()
	}
	return all
}
