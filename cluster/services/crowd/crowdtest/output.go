package crowdtest

import (
	"bytes"
	"sync"
)

// Output is what a command shows. Any goroutine.
type Output struct {
	On func(text string) // called with all of it when there is more, unless nil

	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.b.Write(p)
	if o.On != nil {
		o.On(o.b.String())
	}
	return len(p), nil
}

// String returns all of it. Not within On.
func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}
