package services

import (
	"os/exec"
	"runtime"
	"sync"
)

// launcher forks every child from one OS thread. The kernel ends a child when the
// thread that forked it ends, which is not always the end of the process: Go ends
// threads as it likes. So that thread is kept as long as there are children, and
// no longer, lest a test finds a goroutine left.
type launcher struct {
	mu       sync.Mutex
	children int
	work     chan func()
}

var forks launcher

// start starts cmd. When it returns nil, ended is to be called after cmd.Wait.
func (l *launcher) start(cmd *exec.Cmd) error {
	l.mu.Lock()
	if l.children == 0 {
		l.work = make(chan func())
		go func(work <-chan func()) {
			// Not unlocked: the thread ends with the goroutine.
			runtime.LockOSThread()
			for f := range work {
				f()
			}
		}(l.work)
	}
	l.children++
	work := l.work
	l.mu.Unlock()

	started := make(chan error, 1)
	work <- func() { started <- cmd.Start() }
	err := <-started
	if err != nil {
		l.ended()
	}
	return err
}

func (l *launcher) ended() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.children--; l.children == 0 {
		close(l.work)
	}
}
