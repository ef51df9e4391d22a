//go:build !linux

package netpoll

import "errors"

// uring exists on Linux only.
type uring struct{}

func newUring(int) (*uring, error) { return nil, errors.ErrUnsupported }

func (*uring) close()                   {}
func (*uring) send(int32, []byte)       {}
func (*uring) submit() ([]int32, error) { return nil, errors.ErrUnsupported }
