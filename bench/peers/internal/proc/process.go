// Package proc starts programs and reads what they and all they start use.
package proc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// Patience is how long a process may take to end by itself.
const Patience = 15 * time.Second

// Process is a program that was started, with all it starts, in a group of its own.
type Process struct {
	cmd    *exec.Cmd
	output bytes.Buffer
	done   chan struct{} // closed when it has ended
	err    error         // valid then
}

// Start starts a program with variables beside those of this process.
func Start(path string, args, env []string) (*Process, error) {
	p := &Process{cmd: exec.Command(path, args...), done: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = &p.output, &p.output
	return p, p.start()
}

func (p *Process) start() error {
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		return err
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	return nil
}

// PID is the number of the process.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done is closed when the program has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err is how it ended, valid then.
func (p *Process) Err() error { return p.err }

// Output is what it said, valid when it has ended.
func (p *Process) Output() []byte { return p.output.Bytes() }

// Ended returns an error with what the program said when it has ended.
func (p *Process) Ended() error {
	select {
	case <-p.done:
		err := p.err
		if err == nil {
			err = errors.New("exit status 0")
		}
		return fmt.Errorf("%s ended early: %w\n%s", p.cmd.Path, err, p.output.Bytes())
	default:
		return nil
	}
}

// Stop ends the program and its group as Ctrl-C would, and kills them if that
// takes too long.
func (p *Process) Stop() {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGKILL} {
		select {
		case <-p.done: // the group may be another's by now
			return
		default:
		}
		_ = syscall.Kill(-p.PID(), sig)
		select {
		case <-p.done:
		case <-time.After(Patience):
		}
	}
	<-p.done
}

// Wait waits for a condition while the program runs, and an error of a limit says
// what was waited for.
func (p *Process) Wait(ctx context.Context, what string, limit time.Duration, ok func() (bool, error)) error {
	expired := time.After(limit)
	for {
		if err := p.Ended(); err != nil {
			return err
		}
		if yes, err := ok(); yes || err != nil {
			return err
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		case <-expired:
			return fmt.Errorf("not within %v: %s", limit, what)
		}
	}
}
