package supervise

import (
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"syscall"
)

// Exit is how a worker ended.
type Exit struct {
	Worker string
	Code   int            // when it ended by itself
	Signal syscall.Signal // when a signal ended it, else 0
	Err    error          // when it could not be started
	Late   bool           // it did not drain in time and was killed for that
}

// Clean tells whether the worker ended by itself and was content.
func (e Exit) Clean() bool { return e.Code == 0 && e.Signal == 0 && e.Err == nil }

// String says it in a few words: exit code 1, signal 9 (killed).
func (e Exit) String() string {
	switch {
	case e.Err != nil:
		return e.Err.Error()
	case e.Signal != 0:
		return fmt.Sprintf("signal %d (%v)", int(e.Signal), e.Signal)
	}
	return "exit code " + strconv.Itoa(e.Code)
}

// exitOf reads what exec.Cmd.Wait has returned.
func exitOf(err error) (e Exit) {
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		e.Err = err
		return e
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		e.Signal = status.Signal()
		return e
	}
	e.Code = exit.ExitCode()
	return e
}

// FinalError says that a worker ended in a way that starting it again would not
// change.
type FinalError struct{ Exit Exit }

func (e *FinalError) Error() string {
	return fmt.Sprintf("worker %s: %v, starting it again would not help", e.Exit.Worker, e.Exit)
}
