package engine

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"carillon/bench/plan"
	"carillon/bench/stats"
)

// slowServer accepts at once and answers so many together, some time after the last of
// them has come.
type slowServer struct {
	together int
	mu       sync.Mutex
	all      []chan struct{} // those who wait for an answer
	most     int
}

const answerAfter = 50 * time.Millisecond

func (s *slowServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer := make(chan struct{})
	s.mu.Lock()
	s.all = append(s.all, answer)
	s.most = max(s.most, len(s.all))
	if len(s.all) == s.together {
		time.AfterFunc(answerAfter, s.answer)
	}
	s.mu.Unlock()
	select {
	case <-answer:
	case <-r.Context().Done():
		return
	}
	c, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer c.Close()
	for err == nil {
		_, _, err = c.NextReader()
	}
}

func (s *slowServer) answer() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.all {
		close(c)
	}
	s.all = nil
}

// TestConnectPending: no more connects are under way than may be, however late the server
// answers. In the end all have worked, and what they waited is in their latency, but is
// not lateness of the client.
func TestConnectPending(t *testing.T) {
	t.Parallel()
	const atMost, rounds = 7, 5
	srv := &slowServer{together: atMost}
	web := httptest.NewServer(srv)
	defer web.Close()
	r := newRig(t, plan.Scenario{Kind: plan.Heartbeat, URL: "ws" + strings.TrimPrefix(web.URL, "http"),
		Connections: atMost * rounds, ConnectRate: 10_000, ConnectPending: atMost, ConnectTimeout: patience})
	r.connect()
	r.collect()
	srv.mu.Lock()
	most := srv.most
	srv.mu.Unlock()
	if c := r.all(0); c.Connected != atMost*rounds || most != atMost {
		t.Errorf("%d of %d are connected, %d at once, of at most %d", c.Connected, atMost*rounds, most, atMost)
	}
	if took := r.total[0].Other.Hist(stats.Connect).Max(); took < (rounds-1)*answerAfter {
		t.Errorf("the longest connect took %v, which is not since it was due", took)
	}
	if n := r.total[0].Other.Hist(stats.Lateness).Count(); n != atMost {
		t.Errorf("the lateness of %d connects was recorded, want that of the first %d", n, atMost)
	}
	r.disconnect()
}

// TestConnectPendingOfProcesses: each may have as many as its share of the connections is,
// and of connects that are the load themselves there is no bound.
func TestConnectPendingOfProcesses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		scenario plan.Scenario
		count    int
		want     int64
	}{
		{plan.Scenario{Kind: plan.Echo, Connections: 100}, 100, 1000},
		{plan.Scenario{Kind: plan.Echo, Connections: 100, ConnectRate: 4000}, 25, 1000},
		{plan.Scenario{Kind: plan.Echo, Connections: 100, ConnectPending: 50}, 33, 16},
		{plan.Scenario{Kind: plan.Storm, Connections: 100, ConnectPending: 2}, 10, 1},
		{plan.Scenario{Kind: plan.Connect, Connections: 100}, 100, 0},
	} {
		c.scenario.URL = "ws://127.0.0.1/"
		job := newJob(t, c.scenario)
		job.Shares[0].Count = c.count
		if r := start(t, job); r.e.scenarios[0].atMost != c.want {
			t.Errorf("%+v, %d of them here: at most %d, want %d", c.scenario, c.count, r.e.scenarios[0].atMost, c.want)
		}
	}
}
