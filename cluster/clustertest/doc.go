// Package clustertest checks that a [cluster.Presence] or a [cluster.Bus] does what
// its interface says. The tests of an implementation call [Presence] or [Bus] with a
// function that makes a fresh cluster for each check:
//
//	func TestConformance(t *testing.T) {
//		clustertest.Presence(t, func(t testing.TB) clustertest.PresenceCluster {
//			server := startServer(t)
//			return clustertest.PresenceCluster{
//				New: func(t testing.TB) cluster.Presence { return mine.New(server.Address()) },
//			}
//		})
//	}
//
// The checks run one after the other. What a check opens it closes, then the
// cleanups of the function that has made the cluster run, and then no goroutine
// may be left that was not there before. A server may therefore serve all checks if
// it is emptied for each; a proxy in front of it, which starts goroutines as
// connections come, belongs into the function.
package clustertest
