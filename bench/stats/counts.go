package stats

import "reflect"

// Counts is what a scenario counts. All are totals over the time a [Sample] or
// a report speaks of.
//
// What belongs together agrees, nothing is counted twice:
//
//   - Connects = Connected + ConnectFailed, and Connected = Closed + Left, over a
//     whole run. Connections that others make way for, churners, publishers via
//     client and slow clients, are counted with the scenario's own.
//   - Arrivals = Sent + Refused + Dropped of requests, and Published +
//     PublishFailed + Refused + Dropped of publishes, in the measured period.
//   - Expected = OK + Lost + Cut + Wrong + OutOfOrder, in the measured period
//     once it has been settled: each message that was due became exactly one of
//     them. Beside it are Late, which is counted in Lost as well, Duplicate and
//     Unexpected. A message of which nobody knows which it was, damaged or in
//     frames that broke the protocol, stands for one that was due on its
//     connection; if none was, it counts as expected.
//
// A reply with no mark in it, as to a heartbeat, is taken for the one that is
// awaited: where the server both repeats and drops replies, one may hide the
// other.
type Counts struct {
	// Connections.
	Connects      int64 `json:"connects"`       // attempts begun
	Connected     int64 `json:"connected"`      // upgraded
	ConnectFailed int64 `json:"connect_failed"` // attempts that failed; by cause in Sample.Causes
	Closed        int64 `json:"closed"`         // established connections that ended, not at our wish; by cause
	Left          int64 `json:"left"`           // established connections that we ended

	// Operations: requests that want a reply, publishes, messages that want none.
	Arrivals int64 `json:"arrivals"` // operations that were due
	Dropped  int64 `json:"dropped"`  // due operations the client could not begin in time and gave up: its own fault
	Refused  int64 `json:"refused"`  // operations not begun because the server did not take earlier ones (full socket, every connection waiting)

	// Messages we sent, control frames left out.
	Sent      int64 `json:"sent"`
	SentBytes int64 `json:"sent_bytes"` // frames, headers included

	// Publishes through HTTP or a client connection.
	Published     int64 `json:"published"`      // accepted by the server
	PublishFailed int64 `json:"publish_failed"` // by cause

	// Messages we got, control frames left out.
	Received      int64 `json:"received"`
	ReceivedBytes int64 `json:"received_bytes"` // frames, headers included
	FirstSegment  int64 `json:"first_segment"`  // of Received: came in the segment of the 101

	// What became of each message that should have come.
	Expected   int64 `json:"expected"`     // replies and deliveries that were due
	OK         int64 `json:"ok"`           // came once, whole, in order, in time
	Lost       int64 `json:"lost"`         // never came, or late, although the connection lived
	Cut        int64 `json:"cut"`          // never came because the connection ended; of broadcasts all that it would have got until the end
	Late       int64 `json:"late"`         // came after the reply timeout, or after the end; also counted in Lost
	Duplicate  int64 `json:"duplicate"`    // came again
	OutOfOrder int64 `json:"out_of_order"` // came after a later one of the same publisher
	Wrong      int64 `json:"wrong"`        // came with other bytes than were sent, or broke the protocol
	Unexpected int64 `json:"unexpected"`   // messages nobody asked for
}

// Add adds o to c, member by member.
func (c *Counts) Add(o *Counts) {
	dst, src := reflect.ValueOf(c).Elem(), reflect.ValueOf(o).Elem()
	for i := range dst.NumField() {
		dst.Field(i).SetInt(dst.Field(i).Int() + src.Field(i).Int())
	}
}
