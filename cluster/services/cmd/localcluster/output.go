package main

import (
	"bytes"
	"fmt"
	"io"
	"sync"
)

// output is where all gateways write, whole lines at a time. Any goroutine.
type output struct {
	mu sync.Mutex
	w  io.Writer
}

func (o *output) say(format string, args ...any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	_, _ = fmt.Fprintf(o.w, format+"\n", args...)
}

// lines returns a writer that puts name before each line.
func (o *output) lines(name string) *lines { return &lines{out: o, name: name} }

// lines is the output of one gateway. One goroutine at a time.
type lines struct {
	out  *output
	name string
	rest []byte // a line that has begun
}

func (l *lines) Write(p []byte) (int, error) {
	n := len(p)
	for {
		line, rest, whole := bytes.Cut(p, []byte{'\n'})
		l.rest = append(l.rest, line...)
		if !whole {
			return n, nil
		}
		p = rest
		l.out.say("%s | %s", l.name, l.rest)
		l.rest = l.rest[:0]
	}
}

// end writes a last line that has no end.
func (l *lines) end() {
	if len(l.rest) > 0 {
		l.out.say("%s | %s", l.name, l.rest)
		l.rest = nil
	}
}
