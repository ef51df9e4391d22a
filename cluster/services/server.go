package services

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"
)

// How long a server may take, on a busy machine.
const (
	redisStartLimit  = 20 * time.Second
	rabbitStartLimit = 60 * time.Second
	stopLimit        = 20 * time.Second
)

var errStopped = errors.New("server is stopped for good")

// server is what all servers have in common: a process that can be killed, paused
// and started again with the same files and ports. Any goroutine.
type server struct {
	work  *workspace
	log   *logFile
	ports []int
	spec  func() (command, error) // what to run
	ready func(ctx context.Context, p *process) error
	limit time.Duration // of a start

	mu      sync.Mutex
	process *process // the last one, dead or alive
	stopped bool
}

// start runs the server and waits until it is ready. s.mu is held.
func (s *server) start(ctx context.Context) error {
	if s.stopped {
		return errStopped
	}
	spec, err := s.spec()
	if err != nil {
		return err
	}
	spec.log = s.log
	p, err := spawn(spec)
	if err != nil {
		return err
	}
	s.process = p
	if err := p.await(ctx, s.limit, func(ctx context.Context) error { return s.ready(ctx, p) }); err != nil {
		p.kill()
		return err
	}
	return nil
}

// Kill ends the server at once (SIGKILL). Its data stays for Restart.
func (s *server) Kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process != nil {
		s.process.kill()
	}
}

// Shutdown ends the server as an operator would (SIGTERM). Its data stays for
// Restart.
func (s *server) Shutdown() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == nil {
		return nil
	}
	return s.process.terminate(stopLimit)
}

// Pause stops the server without ending it (SIGSTOP): its connections stay open
// and silent.
func (s *server) Pause() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.process.signal(syscall.SIGSTOP)
}

// Resume lets a paused server go on (SIGCONT).
func (s *server) Resume() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.process.signal(syscall.SIGCONT)
}

// Running tells whether the process is there, paused or not.
func (s *server) Running() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.process != nil && s.process.running()
}

// PID returns the id of the last process.
func (s *server) PID() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.process.pid()
}

// Log returns the end of the server's log, without secrets.
func (s *server) Log() string { return s.log.tail() }

// restart ends the server, if it runs, and starts it again; between them change is
// called.
func (s *server) restart(ctx context.Context, change func() error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return errStopped
	}
	if err := s.process.terminate(stopLimit); err != nil {
		return err
	}
	if err := change(); err != nil {
		return err
	}
	return s.start(ctx)
}

// stop ends the server and removes everything of it. The second call does nothing.
func (s *server) stop(graceful bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return nil
	}
	s.stopped = true
	var err error
	if s.process != nil {
		if graceful {
			err = s.process.terminate(stopLimit)
		}
		s.process.kill()
	}
	freePort(s.ports...)
	return errors.Join(err, s.work.remove())
}

// emptyDir removes what is in a directory, and makes it if it is not there.
func emptyDir(path string) error {
	if err := os.RemoveAll(path); err != nil {
		return fmt.Errorf("emptying: %w", err)
	}
	return os.Mkdir(path, 0o700)
}
