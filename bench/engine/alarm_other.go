//go:build !linux

package engine

import "time"

// alarm wakes a loop at a given time, through its wake socket, as precisely as
// the timers of the language are. Loop only, but for open and close.
type alarm struct {
	at    int64 // when it goes off, by the coordinator's clock; never: it does not
	timer *time.Timer
	s     *shard
}

// alarmContext is no context of any connection.
var alarmContext any = new(alarm)

func (a *alarm) open(s *shard) error {
	a.at, a.s = never, s
	a.timer = time.AfterFunc(time.Hour, s.ring)
	s.post(func() {}) // the first run sets it
	return nil
}

func (a *alarm) set(t int64) {
	if t == a.at {
		return
	}
	a.at = t
	a.timer.Reset(time.Duration(min(t-a.s.e.clock.now(), int64(time.Hour))))
}

func (a *alarm) close() {
	if a.timer != nil {
		a.timer.Stop()
	}
}
