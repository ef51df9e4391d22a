//go:build linux && !race

package engine

import (
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"

	"carillon/bench/plan"
)

// resident is the resident memory of this process in bytes, garbage left out.
func resident(t *testing.T) int64 {
	t.Helper()
	debug.FreeOSMemory()
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skip(err)
	}
	pages, err := strconv.ParseInt(strings.Fields(string(b))[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}

// inUse is what the heap and stacks of this process hold.
func inUse() int64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}

// A connection costs at most 2 KB of user space: of the heap, and of what the
// kernel says that the process holds. The server is another process.
func TestMemoryPerConnection(t *testing.T) {
	const few, many, most = 1000, 6000, 2048
	url := serveApart(t)
	for _, kind := range []plan.Kind{plan.Heartbeat, plan.Broadcast} {
		r := newRig(t, plan.Scenario{Kind: kind, URL: url, Connections: many, ConnectRate: 10_000})
		r.connectUpTo(few)
		r.run(short) // so that whatever is made once has been made
		rss, heap := resident(t), inUse()
		r.connectUpTo(many)
		r.run(short)
		if n := r.e.Open(); n != many {
			t.Fatalf("%d open: %v", n, r.total[0].Other.Causes)
		}
		perRSS, perHeap := (resident(t)-rss)/(many-few), (inUse()-heap)/(many-few)
		t.Logf("%s: %d bytes resident, %d of heap and stacks per connection", kind, perRSS, perHeap)
		if perHeap > most || perRSS > most {
			t.Errorf("%s: %d bytes resident, %d of heap and stacks per connection, want at most %d", kind, perRSS, perHeap, most)
		}
		r.e.Close()
	}
}
