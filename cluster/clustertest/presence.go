package clustertest

import (
	"context"
	"sync"
	"testing"
	"time"

	"carillon/cluster"
)

// PresenceCluster is a fresh cluster that nobody else uses.
type PresenceCluster struct {
	// New returns one more Presence of the cluster, not joined, as one more process
	// would have it. What it needs to be closed beyond Leave belongs into t.Cleanup.
	New func(t testing.TB) cluster.Presence
	// Away makes the server unreachable for every Presence, until back is called,
	// which happens once. Without it, the checks that need it are left out.
	Away func(t testing.TB) (back func())
	// Written tells that changes are written to a server, so that Stats counts them.
	Written bool
	// Patience is how long a change may take to show, 0 means 20 s.
	Patience time.Duration
}

// Presence checks an implementation of [cluster.Presence]. Each check runs in a
// cluster of its own, which start makes.
func Presence(t *testing.T, start func(t testing.TB) PresenceCluster) {
	for _, c := range presenceChecks {
		t.Run(c.name, func(t *testing.T) { runPresence(t, c, start) })
	}
}

type presenceCheck struct {
	name string
	away bool // needs PresenceCluster.Away
	run  func(t testing.TB, c *presences)
}

var presenceChecks = []presenceCheck{
	{name: "Join", run: checkJoin},
	{name: "JoinTellsWhatIsHeld", run: checkJoinHeld},
	{name: "ConnectBeforeJoin", run: checkConnectBeforeJoin},
	{name: "JoinAfterContextEnd", run: checkJoinAfterContextEnd},
	{name: "NodeTaken", run: checkPresenceTaken},
	{name: "Leave", run: checkLeave},
	{name: "LeaveWithoutJoin", run: checkLeaveWithoutJoin},
	{name: "ComeBack", run: checkComeBack},
	{name: "Connect", run: checkConnect},
	{name: "SeveralSessions", run: checkSeveralSessions},
	{name: "OddUsers", run: checkOddUsers},
	{name: "Hammer", run: checkHammer},
	{name: "Race", run: checkRace},
	{name: "LocateByIndex", run: checkLocateByIndex},
	{name: "LocateMany", run: checkLocateMany},
	{name: "LocateAfterChange", run: checkLocateAfterChange},
	{name: "LocateSessions", run: checkLocateSessions},
	{name: "LocateSessionsOfNewNode", run: checkLocateSessionsOfNewNode},
	{name: "Count", run: checkCount},
	{name: "ListUsers", run: checkListUsers},
	{name: "ListSessions", run: checkListSessions},
	{name: "ListEmpty", run: checkListEmpty},
	{name: "BadCursor", run: checkBadCursor},
	{name: "Concurrency", run: checkPresenceConcurrency},
	{name: "Stats", run: checkPresenceStats},
	{name: "Away", away: true, run: checkPresenceAway},
	{name: "JoinWhileAway", away: true, run: checkJoinWhileAway},
}

func runPresence(t testing.TB, check presenceCheck, start func(t testing.TB) PresenceCluster) {
	ctx := begin(t)
	c := start(t)
	if check.away && c.Away == nil {
		t.Log("left out: nothing behind it can be away")
		return
	}
	check.run(t, &presences{PresenceCluster: c, ctx: ctx})
}

// presences is a cluster while it is checked.
type presences struct {
	PresenceCluster
	ctx context.Context
}

// goAway makes the server unreachable until back is called or the test ends.
func (c *presences) goAway(t testing.TB) (back func()) {
	back = sync.OnceFunc(c.Away(t))
	t.Cleanup(back)
	return back
}
