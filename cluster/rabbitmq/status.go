package rabbitmq

import (
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"carillon/cluster"
)

// task is what a connection is for.
type task int

const (
	publishing task = iota
	consuming
	tasks
)

var (
	errNotOpen = fmt.Errorf("%w: the broker was not connected yet", cluster.ErrAway)
	errLost    = fmt.Errorf("%w: the connection to the broker is lost", cluster.ErrAway)
	errAlarm   = fmt.Errorf("%w: the broker takes no messages, because it is short of memory or disk", cluster.ErrAway)
)

// status is the state of both connections, which is logged when it changes.
type status struct {
	log *slog.Logger

	mu         sync.Mutex
	opened     bool
	up         [tasks]bool
	alarm      bool
	lostAt     time.Time // zero while both are up
	reconnects uint64
	still      rate.Sometimes
}

// stillAway is how often a broker that is away for long is logged.
const stillAway = time.Minute

// open notes that both are up for the first time.
func (s *status) open() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opened, s.up = true, [tasks]bool{true, true}
}

// lost notes that a connection is lost. The first of both is logged.
func (s *status) lost(t task, why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.up[t] = false
	if t == publishing {
		s.alarm = false // it may have ended meanwhile
	}
	if !s.lostAt.IsZero() {
		return
	}
	s.lostAt = time.Now()
	s.still = rate.Sometimes{Interval: stillAway}
	s.still.Do(func() {}) // so that the first is not logged at once
	s.log.Warn("broker lost", "error", why)
}

// failed notes that an attempt to reconnect has failed.
func (s *status) failed(why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.still.Do(func() {
		s.log.Warn("broker still away", "since", s.lostAt, "error", why)
	})
}

// regained notes that a connection is up again. The last of both is logged.
func (s *status) regained(t task) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.up[t] = true
	s.reconnects++
	if s.up == [tasks]bool{true, true} {
		s.log.Info("broker regained", "after", time.Since(s.lostAt).Round(time.Millisecond))
		s.lostAt = time.Time{}
	}
}

// setAlarm notes whether the broker takes messages.
func (s *status) setAlarm(on bool, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if on == s.alarm {
		return
	}
	s.alarm = on
	if on {
		s.log.Warn("broker takes no messages", "reason", reason)
	} else {
		s.log.Info("broker takes messages again")
	}
}

// ready returns nil while both are up, else why not.
func (s *status) ready() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !s.opened:
		return errNotOpen
	case !s.up[publishing] || !s.up[consuming]:
		return errLost
	case s.alarm:
		return errAlarm
	}
	return nil
}

func (s *status) reconnected() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reconnects
}
