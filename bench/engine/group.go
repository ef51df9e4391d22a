package engine

import (
	"time"

	"carillon/bench/plan"
	"carillon/bench/stats"
	"carillon/codec"
)

// group is a scenario's connections on one loop, with what was counted about
// them. Loop only.
type group struct {
	sc *scenario
	s  *shard

	live   []*conn     // established members
	guests []*conn     // established churners and publishers
	at     int         // modeEcho: whose turn it is
	idle   ring[*conn] // modeRequest: those that may be asked

	stage  Stage
	epoch  uint8      // of the measured period; the warm-up's is one less
	on     bool       // between Traffic and Settle
	scheds []schedule // when operations are due; more than one when other loops had no connection left
	freed  int64      // since when there has been an idle connection

	pending  ring[request] // requests under way, oldest first; answered ones are skipped
	resting  ring[resting] // modeRequest: connections whose reply may still come, until they are asked again
	thinking ring[waiting] // closed model: connections that pause
	balked   ring[waiting] // closed model: connections whose socket was full
	churn    ring[waiting] // churners, by the time they leave

	premade []byte // the masked frame, when all messages are the same
	alike   alike
	owing   int // in live: where quiet found something missing
	gone    gone

	acc   [2]*stats.Totals // [measured], [other]
	lat   [2]*stats.Hist   // their latencies
	late  [2]*stats.Hist   // their lateness
	spare [2]*stats.Totals // what Collect has emptied
}

func newGroup(s *shard, sc *scenario) *group {
	g := &group{sc: sc, s: s}
	g.adopt([2]*stats.Totals{new(stats.Totals), new(stats.Totals)})
	if sc.mode == modeRequest && sc.message.Constant() {
		g.premade = codec.AppendMasked(nil, sc.op, sc.message.Append(nil, &plan.Values{}), s.key())
	}
	return g
}

// adopt makes t what is counted in.
func (g *group) adopt(t [2]*stats.Totals) {
	g.acc = t
	for w := range t {
		g.lat[w] = t[w].Hist(stats.Latency)
		g.late[w] = t[w].Hist(stats.Lateness)
	}
}

// swap takes what was counted and begins anew.
func (g *group) swap() (taken [2]*stats.Totals) {
	taken = g.acc
	for w := range g.spare {
		if g.spare[w] == nil {
			g.spare[w] = new(stats.Totals)
		}
	}
	g.adopt(g.spare)
	g.spare = [2]*stats.Totals{}
	return taken
}

// giveBack returns what swap gave out, so that its memory is used again. Any
// goroutine, one at a time.
func (g *group) giveBack(t [2]*stats.Totals) {
	for w := range t {
		t[w].Reset()
	}
	g.s.post(func() { g.spare = t })
}

// window tells in which period counts what was due at t.
func (g *group) window(t int64) int {
	if t >= g.stage.From && t < g.stage.To {
		return measured
	}
	return other
}

// in is what operations that were due at t are counted in.
func (g *group) in(t int64) *stats.Totals { return g.acc[g.window(t)] }

// windowOfEpoch tells in which period counts what has an epoch.
func (g *group) windowOfEpoch(epoch uint8) int {
	if epoch == g.epoch {
		return measured
	}
	return other
}

func durationOf(ns int64) time.Duration { return time.Duration(max(ns, 0)) }

// begin starts a stage, in which the group has its part of the operations.
func (g *group) begin(st Stage, of stretch) {
	g.stage, g.on = st, true
	g.epoch = warmupOf(st) + 1
	g.gone.reset()
	g.freed = st.At
	for _, c := range g.live {
		c.echoes, c.prev, c.more = echoes{}, nil, nil
		c.flags.clear(flagLateJoin)
	}
	if g.sc.mode != modeRequest && g.sc.mode != modeEcho {
		return
	}
	if g.sc.Model == plan.Open {
		part := g.s.e.job.Worker*len(g.s.e.shards) + g.s.idx
		seed := [2]uint64{g.s.e.job.Plan.Seed, uint64(g.sc.idx)<<48 | uint64(st.Number)<<32 | uint64(part)}
		g.scheds = append(g.scheds[:0], newSchedule(g.sc.Arrival, g.sc.rate(st.Scale), st.At, st.To, of, seed))
		return
	}
	for _, c := range g.live {
		g.startClosed(c, st.At)
	}
}

// startClosed begins the closed model on c at the time at.
func (g *group) startClosed(c *conn, at int64) {
	for range max(g.sc.Outstanding, 1) {
		g.thinking.push(waiting{c, at})
	}
	g.s.sooner(at)
}

// pump begins what is due and returns when the next operation is.
func (g *group) pump() int64 {
	next := g.arrivals()
	for _, q := range [2]*ring[waiting]{&g.thinking, &g.balked} {
		for q.size > 0 {
			if by := q.front().by; by > g.s.now {
				next = min(next, by)
				break
			}
			if c := q.pop().c; g.s.now < g.stage.To && c.state == stateOpen {
				g.again(c)
			}
		}
	}
	for g.churn.size > 0 {
		if by := g.churn.front().by; by > g.s.now {
			next = min(next, by)
			break
		}
		if c := g.churn.pop().c; c.state == stateOpen {
			g.s.leave(c, g.sc.Churn != nil && g.sc.Churn.Abrupt)
		}
	}
	return next
}

// arrivals begins the operations of the open model that are due, and returns when
// the next one is.
func (g *group) arrivals() (next int64) {
	for {
		i, due := g.earliest()
		if due > g.s.now {
			return due
		}
		if len(g.live) == 0 && g.handOver() {
			continue
		}
		if !g.arrive(due) {
			return never // no connection is free: the reply that frees one calls again
		}
		if i < len(g.scheds) {
			g.scheds[i].take()
		}
	}
}

// earliest is the schedule that has the next operation, and when that is due.
func (g *group) earliest() (at int, due int64) {
	due = never
	for i := 0; i < len(g.scheds); {
		t := g.scheds[i].next
		if t == never {
			g.scheds = append(g.scheds[:i], g.scheds[i+1:]...)
			continue
		}
		if t < due {
			at, due = i, t
		}
		i++
	}
	return at, due
}

// handOver gives what is due to a loop that has connections left. It is false when
// none has.
func (g *group) handOver() bool {
	for i, s := range g.s.e.shards {
		if s == g.s || g.sc.live[i].Load() == 0 {
			continue
		}
		scheds := g.scheds
		to := s.groups[g.sc.idx]
		if s.post(func() { to.inherit(scheds) }) {
			g.scheds = nil
			return true
		}
	}
	return false
}

// inherit takes over what another loop had no connection for.
func (g *group) inherit(scheds []schedule) {
	g.scheds = append(g.scheds, scheds...)
	if !g.on { // settled meanwhile
		for _, s := range g.scheds {
			g.refuse(s)
		}
		g.scheds = nil
	}
}

// catchUp begins operations that waited for a connection.
func (g *group) catchUp() {
	if _, due := g.earliest(); due <= g.s.now {
		g.s.sooner(g.arrivals())
	}
}

// add takes an upgraded connection in.
func (g *group) add(c *conn) {
	list := g.listOf(c)
	c.slot = int32(len(*list))
	*list = append(*list, c)
	if c.role != roleMember {
		return
	}
	g.sc.open.Add(1)
	g.sc.live[g.s.idx].Add(1)
	if g.on {
		c.flags.set(flagLateJoin)
	}
	closed := g.sc.Model == plan.Closed
	switch {
	case g.sc.mode == modeRequest && !closed:
		g.rest(c)
		g.catchUp()
	case g.on && closed && g.s.now < g.stage.At:
		g.startClosed(c, g.stage.At)
	case g.on && closed && g.s.now < g.stage.To: // at once, not behind those that think
		for n := max(g.sc.Outstanding, 1); n > 0 && c.state == stateOpen; n-- {
			g.again(c)
		}
	}
}

// listOf is where c is while it is established.
func (g *group) listOf(c *conn) *[]*conn {
	if c.role == roleMember {
		return &g.live
	}
	return &g.guests
}

// remove takes a connection out that has ended and counts what it will not get
// any more.
func (g *group) remove(c *conn) {
	if c.slot < 0 {
		return
	}
	list := g.listOf(c)
	last := len(*list) - 1
	(*list)[c.slot] = (*list)[last]
	(*list)[c.slot].slot = c.slot
	(*list)[last] = nil
	*list = (*list)[:last]
	c.slot = -1
	if c.role != roleMember {
		return
	}
	g.sc.open.Add(-1)
	g.sc.live[g.s.idx].Add(-1)
	switch g.sc.mode {
	case modeRequest:
		if c.due != 0 {
			g.in(c.due).Counts.Cut++
			c.due = 0
		}
	case modeEcho:
		g.settleEchoes(c, true)
	case modeDeliver:
		if g.on && g.s.now >= g.stage.From {
			g.leaveStreams(c)
		}
	}
}

// balkPause is how long the closed model leaves a connection alone that did not
// take a request, in ns.
const balkPause = 50e6

// again begins the next operation of the closed model on c.
func (g *group) again(c *conn) {
	if g.sc.mode == modeRequest && (c.due != 0 || c.flags.has(flagExpired)) {
		return
	}
	switch g.ask(c, g.s.now) {
	case askBroken:
		return
	case askFull:
		by := g.s.now + balkPause
		g.balked.push(waiting{c, by})
		g.s.sooner(by)
	}
	g.in(g.s.now).Counts.Arrivals++
}

// pause has c send its next request of the closed model after the think time.
func (g *group) pause(c *conn) {
	switch {
	case !g.on || g.s.now >= g.stage.To || c.state != stateOpen:
	case g.sc.Think <= 0:
		g.again(c)
	default:
		by := g.s.now + int64(g.sc.Think)
		g.thinking.push(waiting{c, by})
		g.s.sooner(by)
	}
}

// sooner makes the alarm wake the loop at t at the latest.
func (s *shard) sooner(t int64) {
	if t < s.alarm.at {
		s.alarm.set(max(t, s.now+minGap))
	}
}
