package engine

import (
	"fmt"
	"testing"
	"time"

	"carillon/bench/internal/await"
	"carillon/bench/internal/faulty"
	"carillon/bench/stats"
)

// trial runs one kind of load against a server with faults and returns what both
// counted.
func trial(t *testing.T, kind string, opt faulty.Options, d time.Duration) (*rig, stats.Counts, faulty.Stats) {
	t.Helper()
	srv := faulty.Start(t, opt)
	r := newRig(t, load(kind, srv))
	r.srv = srv
	r.connect()
	r.run(d)
	r.disconnect()
	return r, r.all(0), atRest(t, srv)
}

// expect compares the counters that faults show in; all others have to be 0.
func expect(t *testing.T, c stats.Counts, want stats.Counts) {
	t.Helper()
	got := stats.Counts{
		Lost: c.Lost, Cut: c.Cut, Late: c.Late, Duplicate: c.Duplicate, OutOfOrder: c.OutOfOrder, Wrong: c.Wrong, Unexpected: c.Unexpected,
		Closed: c.Closed, ConnectFailed: c.ConnectFailed, PublishFailed: c.PublishFailed, Refused: c.Refused, Dropped: c.Dropped,
	}
	if got != want {
		t.Errorf("got  %+v\nwant %+v\nof   %+v", got, want, c)
	}
}

const short = 300 * time.Millisecond

func TestServerWithoutFaults(t *testing.T) {
	each(t, func(t *testing.T, kind string) {
		_, c, st := trial(t, kind, faulty.Options{}, short)
		expect(t, c, stats.Counts{})
		if c.OK != st.Due || c.Expected != st.Due || c.Received != st.Sent || c.ReceivedBytes != st.SentBytes || c.OK < 300 {
			t.Errorf("got %+v, the server %+v", c, st)
		}
		if c.Sent != st.Received {
			t.Errorf("sent %d, the server got %d", c.Sent, st.Received)
		}
	})
}

func TestServerDrops(t *testing.T) {
	each(t, func(t *testing.T, kind string) {
		_, c, st := trial(t, kind, faulty.Options{Faults: faulty.Faults{DropEvery: 97}}, short)
		expect(t, c, stats.Counts{Lost: st.Dropped})
		if st.Dropped < 3 || c.OK != st.Sent {
			t.Errorf("got %+v, the server %+v", c, st)
		}
	})
}

// One frame in a thousand, as the smallest share that has to be found.
func TestServerDropsOneInAThousand(t *testing.T) {
	each(t, func(t *testing.T, kind string) {
		_, c, st := trial(t, kind, faulty.Options{Faults: faulty.Faults{DropEvery: 1000}}, 1100*time.Millisecond)
		expect(t, c, stats.Counts{Lost: st.Dropped})
		if st.Dropped != st.Due/1000 || st.Dropped == 0 {
			t.Errorf("got %d of %d dropped", st.Dropped, st.Due)
		}
	})
}

func TestServerRepeats(t *testing.T) {
	each(t, func(t *testing.T, kind string) {
		_, c, st := trial(t, kind, faulty.Options{Faults: faulty.Faults{DuplicateEvery: 97}}, short)
		expect(t, c, stats.Counts{Duplicate: st.Duplicated})
		if st.Duplicated < 3 || c.OK != st.Due {
			t.Errorf("got %+v, the server %+v", c, st)
		}
	})
}

func TestServerSwaps(t *testing.T) {
	each(t, func(t *testing.T, kind string) {
		faults := faulty.Faults{SwapEvery: 53, SwapWait: 200 * time.Millisecond}
		_, c, st := trial(t, kind, faulty.Options{Faults: faults}, short)
		expect(t, c, stats.Counts{OutOfOrder: st.Swapped})
		if st.Swapped < 3 {
			t.Errorf("got %d swapped", st.Swapped)
		}
	}, "echo", "broadcast", "hub", "push") // of heartbeats one frame at a time is under way
}

// Whichever byte is hit, in the mark's prefix, in its digits, behind it: the
// offset counts from the end.
func TestServerDamages(t *testing.T) {
	for _, offset := range []int{0, 70, 1000} {
		t.Run(fmt.Sprint(offset), func(t *testing.T) {
			each(t, func(t *testing.T, kind string) {
				_, c, st := trial(t, kind, faulty.Options{Faults: faulty.Faults{CorruptEvery: 97, CorruptOffset: offset}}, short)
				expect(t, c, stats.Counts{Wrong: st.Corrupted})
				if st.Corrupted < 3 {
					t.Errorf("got %d damaged", st.Corrupted)
				}
			})
		})
	}
}

func TestServerDoesEverythingWrong(t *testing.T) {
	each(t, func(t *testing.T, kind string) {
		faults := faulty.Faults{DropEvery: 37, DuplicateEvery: 31, CorruptEvery: 41, CorruptOffset: 60, SwapEvery: 43, SwapWait: 200 * time.Millisecond}
		_, c, st := trial(t, kind, faulty.Options{Faults: faults}, short)
		expect(t, c, stats.Counts{Lost: st.Dropped, Duplicate: st.Duplicated, Wrong: st.Corrupted, OutOfOrder: st.Swapped})
	}, "echo", "broadcast", "hub", "push") // a heartbeat that is repeated can stand for one that is dropped
}

func TestServerBreaksTheProtocol(t *testing.T) {
	all := []string{"heartbeat", "echo", "broadcast", "hub", "push"}
	for v, tt := range map[faulty.Violation]struct {
		reason string
		kinds  []string
	}{
		faulty.Masked:            {"server frames must not be masked", all},
		faulty.ReservedBits:      {"reserved bits set", all},
		faulty.ReservedOpcode:    {"reserved opcode", all[1:3]},
		faulty.Orphan:            {"continuation without a message", all},
		faulty.FragmentedControl: {"fragmented control frame", all[1:3]},
		faulty.LongControl:       {"control frame over 125 bytes", all[1:3]},
		faulty.BadUTF8:           {"text is not utf-8", all[1:3]},
		faulty.Unfinished:        {"new message inside a fragmented message", all[1:3]},
	} {
		t.Run(v.String(), func(t *testing.T) {
			each(t, func(t *testing.T, kind string) {
				every := 360 // one of all: another one could be on the same connection, and not be read
				if kind == "push" {
					every = 180
				}
				r, c, st := trial(t, kind, faulty.Options{Faults: faulty.Faults{ViolateEvery: every, Violation: v}}, short)
				expect(t, c, stats.Counts{Wrong: st.Violations, Closed: st.Violations, Cut: c.Cut})
				if n := r.cause(0, stats.Wrong, "protocol: "+tt.reason); n != st.Violations || n < 1 {
					t.Errorf("got %d of %q, want %d: %v", n, tt.reason, st.Violations, r.total[0].Measured.Causes)
				}
				if n := r.cause(0, stats.Closed, "we closed: "+tt.reason); n != st.Violations {
					t.Errorf("closed %d because of it, want %d", n, st.Violations)
				}
			}, tt.kinds...)
		})
	}
}

func TestServerCloses(t *testing.T) {
	for name, how := range map[string]struct {
		c     faulty.Close
		cause string
	}{
		"each 97th":        {faulty.Close{Every: 97, Code: 4001, Reason: "chosen"}, "close 4001: chosen"},
		"at random":        {faulty.Close{Random: 10, Code: 1013, Reason: "slow consumer"}, "close 1013 try again later: slow consumer"},
		"without a code":   {faulty.Close{Every: 97}, "close 1005 no status"},
		"by RST":           {faulty.Close{Every: 97, Abrupt: true}, "reset by peer"},
		"at random by RST": {faulty.Close{Random: 10, Abrupt: true}, "reset by peer"},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, kind string) {
				r, c, st := trial(t, kind, faulty.Options{Seed: 11, Faults: faulty.Faults{Close: how.c}}, short)
				closed := st.ClosedByUs + st.ResetByUs
				want := stats.Counts{Closed: closed, Cut: c.Cut, Refused: c.Refused}
				expect(t, c, want)
				if n := r.cause(0, stats.Closed, how.cause); n != closed || n < 3 {
					t.Errorf("got %d of %q, want %d: %v", n, how.cause, closed, r.total[0].Measured.Causes)
				}
				if how.c.Abrupt {
					return // what was on its way may be gone
				}
				if c.OK != st.Sent {
					t.Errorf("got %d messages, the server sent %d", c.OK, st.Sent)
				}
			})
		})
	}
}

// What is legal, if unusual, is no fault.
func TestServerFragments(t *testing.T) {
	each(t, func(t *testing.T, kind string) {
		srv := faulty.Start(t, faulty.Options{Faults: faulty.Faults{
			FragmentBytes: 7, Interleave: true, UpgradeChunk: 1, PingEvery: 50 * time.Millisecond, DropEvery: 97,
		}})
		r := newRig(t, load(kind, srv))
		r.srv = srv
		r.connect()
		r.run(short)
		srv.SetFaults(faulty.Faults{})
		var st faulty.Stats
		await.Until(t, "a pong for every ping", func() bool {
			st = srv.Stats()
			return st.Pongs == st.Pings
		})
		r.disconnect()
		expect(t, r.all(0), stats.Counts{Lost: st.Dropped})
		if st.BadPongs != 0 || st.Pings < 100 {
			t.Errorf("%d pings, %d pongs, %d of them wrong", st.Pings, st.Pongs, st.BadPongs)
		}
	})
}

func TestServerRefusesUpgrades(t *testing.T) {
	for name, tt := range map[string]struct {
		f     faulty.Faults
		cause string
		count func(faulty.Stats) int64
	}{
		"refused":      {faulty.Faults{RefuseEvery: 5}, "HTTP 503 Service Unavailable", func(s faulty.Stats) int64 { return s.Refused }},
		"refused 429":  {faulty.Faults{RefuseEvery: 5, RefuseStatus: 429}, "HTTP 429 Too Many Requests", func(s faulty.Stats) int64 { return s.Refused }},
		"hung up":      {faulty.Faults{HangUpEvery: 5}, "handshake: closed without a close frame", func(s faulty.Stats) int64 { return s.HungUp }},
		"wrong accept": {faulty.Faults{BadAcceptEvery: 5}, "101 with a wrong Sec-WebSocket-Accept", func(s faulty.Stats) int64 { return s.BadAccept }},
		"silent":       {faulty.Faults{SilentEvery: 5}, causeTimeout, func(s faulty.Stats) int64 { return s.Silent }},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, kind string) {
				srv := faulty.Start(t, faulty.Options{})
				sc := load(kind, srv)
				sc.ConnectTimeout = 250 * time.Millisecond
				if tt.f.SilentEvery == 0 {
					sc.ConnectTimeout = patience
				}
				srv.SetFaults(tt.f)
				r := newRig(t, sc)
				r.connect()
				srv.SetFaults(faulty.Faults{})
				r.run(short)
				r.disconnect()
				n := tt.count(srv.Stats())
				if got := r.cause(0, stats.ConnectFailed, tt.cause); got != n || n != 8 {
					t.Errorf("got %d of %q, want %d: %v", got, tt.cause, n, r.total[0].Other.Causes)
				}
				c := r.all(0)
				want := stats.Counts{ConnectFailed: n}
				if kind == "hub" && c.PublishFailed > 0 { // it may have met the publisher
					want.PublishFailed = c.Arrivals
				}
				expect(t, c, want)
			})
		})
	}
}

// A welcome in the segment of the 101 is not lost, nor counted as anything else.
func TestWelcomeInTheSegmentOfTheUpgrade(t *testing.T) {
	each(t, func(t *testing.T, kind string) {
		const welcome = `{"type":"WELCOME","id":1}`
		srv := faulty.Start(t, faulty.Options{Welcome: welcome})
		sc := load(kind, srv)
		sc.Ignore = []string{`{"type":"WELCOME"`}
		r := newRig(t, sc)
		r.connect()
		r.run(short)
		r.disconnect()
		c, st := r.all(0), srv.Stats()
		expect(t, c, stats.Counts{})
		if c.FirstSegment != st.Upgraded {
			t.Errorf("got %d in the first segment, want %d", c.FirstSegment, st.Upgraded)
		}
		if c.Received != c.OK+st.Upgraded {
			t.Errorf("got %d messages, want %d and %d", c.Received, c.OK, st.Upgraded)
		}
	})
}

// Nobody asked for a welcome that is not to be ignored.
func TestWelcomeNobodyAskedFor(t *testing.T) {
	each(t, func(t *testing.T, kind string) {
		_, c, st := trial(t, kind, faulty.Options{Welcome: "hello"}, short)
		members := st.Upgraded
		if kind == "hub" {
			members-- // the publisher gets what it gets
		}
		expect(t, c, stats.Counts{Unexpected: members})
	})
}

// Answers that come too late count as lost, and as late when they have come; the
// connections go on.
func TestServerAnswersLate(t *testing.T) {
	each(t, func(t *testing.T, kind string) {
		srv := faulty.Start(t, faulty.Options{Faults: faulty.Faults{Delay: 1300 * time.Millisecond}})
		sc := load(kind, srv)
		sc.ReplyTimeout = time.Second
		sc.Rate /= 10
		if kind == "heartbeat" { // so many that each connection is free when its turn comes
			sc.Connections, sc.Rate = 8, 5
		}
		r := newRig(t, sc)
		r.connect()
		r.srv = srv
		r.run(2700 * time.Millisecond)
		r.disconnect()
		c := r.all(0)
		want := stats.Counts{Lost: c.Expected, Late: c.Expected, Refused: c.Refused}
		if kind == "heartbeat" {
			if c.Sent <= int64(sc.Connections) {
				t.Errorf("got %d sent over %d connections: they did not come back", c.Sent, sc.Connections)
			}
			// Those that a busy machine makes very late are taken for the next ones.
			if 2*c.Late < c.Received || c.OK+c.Late+c.Duplicate != c.Received {
				t.Errorf("got %+v, want most of them late", c)
			}
			want.Lost, want.Late, want.Duplicate = c.Expected-c.OK, c.Late, c.Duplicate
		}
		expect(t, c, want)
	})
}
