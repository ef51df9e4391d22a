//go:build !linux

package netpoll

import (
	"errors"
	"time"
)

// eventPoll is for Linux alone: elsewhere gnet reads.
type eventPoll struct{}

func (*eventPoll) found() bool            { return false }
func (*eventPoll) find(int) error         { return errors.ErrUnsupported }
func (*eventPoll) wait(time.Duration) int { return 0 }
func (*eventPoll) event(int) (int, bool)  { return 0, false }
func (*eventPoll) forget(int32) bool      { return false }
func (*eventPoll) remember(int32)         {}
