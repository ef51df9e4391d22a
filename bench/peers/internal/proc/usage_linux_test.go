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

func TestKernelMemory(t *testing.T) {
	k, err := KernelMemory()
	if err != nil || k.Slab < 1<<20 || k.PageTables < 1<<12 {
		t.Errorf("got %+v, %v", k, err)
	}
	if _, err := sizesIn("/proc/meminfo", "Unobtainium"); err == nil {
		t.Error("a size that is not there was read")
	}
}
