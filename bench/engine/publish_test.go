package engine

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"carillon/bench/internal/faulty"
	"carillon/bench/plan"
	"carillon/bench/stats"
)

// between puts an HTTP interface between publishers and the server.
func between(t *testing.T, srv *faulty.Server, kind string, h func(w http.ResponseWriter, r *http.Request, forward func())) *httptest.Server {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h(w, r, func() {
			path := strings.TrimPrefix(srv.PublishURL(kind), "http://"+srv.Addr())
			if kind == "push" {
				path = "/websocket/send/user/" + r.URL.Query().Get("to")
			}
			resp, err := (&http.Client{Transport: transport}).Post("http://"+srv.Addr()+path, "application/json", r.Body)
			if err != nil {
				t.Errorf("forward: %v", err)
				return
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		})
	}))
	t.Cleanup(front.Close)
	return front
}

// Publishes that the server refuses fail with their cause; the messages are not
// missed, and the others are found where they should be.
func TestPublishRefused(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"broadcast", "push"} {
		srv := faulty.Start(t, faulty.Options{})
		var n atomic.Int64
		front := between(t, srv, kind, func(w http.ResponseWriter, _ *http.Request, forward func()) {
			if n.Add(1)%5 == 0 {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			forward()
			w.WriteHeader(http.StatusAccepted)
		})
		sc := load(kind, srv)
		sc.Rate = 100
		sc.Publish = &plan.Publish{URL: front.URL + "/publish"}
		if kind == "push" {
			sc.Publish.URL += "?to={{.User}}"
		}
		r := newRig(t, sc)
		r.srv = srv
		r.connect()
		r.run(500 * time.Millisecond)
		r.disconnect()
		expect(t, r.all(0), stats.Counts{PublishFailed: 10})
		if got := r.cause(0, stats.PublishFailed, "HTTP 503 Service Unavailable"); got != 10 {
			t.Errorf("%s: %v", kind, r.total[0].Measured.Causes)
		}
		if c := r.all(0); c.OK != srv.Stats().Sent || c.Published != 40 {
			t.Errorf("%s: got %+v", kind, c)
		}
	}
}

// Only the status that the plan names is success; method, headers and body are
// those of the plan.
func TestPublishAsThePlanSays(t *testing.T) {
	t.Parallel()
	srv := faulty.Start(t, faulty.Options{})
	var mu sync.Mutex
	seen := make(map[string]int)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		text := string(body)
		if i := strings.Index(text, "cb:"); i >= 0 && len(text) >= i+markLen {
			text = text[:i] + text[i+markLen:]
		}
		mu.Lock()
		defer mu.Unlock()
		seen[r.Method+" "+r.RequestURI+" "+r.Header.Get("X-User")+" "+r.Header.Get("Content-Type")+" "+r.UserAgent()+" "+text]++
		w.WriteHeader(204)
	}))
	t.Cleanup(front.Close)
	for status, failed := range map[int]int64{204: 0, 200: 20} {
		r := newRig(t, plan.Scenario{Kind: plan.Push, URL: srv.URL(), Connections: 2, Rate: 100, User: "a/b {{.ID}}", Message: `{{.Mark}}"{{.Seq}}"`,
			Publish: &plan.Publish{Method: "PUT", URL: front.URL + "/to/{{.User}}?x=1", Headers: map[string]string{"X-User": "<{{.User}}>"},
				Body: `{"m":{{.Message}},"u":"{{.User}}"}`, Status: []int{status}}})
		r.connect()
		st := r.traffic(0, 200*time.Millisecond)
		r.e.sleepUntil(st.To)
		r.e.Settle(r.e.Heads(Now()+int64(patience)), Now())
		r.disconnect()
		if c := r.all(0); c.PublishFailed != failed || c.Lost != 20-failed {
			t.Errorf("status %d: got %+v", status, c)
		}
	}
	want := `PUT /to/a%2Fb%201?x=1 <a/b 1> application/json carillon-bench/test {"m":"\"3\"","u":"a/b 1"}`
	if seen[want] != 2 {
		t.Errorf("not seen: %s\nbut: %v", want, seen)
	}
}

// A server that closes idle connections, as all do after a while, costs no
// publish.
func TestPublishSurvivesIdleConnections(t *testing.T) {
	t.Parallel()
	srv := faulty.Start(t, faulty.Options{})
	front := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {}))
	front.Config.IdleTimeout = 10 * time.Millisecond
	var opened atomic.Int64
	front.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			opened.Add(1)
		}
	}
	front.Start()
	t.Cleanup(front.Close)
	r := newRig(t, plan.Scenario{Kind: plan.Broadcast, URL: srv.URL(), Connections: 1, Rate: 5, Publish: &plan.Publish{URL: front.URL}})
	r.connect()
	st := r.traffic(0, time.Second)
	r.e.sleepUntil(st.To)
	r.e.Settle(r.e.Heads(Now()+int64(patience)), Now())
	r.disconnect()
	if c := r.all(0); c.Published != 5 || c.PublishFailed != 0 {
		t.Errorf("got %+v: %v", c, r.total[0].Measured.Causes)
	}
	if n := opened.Load(); n < 2 {
		t.Errorf("%d connections: none was closed in between", n)
	}
}

// A publish that is not answered in time fails, and the next one goes on.
func TestPublishTimeout(t *testing.T) {
	t.Parallel()
	srv := faulty.Start(t, faulty.Options{})
	var n atomic.Int64
	front := between(t, srv, "broadcast", func(w http.ResponseWriter, r *http.Request, forward func()) {
		if n.Add(1) == 3 {
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done() // it never was taken
			return
		}
		forward()
	})
	sc := load("broadcast", srv)
	sc.Rate = 10
	sc.Publish = &plan.Publish{URL: front.URL, Timeout: 2 * time.Second}
	r := newRig(t, sc)
	r.srv = srv
	r.connect()
	r.run(time.Second)
	r.disconnect()
	expect(t, r.all(0), stats.Counts{PublishFailed: 1})
	if r.cause(0, stats.PublishFailed, "timeout") != 1 || r.all(0).OK != 9*40 {
		t.Errorf("got %+v: %v", r.all(0), r.total[0].Measured.Causes)
	}
}

// A server that takes publishes and never answers: what waits for a publisher at
// the end is refused, and is not missed at the receivers.
func TestPublishToASilentServer(t *testing.T) {
	t.Parallel()
	srv := faulty.Start(t, faulty.Options{})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	sc := load("broadcast", srv)
	sc.Publish = &plan.Publish{URL: "http://" + ln.Addr().String() + "/", Publishers: 2}
	r := newRig(t, sc)
	r.connect()
	st := r.traffic(0, short)
	r.e.sleepUntil(st.To)
	heads := r.e.Heads(Now() + int64(100*time.Millisecond))
	if len(heads[0]) != 2 || heads[0][0] != (Head{1, 1}) || heads[0][1] != (Head{1, 1}) {
		t.Errorf("got %+v, want one of each publisher under way", heads)
	}
	r.e.Settle(heads, Now()+int64(patience))
	r.collect()
	if c := r.total[0].Measured.Counts; c.Arrivals != 15 || c.Refused != 13 || c.Expected != 0 {
		t.Errorf("got %+v, want 13 of 15 refused", c)
	}
}

// Publishers' own connections go where the plan says, with their headers.
func TestPublishViaClientElsewhere(t *testing.T) {
	t.Parallel()
	var publishers atomic.Int64
	srv := faulty.Start(t, faulty.Options{User: func(q *http.Request) (string, bool) {
		if q.Header.Get("X-Role") == "publisher" && q.URL.Path == "/hub" && q.URL.Query().Get("p") == "u41" {
			publishers.Add(1)
		}
		return "", true
	}})
	sc := load("hub", srv)
	sc.Publish = &plan.Publish{Via: plan.ViaClient, URL: srv.HubURL() + "?p={{.User}}", Headers: map[string]string{"X-Role": "publisher"}, Publishers: 3}
	r := newRig(t, sc)
	r.srv = srv
	r.connect()
	r.run(short)
	r.disconnect()
	expect(t, r.all(0), stats.Counts{Unexpected: 0})
	if publishers.Load() != 1 {
		t.Errorf("%d connections were the second publisher's, want 1", publishers.Load())
	}
	if c := r.all(0); c.OK != 15*40 || c.Connected != 43 || c.Left != 43 {
		t.Errorf("got %+v", c)
	}
}
