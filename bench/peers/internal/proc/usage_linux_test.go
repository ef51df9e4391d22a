package proc

import (
	"testing"
	"time"
)

// TestUsageCountsDescendants has a grandchild work, and end.
func TestUsageCountsDescendants(t *testing.T) {
	p, err := Start("/bin/sh", []string{"-c", `sh -c 'i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done'; sleep 60; exit`}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Stop()
	var last Usage
	grown := 0
	err = p.Wait(t.Context(), "the tree's CPU time to grow and stay", Patience, func() (bool, error) {
		u, err := UsageOf(p.PID())
		if u.CPU < last.CPU {
			t.Errorf("went back from %v to %v", last.CPU, u.CPU)
		}
		if u.CPU > last.CPU {
			grown++
		}
		last = u
		return u.CPU >= 50*time.Millisecond && u.Memory > 0 && u.Resident > u.Memory, err
	})
	if err != nil || grown == 0 {
		t.Errorf("%v, saw %+v", err, last)
	}
	if _, err := UsageOf(1 << 30); err == nil {
		t.Error("a process that is not there was read")
	}
}

// TestDescriptorsCountsDescendants has a child open some, and close them.
func TestDescriptorsCountsDescendants(t *testing.T) {
	p, err := StartTalk("/bin/sh", []string{"-c", `sh -c 'read _; exec 7</dev/null 8</dev/null 9</dev/null; echo open; read _; exec 7<&- 8<&- 9<&-; echo closed; read _'; exit`})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	before := 0
	err = p.Wait(t.Context(), "the child", Patience, func() (bool, error) {
		before, err = Descriptors(p.PID())
		return before >= 6, err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		line string
		want int
	}{{"open", before + 3}, {"closed", before}} {
		if err := p.Say(""); err != nil {
			t.Fatal(err)
		}
		if line, err := p.Hear(t.Context(), Patience); line != step.line || err != nil {
			t.Fatalf("heard %q, %v", line, err)
		}
		if got, err := Descriptors(p.PID()); got != step.want || err != nil {
			t.Errorf("%s: %d, want %d: %v", step.line, got, step.want, err)
		}
	}
	if _, err := Descriptors(1 << 30); err == nil {
		t.Error("a process that is not there was read")
	}
}

func TestKernelMemory(t *testing.T) {
	k, err := KernelMemory()
	if err != nil || k.Slab < 1<<20 || k.PageTables < 1<<12 {
		t.Errorf("got %+v, %v", k, err)
	}
	if _, err := sizesIn("/proc/meminfo", "Unobtainium"); err == nil {
		t.Error("a size that is not there was read")
	}
}
