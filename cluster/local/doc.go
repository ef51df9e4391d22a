// Package local is a cluster in the memory of one process.
//
// A gateway that is alone uses [New]: nobody else can be there, and it costs
// nothing. Several gateways of one process become a cluster through a [Hub]: each
// takes a [Presence] and a [Bus] from it.
//
//	hub := local.NewHub()
//	a, b := hub.Presence(), hub.Presence()
//
// Nothing is stored twice. A Presence answers from the [cluster.Sessions] of the
// members, and a Bus has a goroutine only while it has operations to carry.
//
// A Hub can be made to fail as servers do, see [Hub.SetPresenceAway],
// [Hub.SetBusAway] and [Hub.TakeOver], and to hold nodes of the reference, see
// [Hub.Foreign]: that is how the behaviour of a gateway in these cases is tested.
package local
