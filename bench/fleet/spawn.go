package fleet

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// Spawn says how a worker process is started.
type Spawn struct {
	Path string   // the executable; "": this one
	Args []string // that make it call [Work] on its standard input and output
	Env  []string // added to this process's environment
}

// process is a worker of this machine.
type process struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    io.ReadCloser
	stderr tail
	once   sync.Once
	err    error
}

// start starts a worker.
func (s Spawn) start() (*process, error) {
	path := s.Path
	if path == "" {
		var err error
		if path, err = os.Executable(); err != nil {
			return nil, err
		}
	}
	p := &process{cmd: exec.Command(path, s.Args...)}
	p.cmd.Env = append(os.Environ(), s.Env...)
	p.cmd.Stderr = &p.stderr
	ownGroup(p.cmd)
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if p.out, err = p.cmd.StdoutPipe(); err != nil {
		return nil, err
	}
	if err = p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start a worker: %w", err)
	}
	return p, nil
}

// pid is the worker's process id.
func (p *process) pid() int { return p.cmd.Process.Pid }

func (p *process) Read(b []byte) (int, error) {
	n, err := p.out.Read(b)
	if errors.Is(err, os.ErrClosed) {
		err = io.EOF
	}
	if errors.Is(err, io.EOF) {
		if text := p.stderr.text(); text != "" {
			err = fmt.Errorf("it said: %s", lastLines(text))
		}
	}
	return n, err
}

func (p *process) Write(b []byte) (int, error) { return p.in.Write(b) }

// workerPatience is how long a worker may take to end when its input has ended.
const workerPatience = 5 * time.Second

// Close ends the worker: by the end of its input, or else by SIGKILL.
func (p *process) Close() error {
	p.once.Do(func() {
		_ = p.in.Close()
		kill := time.AfterFunc(workerPatience+time.Second, func() { _ = p.cmd.Process.Kill() })
		p.err = p.cmd.Wait()
		kill.Stop()
	})
	return p.err
}

// tail keeps the end of what a worker writes to its standard error.
type tail struct {
	mu sync.Mutex
	b  []byte
}

// tailBytes is how much: the stacks of a panic, whose message comes first.
const tailBytes = 256 << 10

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, b...)
	if len(t.b) > tailBytes {
		t.b = t.b[len(t.b)-tailBytes:]
	}
	return len(b), nil
}

func (t *tail) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.TrimSpace(t.b))
}

// lastWords is how many lines of a worker's last words are told.
const lastWords = 3

// lastLines cuts the text of a dead worker to what says why it died: a panic says
// it first, other messages last.
func lastLines(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, "panic:") || strings.HasPrefix(line, "fatal error:") {
			return line
		} else if i >= len(lines)-lastWords {
			return strings.Join(lines[i:], "; ")
		}
	}
	return text
}
