package scaling

import "time"

const (
	// fullCore is the share of its core at which answers of Redis come late enough for
	// more to gather.
	fullCore = 0.9
	// longestWait is how long nodes may wait for an answer: a tenth of the time after
	// which they take Redis for away.
	longestWait = 100 * time.Millisecond
)

// settle finds how long nodes wait for Redis. One writer of a node has one batch under
// way, and what comes meanwhile is the next one. So when Redis is busy batches grow,
// which makes it less busy: there is a wait at which both agree.
func settle(l Load, s Shape, c Costs) (Counts, RedisUse) {
	at := func(wait time.Duration) (Counts, RedisUse) {
		t := s
		t.RoundTrip = wait
		n := Count(l, t, c)
		r := redisUse(l, t, n, c)
		r.Wait = wait.Seconds()
		return n, r
	}
	busiest := func(r RedisUse) float64 {
		if s.Masters == 0 {
			return r.Total
		}
		return max(r.Coordination, r.Online, r.Sessions, r.Total/s.Masters)
	}
	longest := max(longestWait, s.RoundTrip)
	_, least := at(longest)
	low, high := s.RoundTrip, longest
	if _, r := at(low); busiest(r) <= fullCore {
		high = low
	}
	for high-low > time.Microsecond {
		mid := (low + high) / 2
		if _, r := at(mid); busiest(r) <= fullCore {
			high = mid
		} else {
			low = mid
		}
	}
	n, r := at(high)
	r.Least, r.LeastCoordination = least.Total, least.Coordination
	return n, r
}
