package main

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

// patience is how long a process may take to end by itself.
const patience = 15 * time.Second

// process is a program that was started, with all it starts, in a group of its own.
type process struct {
	cmd    *exec.Cmd
	output bytes.Buffer
	done   chan struct{} // closed when it has ended
	err    error         // valid then
}

func start(path string, args, env []string) (*process, error) {
	p := &process{cmd: exec.Command(path, args...), done: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = &p.output, &p.output
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// ended returns an error with what the program said when it has ended.
func (p *process) ended() error {
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

// stop ends the program and its group as Ctrl-C would, and kills them if that
// takes too long.
func (p *process) stop() {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGKILL} {
		select {
		case <-p.done: // the group may be another's by now
			return
		default:
		}
		_ = syscall.Kill(-p.pid(), sig)
		select {
		case <-p.done:
		case <-time.After(patience):
		}
	}
	<-p.done
}

// wait waits for a condition while the program runs.
func (p *process) wait(ctx context.Context, what string, limit time.Duration, ok func() (bool, error)) error {
	expired := time.After(limit)
	for {
		if err := p.ended(); err != nil {
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
