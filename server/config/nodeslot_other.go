//go:build !linux

package config

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// takeSlot reserves id among the processes of this user, or tells that it is taken. A locked file in the temporary
// directory is the reservation; the kernel drops the lock when the process ends.
func takeSlot(id string) (release func(), taken bool, err error) {
	name := fmt.Sprintf("carillon-node-%d-%x", os.Getuid(), sha256.Sum256([]byte(id)))
	f, err := os.OpenFile(filepath.Join(os.TempDir(), name), os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, false, err
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	switch {
	case errors.Is(err, syscall.EWOULDBLOCK):
		_ = f.Close()
		return nil, true, nil
	case err != nil:
		_ = f.Close()
		return nil, false, err
	}
	return func() { _ = f.Close() }, false, nil
}
