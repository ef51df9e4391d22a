package crowd

import (
	"bytes"
	"os"
	"testing"
	"time"
)

// TestJudge bounds the count by memory and by files, and takes as many gateways as
// the limit of a process asks for.
func TestJudge(t *testing.T) {
	var out bytes.Buffer
	small, err := Judge(10, &out)
	if err != nil || small.Gateways != 2 || small.Memory <= 0 || small.Files <= 0 || small.Fits(10) != 10 {
		t.Errorf("got %+v, %v", small, err)
	}
	large, err := Judge(1<<40, &out)
	if err != nil || large.Gateways <= small.Gateways || large.Fits(1<<40) != min(large.Memory, large.Files) {
		t.Errorf("got %+v, %v", large, err)
	}
	if _, err := meminfo("NoSuchThing"); err == nil {
		t.Error("a missing value was found")
	}
}

// TestProcess reads what this process has used.
func TestProcess(t *testing.T) {
	if n := anonymous(os.Getpid()); n < 1<<20 {
		t.Errorf("this process has %d bytes", n)
	}
	if n := anonymous(0); n != 0 {
		t.Errorf("no process has %d bytes", n)
	}
	if r, err := resident(os.Getpid()); err != nil || r.Own < 1<<20 || r.Share < 1<<20 || r.All < max(r.Own, r.Share) {
		t.Errorf("this process has %+v, %v", r, err)
	}
	if _, err := resident(1 << 30); err == nil {
		t.Error("no error of a process that is not there")
	}
	before := cpuTime(os.Getpid())
	for start := time.Now(); cpuTime(os.Getpid()) < before+20*time.Millisecond; {
		if time.Since(start) > 30*time.Second {
			t.Fatalf("%v of processor time, then %v", before, cpuTime(os.Getpid()))
		}
	}
	if d := cpuTime(0); d != 0 {
		t.Errorf("no process has used %v", d)
	}
}

// TestTail keeps the end of a long output.
func TestTail(t *testing.T) {
	var l tail
	for range 3 {
		_, _ = l.Write(bytes.Repeat([]byte("x"), tailBytes/2))
	}
	_, _ = l.Write([]byte("the end"))
	if s := l.String(); len(s) != tailBytes || s[tailBytes-7:] != "the end" {
		t.Errorf("%d bytes are kept, the last %q", len(s), s[max(len(s)-7, 0):])
	}
}
