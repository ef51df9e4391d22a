package proc

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"strings"
	"time"
)

// Talk is what is said to a program and what it answers, in lines.
type Talk struct {
	*Process
	in, out *os.File
	lines   *bufio.Reader
}

// StartTalk starts a program that takes lines and answers them. What it says on
// the standard error is its output.
func StartTalk(path string, args []string) (*Talk, error) {
	theirIn, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer theirIn.Close()
	out, theirOut, err := os.Pipe()
	if err != nil {
		in.Close()
		return nil, err
	}
	defer theirOut.Close()
	p := &Process{cmd: exec.Command(path, args...), done: make(chan struct{})}
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = theirIn, theirOut, &p.output
	if err := p.start(); err != nil {
		in.Close()
		out.Close()
		return nil, err
	}
	return &Talk{Process: p, in: in, out: out, lines: bufio.NewReader(out)}, nil
}

// Say writes a line.
func (t *Talk) Say(line string) error {
	_, err := t.in.WriteString(line + "\n")
	return err
}

// Hear reads a line. When the program ends instead, the error has what it said.
func (t *Talk) Hear(ctx context.Context, limit time.Duration) (string, error) {
	if err := t.out.SetReadDeadline(time.Now().Add(limit)); err != nil {
		return "", err
	}
	defer context.AfterFunc(ctx, func() { _ = t.out.SetReadDeadline(time.Now()) })()
	line, err := t.lines.ReadString('\n')
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	if err != nil {
		select {
		case <-t.Done():
			return "", t.Ended()
		case <-time.After(time.Second): // it closed its output, or is late
			return "", err
		}
	}
	return strings.TrimSuffix(line, "\n"), nil
}

// Close ends the program by the end of its input, and kills it if that does not.
func (t *Talk) Close() {
	_ = t.in.Close()
	select {
	case <-t.Done():
	case <-time.After(Patience):
		t.Stop()
	}
	_ = t.out.Close()
}
