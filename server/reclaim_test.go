package server

import (
	"bufio"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestReclaimerDecides(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		conns []int
		want  []int // looks at which memory is given back
	}{
		{"few come and go", []int{0, 4000, 0, 4000, 0, 0, 0, 0, 0}, nil},
		{"a storm", []int{0, 9000, 18000, 18000, 9000, 0, 0, 0, 0, 0, 0}, []int{9}},
		{"half of them", []int{18000, 9000, 8990, 8990, 8990, 8990}, []int{5}},
		{"a small part of many", []int{100000, 90000, 90000, 90000, 90000, 90000}, nil},
		{"again", []int{18000, 0, 0, 0, 0, 0, 18000, 0, 0, 0, 0, 0}, []int{5, 11}},
		{"by and by", []int{8000, 7000, 6000, 5000, 4000, 3904, 3000}, []int{5}},
		{"still going", []int{18000, 12000, 8000, 5000, 3000, 1000, 0}, nil},
	} {
		var r reclaimer
		var got []int
		for i, n := range c.conns {
			if r.due(n) {
				got = append(got, i)
			}
		}
		if len(got) != len(c.want) || len(got) > 0 && got[0] != c.want[0] || len(got) > 1 && got[1] != c.want[1] {
			t.Errorf("%s: given back at %v, want %v", c.name, got, c.want)
		}
	}
}

// held returns how many bytes of heap and stacks a gateway keeps from the system.
func held(t *testing.T, addr string) (bytes float64) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept-Encoding", "identity") // compressing takes 2 MB
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), " ")
		n, _ := strconv.ParseFloat(value, 64)
		switch name {
		case "go_memstats_heap_sys_bytes", "go_memstats_stack_inuse_bytes":
			bytes += n
		case "go_memstats_heap_released_bytes":
			bytes -= n
		}
	}
	return bytes
}

// TestMemoryReturnsAfterAStorm: what thousands of connections and their full
// queues needed is given back soon after they have gone, not minutes later.
func TestMemoryReturnsAfterAStorm(t *testing.T) {
	t.Parallel()
	defer http.DefaultClient.CloseIdleConnections()
	addr, _ := startChild(t)
	before := held(t, addr)
	conns := dialMany(t, addr, reclaimConns+1000)
	message := `{"message":"` + strings.Repeat("x", 60<<10) + `"}`
	for range 12 { // nobody reads: the kernel's buffers fill, then the ring
		res, err := http.Post("http://"+addr+"/websocket/broadcast", "application/json", strings.NewReader(message))
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
	}
	peak := held(t, addr)
	if peak < before+2<<20 {
		t.Fatalf("the storm took %.0f bytes beside %.0f, too few for this test", peak-before, before)
	}
	for _, nc := range conns {
		_ = nc.Close()
	}
	// Asking leaves garbage, and enough of it a collection: so it is seldom asked.
	var after float64
	for deadline := time.Now().Add(3 * testPatience); ; time.Sleep(reclaimEvery) {
		if after = held(t, addr); after < before+(peak-before)/3 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%.0f bytes are held, of %.0f in the storm and %.0f before", after, peak, before)
		}
	}
	t.Logf("%.0f bytes are held, of %.0f in the storm and %.0f before", after, peak, before)
}
