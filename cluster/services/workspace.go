package services

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

const (
	// workspacePrefix begins the names of the directories of this package.
	workspacePrefix = "carillon-services-"
	// workspaceGrace is the age before which a directory without a lock is left
	// alone: its owner may be about to lock it.
	workspaceGrace = time.Minute
)

// workspace is the directory of one server, with a lock that tells that its owner
// lives: an owner that was killed could not remove it, the next one does.
type workspace struct {
	path string
	lock *os.File
}

func newWorkspace() (*workspace, error) {
	sweep(os.TempDir(), workspaceGrace)
	path, err := os.MkdirTemp("", workspacePrefix)
	if err != nil {
		return nil, err
	}
	lock, err := tryLock(filepath.Join(path, "lock"))
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(path))
	}
	return &workspace{path: path, lock: lock}, nil
}

func (w *workspace) file(name string) string { return filepath.Join(w.path, name) }

func (w *workspace) remove() error {
	err := os.RemoveAll(w.path)
	return errors.Join(err, w.lock.Close())
}

// sweep removes the directories, older than grace, of owners that are gone.
func sweep(dir string, grace time.Duration) {
	left, _ := filepath.Glob(filepath.Join(dir, workspacePrefix+"*"))
	for _, path := range left {
		info, err := os.Lstat(path)
		if err != nil || !info.IsDir() || time.Since(info.ModTime()) < grace {
			continue
		}
		// Someone else's directory, or one that is in use, cannot be locked.
		if lock, err := tryLock(filepath.Join(path, "lock")); err == nil {
			_ = os.RemoveAll(path)
			_ = lock.Close()
		}
	}
}

// tryLock locks a file, without waiting, until it is closed or the process ends.
func tryLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("locking %s: %w", path, err)
	}
	return f, nil
}

// isLocked tells whether tryLock failed because someone else has the lock.
func isLocked(err error) bool { return errors.Is(err, syscall.EWOULDBLOCK) }
