package clustertest

import (
	"context"
	"sync"
	"testing"
	"time"

	"carillon/cluster"
)

// BusCluster is a fresh broker, or a part of one, that nobody else uses.
type BusCluster struct {
	// New returns one more Bus, not open, as one more process would have it. What it
	// needs to be closed beyond Close belongs into t.Cleanup. Its outbox should be
	// small, a few MiB: a check fills it.
	New func(t testing.TB) cluster.Bus
	// Away makes the broker unreachable for every Bus, until back is called, which
	// happens once. Without it, the checks that need it are left out.
	Away func(t testing.TB) (back func())
	// Patience is how long something may take to arrive, 0 means 20 s.
	Patience time.Duration
}

// Bus checks an implementation of [cluster.Bus]. Each check runs with a broker of
// its own, which start makes.
func Bus(t *testing.T, start func(t testing.TB) BusCluster) {
	for _, c := range busChecks {
		t.Run(c.name, func(t *testing.T) { runBus(t, c, start) })
	}
}

type busCheck struct {
	name string
	away bool // needs BusCluster.Away
	run  func(t testing.TB, c *buses)
}

var busChecks = []busCheck{
	{name: "Open", run: checkOpen},
	{name: "OpenAfterContextEnd", run: checkOpenAfterContextEnd},
	{name: "NodeTaken", run: checkBusTaken},
	{name: "EveryField", run: checkEveryField},
	{name: "LargePayload", run: checkLargePayload},
	{name: "RightNodes", run: checkRightNodes},
	{name: "NothingShared", run: checkNothingShared},
	{name: "Order", run: checkOrder},
	{name: "ManyPublishers", run: checkManyPublishers},
	{name: "Done", run: checkDone},
	{name: "Unroutable", run: checkUnroutable},
	{name: "PublishBeforeOpen", run: checkPublishBeforeOpen},
	{name: "BlockedHandler", run: checkBlockedHandler},
	{name: "HandlerError", run: checkHandlerError},
	{name: "CloseFlushes", run: checkCloseFlushes},
	{name: "CloseStops", run: checkCloseStops},
	{name: "CloseWithoutOpen", run: checkCloseWithoutOpen},
	{name: "Forget", run: checkForget},
	{name: "Concurrency", run: checkBusConcurrency},
	{name: "Stats", run: checkBusStats},
	{name: "Away", away: true, run: checkBusAway},
	{name: "OutboxFull", away: true, run: checkOutboxFull},
	{name: "OpenWhileAway", away: true, run: checkOpenWhileAway},
	{name: "CloseWhileAway", away: true, run: checkCloseWhileAway},
}

func runBus(t testing.TB, check busCheck, start func(t testing.TB) BusCluster) {
	ctx := begin(t)
	c := start(t)
	if check.away && c.Away == nil {
		t.Log("left out: nothing behind it can be away")
		return
	}
	check.run(t, &buses{BusCluster: c, ctx: ctx})
}

// buses is a broker while it is checked.
type buses struct {
	BusCluster
	ctx   context.Context
	marks int
}

// goAway makes the broker unreachable until back is called or the test ends.
func (c *buses) goAway(t testing.TB) (back func()) {
	back = sync.OnceFunc(c.Away(t))
	t.Cleanup(back)
	return back
}
