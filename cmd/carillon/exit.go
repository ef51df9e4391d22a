package main

import (
	"errors"
	"strconv"
	"syscall"
)

// exitCode is what the process tells its parent. The list is part of the interface: scripts and units decide by it.
type exitCode int

const (
	// exitOK: done; for serve, drained after a signal.
	exitOK exitCode = 0
	// exitFailure: something failed while running.
	exitFailure exitCode = 1
	// exitUsage: the command line is wrong.
	exitUsage exitCode = 2
	// exitConfig: the configuration is invalid; starting again will not help.
	exitConfig exitCode = 3
	// exitListen: the address cannot be listened on; another process may have it.
	exitListen exitCode = 4
	// exitDrain: server.shutdown-timeout passed before all connections had ended; the rest was cut.
	exitDrain exitCode = 5
	// exitRefused: token check found the token not to be valid.
	exitRefused exitCode = 6
	// exitTaken: another node that is alive has the node id.
	exitTaken exitCode = 7
	// exitSignal plus its number (130 for SIGINT, 143 for SIGTERM): a second signal ended the process before it had drained.
	exitSignal exitCode = 128
)

// String says in a few words what the code means.
func (c exitCode) String() string {
	switch c {
	case exitOK:
		return "ok"
	case exitFailure:
		return "failure"
	case exitUsage:
		return "wrong command line"
	case exitConfig:
		return "invalid configuration"
	case exitListen:
		return "cannot listen"
	case exitDrain:
		return "not drained in time"
	case exitRefused:
		return "token refused"
	case exitTaken:
		return "node id taken by another node"
	}
	if c > exitSignal {
		return "ended by a second " + syscall.Signal(c-exitSignal).String() + " signal"
	}
	return "exit code " + strconv.Itoa(int(c))
}

// exitHelp is the list as the help of serve shows it.
func exitHelp() string {
	text := "Exit codes:\n"
	for _, c := range []exitCode{
		exitOK, exitFailure, exitUsage, exitConfig, exitListen, exitDrain, exitRefused, exitTaken,
		exitSignal + exitCode(syscall.SIGINT), exitSignal + exitCode(syscall.SIGTERM),
	} {
		text += "  " + strconv.Itoa(int(c)) + "\t" + c.String() + "\n"
	}
	return text
}

// exitError is an error that decides the exit code.
type exitError struct {
	code exitCode
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }

func (e *exitError) Unwrap() error { return e.err }

// fail makes err end the process with code; nil stays nil.
func fail(code exitCode, err error) error {
	if err == nil {
		return nil
	}
	return &exitError{code, err}
}

// codeOf is the exit code for what a command returned. What has no code of its own comes from the parser of the command
// line, because every command gives its errors a code.
func codeOf(err error) exitCode {
	if err == nil {
		return exitOK
	}
	if e, ok := errors.AsType[*exitError](err); ok {
		return e.code
	}
	return exitUsage
}
