package faulty

import (
	"sync/atomic"
	"time"

	"carillon/codec"
)

// Faults is what the server does wrong. The zero value is a plain server. A
// frame here is a reply or a delivery; the welcome and control frames have no
// faults but Stall and SlowUpgrade.
type Faults struct {
	// Upgrades. Each "every n" is of upgrade requests.

	SilentEvery    int           // the TCP connection is accepted, and nothing is ever read or written
	HangUpEvery    int           // the connection is closed instead of answered
	RefuseEvery    int           // the answer is RefuseStatus
	RefuseStatus   int           // default 503
	BadAcceptEvery int           // Sec-WebSocket-Accept is not the one of the key
	SlowUpgrade    time.Duration // every answer is that much later
	UpgradeChunk   int           // answers are written in pieces of that many bytes (legal)

	// Frames.

	DropEvery      int // is never sent
	DuplicateEvery int // is sent twice
	CorruptEvery   int // has one byte of its payload changed; a text stays UTF-8
	CorruptOffset  int // which byte, from the payload's end; 0 is the last, beyond the first is the first
	ViolateEvery   int // is sent as Violation says
	Violation      Violation
	SwapEvery      int           // is sent after the next frame of its connection, see SwapWait
	SwapWait       time.Duration // when no next frame comes within it, the frame is sent all the same and counts as Late, not Swapped; default 1s

	Delay         time.Duration // is sent that much later, in order
	FragmentBytes int           // is sent in fragments of that many bytes (legal)
	Interleave    bool          // has a ping between its fragments (legal)

	// Connections.

	Stall     Stall
	Close     Close
	PingEvery time.Duration // every connection is pinged, see Stats.Pongs; from the time of SetFaults on
	NoRead    bool          // nothing is read after the upgrade, so that clients meet backpressure
}

// Stall has everything the server sends stand still, replies of HTTP included,
// for the last For of every Every, by one clock for all connections that starts
// with SetFaults. It is sent afterwards; nothing is lost.
type Stall struct {
	Every, For time.Duration
}

// Close closes connections after frames were sent on them.
type Close struct {
	Every  int    // after each n-th frame of the server, the connection it went to
	Random int    // each connection after a random number of frames of its own, from 1 to 2*Random-1, from Options.Seed
	Code   int    // 0: a close frame without code
	Reason string // of the close frame
	Abrupt bool   // by RST, without a close frame
}

// Violation is a way to break RFC 6455 with a frame.
type Violation uint8

// The violations.
const (
	Masked            Violation = iota // a server must not mask (5.1)
	ReservedBits                       // RSV2 without an extension (5.2)
	ReservedOpcode                     // opcode 3 (5.2)
	Orphan                             // a continuation without a message (5.4)
	FragmentedControl                  // a ping that is not final (5.4)
	LongControl                        // a ping of 126 bytes (5.5)
	BadUTF8                            // a text that is not UTF-8 (8.1)
	Unfinished                         // a new message inside a fragmented one (5.4)
)

var violationNames = [...]string{
	"masked", "reserved bits", "reserved opcode", "orphan continuation", "fragmented control", "long control", "bad UTF-8", "unfinished message",
}

// String returns a name for messages of tests.
func (v Violation) String() string {
	if int(v) < len(violationNames) {
		return violationNames[v]
	}
	return "violation?"
}

// faultSet is Faults in force, with its counters.
type faultSet struct {
	Faults
	since    time.Time
	replaced chan struct{} // closed when another set is in force

	silent, hangUp, refuse, badAccept        counter
	drop, duplicate, corrupt, violate, swaps counter
	closes                                   counter
}

func newFaultSet(f Faults) *faultSet {
	if f.RefuseStatus == 0 {
		f.RefuseStatus = 503
	}
	if f.SwapWait <= 0 {
		f.SwapWait = time.Second
	}
	if len(f.Close.Reason) > codec.MaxCloseReason {
		f.Close.Reason = f.Close.Reason[:codec.MaxCloseReason]
	}
	return &faultSet{Faults: f, since: time.Now(), replaced: make(chan struct{})}
}

// counter says which events are each n-th.
type counter struct{ n atomic.Int64 }

// hits counts an event and reports whether it is an every-th one; none is when
// every is 0.
func (c *counter) hits(every int) bool {
	return every > 0 && c.n.Add(1)%int64(every) == 0
}

// stallLeft returns how long the server stands still from now on.
func (f *faultSet) stallLeft(now time.Time) time.Duration {
	if f.Stall.For <= 0 || f.Stall.Every <= 0 {
		return 0
	}
	at := now.Sub(f.since) % f.Stall.Every
	if at < f.Stall.Every-f.Stall.For {
		return 0
	}
	return f.Stall.Every - at
}
