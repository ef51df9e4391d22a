package crowd

import (
	"bytes"
	"sync"
)

// tailBytes is how much of a program's output is kept.
const tailBytes = 1 << 16

// tail keeps the end of what is written to it. Any goroutine.
type tail struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b.Write(p)
	if n := t.b.Len() - tailBytes; n > 0 {
		t.b.Next(n)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.String()
}
