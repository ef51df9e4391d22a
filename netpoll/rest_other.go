//go:build !linux

package netpoll

import (
	"errors"
	"time"
)

// restTimer is for Linux alone: elsewhere loops do not rest.
type restTimer struct{}

func (*restTimer) open() error       { return errors.ErrUnsupported }
func (*restTimer) close()            {}
func (*restTimer) set(time.Duration) {}
func (*restTimer) wait()             {}
func (*restTimer) end()              {}
