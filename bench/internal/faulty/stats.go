package faulty

import (
	"reflect"
	"sync/atomic"
)

// Stats is what the server did, since its start. It is exact once the server is
// at rest.
type Stats struct {
	// Connections.
	Accepted    int64 // TCP connections
	Upgraded    int64
	Silent      int64 // of SilentEvery
	HungUp      int64 // of HangUpEvery
	Refused     int64 // of RefuseEvery, and requests that are no upgrade
	BadAccept   int64 // of BadAcceptEvery
	Conns       int64 // upgraded and open now
	ClosedByUs  int64 // by a close frame of the server's own
	ResetByUs   int64 // by RST
	Overflowed  int64 // by us, as more than Options.QueueBytes waited for a client that does not read
	ClosedByYou int64 // the client sent the first close frame
	Vanished    int64 // the client ended the TCP connection without one
	BadFrames   int64 // the client broke the protocol and was closed for it

	// Messages of clients.
	Received      int64 // text and binary
	ReceivedBytes int64 // their payloads
	Heartbeats    int64 // of Received
	Publishes     int64 // over HTTP, and messages on /hub

	// Frames: replies and deliveries. With nothing under way
	// Due + Duplicated = Sent + Dropped + Undelivered + Held.
	Due         int64 // that a server without faults would have sent
	Sent        int64 // that were given to the kernel
	SentBytes   int64 // with headers
	Dropped     int64
	Duplicated  int64 // each was sent twice
	Corrupted   int64
	Violations  int64
	Swapped     int64 // pairs
	Held        int64 // wait now for a frame to be swapped with
	Late        int64 // were held and found none
	Stalled     int64 // had to wait for the end of a stall
	Undelivered int64 // were due on a connection that ended before

	Pings    int64
	Pongs    int64 // with the payload of a ping
	BadPongs int64 // with another one
}

// counters is Stats while it counts: a member for each, by the same name.
type counters struct {
	Accepted, Upgraded, Silent, HungUp, Refused, BadAccept, Conns                     atomic.Int64
	ClosedByUs, ResetByUs, Overflowed, ClosedByYou, Vanished, BadFrames               atomic.Int64
	Received, ReceivedBytes, Heartbeats, Publishes                                    atomic.Int64
	Due, Sent, SentBytes, Dropped, Duplicated, Corrupted, Violations                  atomic.Int64
	Swapped, Held, Late, Stalled, Undelivered, Pings, Pongs, BadPongs, pingsNumbering atomic.Int64
}

// Stats returns what was counted so far.
func (s *Server) Stats() Stats {
	var out Stats
	to, from := reflect.ValueOf(&out).Elem(), reflect.ValueOf(&s.count).Elem()
	for i := range to.NumField() {
		c := from.FieldByName(to.Type().Field(i).Name).Addr().Interface().(*atomic.Int64)
		to.Field(i).SetInt(c.Load())
	}
	return out
}

// Conns returns how many upgraded connections are open.
func (s *Server) Conns() int { return int(s.count.Conns.Load()) }
