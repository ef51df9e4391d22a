package supervise

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
)

// LogFD is the descriptor in a worker to which it writes its log. Its standard
// error is for what comes without being asked: the trace of a panic.
const LogFD = 3

// Spawn says how a worker process is started and where goes what it writes.
type Spawn struct {
	Path string   // the executable
	Args []string // argv, with the name of the program
	// Input is what the worker reads from its standard input, whose end tells it to
	// drain.
	Input []byte
	// Address gets the first line of its standard output, by which it tells that it
	// serves. It is called before Serving is closed.
	Address func(line string)
	// Log gets whole lines of its log, Text what it writes to its standard error.
	// Both own what they get.
	Log, Text func([]byte)
}

// command is a Process of the operating system.
type command struct {
	cmd     *exec.Cmd
	serving chan struct{}
	input   *os.File
	readers sync.WaitGroup
}

var _ Process = (*command)(nil)

// Start starts the worker.
func (s Spawn) Start() (_ Process, err error) {
	var ours, theirs []*os.File
	defer func() {
		closeAll(theirs)
		if err != nil {
			closeAll(ours)
		}
	}()
	pipe := func(weRead bool) (*os.File, *os.File) {
		r, w, e := os.Pipe()
		if e != nil {
			err = e
			return nil, nil
		}
		if weRead {
			ours, theirs = append(ours, r), append(theirs, w)
			return r, w
		}
		ours, theirs = append(ours, w), append(theirs, r)
		return w, r
	}
	input, stdin := pipe(false)
	output, stdout := pipe(true)
	text, stderr := pipe(true)
	log, logTo := pipe(true)
	if err != nil {
		return nil, err
	}
	c := &command{
		cmd: &exec.Cmd{
			Path: s.Path, Args: s.Args, Stdin: stdin, Stdout: stdout, Stderr: stderr, ExtraFiles: []*os.File{logTo},
			// A Ctrl-C in the terminal is for the supervisor, which then drains them.
			SysProcAttr: &syscall.SysProcAttr{Setpgid: true},
		},
		serving: make(chan struct{}), input: input,
	}
	if err = c.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { _, _ = input.Write(s.Input) }() // Drain ends it
	c.read(output, func() {
		lines := bufio.NewReader(output)
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		s.Address(string(bytes.TrimSuffix(line, newline)))
		close(c.serving)
		_, _ = io.Copy(io.Discard, lines)
	})
	c.read(text, func() { passTexts(text, quiet, s.Text) })
	c.read(log, func() { passLines(log, s.Log) })
	return c, nil
}

// read runs work, which reads f to its end.
func (c *command) read(f *os.File, work func()) {
	c.readers.Go(func() {
		defer f.Close()
		work()
	})
}

func (c *command) Serving() <-chan struct{} { return c.serving }

func (c *command) Drain() { _ = c.input.Close() }

func (c *command) Kill() { _ = c.cmd.Process.Kill() }

func (c *command) Wait() Exit {
	err := c.cmd.Wait()
	_ = c.input.Close()
	c.readers.Wait()
	return exitOf(err)
}

func closeAll(files []*os.File) {
	for _, f := range files {
		_ = f.Close()
	}
}

var _ deadlineReader = (*os.File)(nil)
