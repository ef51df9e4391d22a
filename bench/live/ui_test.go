package live

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"carillon/bench/internal/await"
	"carillon/bench/report"
)

// request sends a request to the page's server and returns its answer.
func request(t *testing.T, u *UI, method, path string, headers map[string]string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, strings.TrimSuffix(u.URL(), "/")+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range headers {
		if name == "Host" {
			req.Host = value
		} else {
			req.Header.Set(name, value)
		}
	}
	res, err := httpClient(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(body)
}

func httpClient(t *testing.T) *http.Client {
	transport := new(http.Transport)
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func TestUIAddress(t *testing.T) {
	for _, addr := range []string{"", ":0", "127.0.0.1:0", "localhost:0"} {
		u, err := NewUI(addr, UIOptions{})
		if err != nil {
			t.Fatalf("%q: %v", addr, err)
		}
		if res, _ := request(t, u, "GET", "/", nil); res.StatusCode != http.StatusOK {
			t.Errorf("%q: %s at %s", addr, res.Status, u.URL())
		}
		if err := u.Close(); err != nil {
			t.Errorf("%q: %v", addr, err)
		}
		if err := u.Close(); err != nil {
			t.Errorf("%q: second Close: %v", addr, err)
		}
		u.Show(heartbeatRun(1)) // after Close: nothing
	}
	for host, want := range map[string]string{
		"": "http://127.0.0.1:80/", "0.0.0.0": "http://127.0.0.1:80/", "::": "http://127.0.0.1:80/", "::1": "http://[::1]:80/", "bench.example": "http://bench.example:80/",
	} {
		if got := urlOf(host, &net.TCPAddr{Port: 80}); got != want {
			t.Errorf("URL of host %q: %s, want %s", host, got, want)
		}
	}
	if _, err := NewUI("localhost", UIOptions{}); err == nil || !strings.Contains(err.Error(), `"localhost"`) {
		t.Errorf("no port: %v", err)
	}
	u := startUI(t, UIOptions{})
	if !strings.HasPrefix(u.URL(), "http://127.0.0.1:") {
		t.Errorf("default address %s", u.URL())
	}
	if _, err := NewUI(strings.TrimSuffix(strings.TrimPrefix(u.URL(), "http://"), "/"), UIOptions{}); err == nil {
		t.Error("the same address twice")
	}
}

func TestUIHosts(t *testing.T) {
	u := startUI(t, UIOptions{})
	for host, want := range map[string]int{
		"127.0.0.1:80": 200, "localhost:80": 200, "LOCALHOST": 200, "127.0.0.1": 200, "[::1]:80": 200, "[::1]": 200, "192.168.1.5:80": 200,
		"evil.example": 421, "evil.example:80": 421, "localhost.evil.example": 421, "127.0.0.1.evil.example:80": 421, "carillon": 421,
	} {
		for _, path := range []string{"/", "/report"} {
			wanted := want
			if want == 200 && path == "/report" {
				wanted = 404
			}
			if res, _ := request(t, u, "GET", path, map[string]string{"Host": host}); res.StatusCode != wanted {
				t.Errorf("host %q, %s: %s, want %d", host, path, res.Status, wanted)
			}
		}
	}
	if h := (hosts{given: "Bench.example"}); !h.allow("bench.example:80") || h.allow("other.example:80") {
		t.Error("the name that was given is not the one that is served")
	}
	if (hosts{}).allow("") || (hosts{}).allow(":80") {
		t.Error("no host is allowed")
	}
}

func TestUIStop(t *testing.T) {
	var stops, kills counter
	u := startUI(t, UIOptions{OnInterrupt: stops.call, OnKill: kills.call})
	own := strings.TrimSuffix(u.URL(), "/")
	for name, headers := range map[string]map[string]string{
		"nothing":          {},
		"no token":         {"Origin": own},
		"wrong token":      {"Origin": own, tokenHeader: u.token[1:] + "x"},
		"no origin":        {tokenHeader: u.token},
		"other origin":     {"Origin": "http://evil.example", tokenHeader: u.token},
		"null origin":      {"Origin": "null", tokenHeader: u.token},
		"other port":       {"Origin": "http://127.0.0.1:1", tokenHeader: u.token},
		"other site":       {"Origin": own, tokenHeader: u.token, "Sec-Fetch-Site": "cross-site"},
		"same site":        {"Origin": own, tokenHeader: u.token, "Sec-Fetch-Site": "same-site"},
		"rebound name":     {"Origin": "http://evil.example", tokenHeader: u.token, "Host": "evil.example"},
		"origin with path": {"Origin": u.URL(), tokenHeader: u.token},
	} {
		for _, path := range []string{"/stop", "/kill"} {
			if res, _ := request(t, u, "POST", path, headers); res.StatusCode/100 != 4 {
				t.Errorf("%s: %s %s", name, path, res.Status)
			}
		}
	}
	good := map[string]string{"Origin": own, tokenHeader: u.token, "Sec-Fetch-Site": "same-origin"}
	if res, _ := request(t, u, "GET", "/stop", good); res.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("GET /stop: %s", res.Status)
	}
	if s, k := stops.Load(), kills.Load(); s != 0 || k != 0 {
		t.Fatalf("stopped %d times, killed %d times", s, k)
	}
	for range 3 {
		if res, _ := request(t, u, "POST", "/stop", good); res.StatusCode != http.StatusNoContent {
			t.Errorf("POST /stop: %s", res.Status)
		}
	}
	await.Until(t, "the run is stopped", func() bool { return stops.Load() > 0 })
	if res, _ := request(t, u, "POST", "/kill", good); res.StatusCode != http.StatusNoContent {
		t.Errorf("POST /kill: %s", res.Status)
	}
	await.Until(t, "the run is killed", func() bool { return kills.Load() > 0 })
	if s, k := stops.Load(), kills.Load(); s != 1 || k != 1 {
		t.Errorf("stopped %d times, killed %d times", s, k)
	}
}

func TestUIWithoutButtons(t *testing.T) {
	u := startUI(t, UIOptions{})
	res, body := request(t, u, "GET", "/", nil)
	if strings.Contains(body, "data-stop") || strings.Contains(body, "data-kill") {
		t.Error("there is a button without a function")
	}
	for name, want := range map[string]string{
		"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY",
		"Cross-Origin-Resource-Policy": "same-origin", "Content-Security-Policy": pageElements().policy,
	} {
		if got := res.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	good := map[string]string{"Origin": strings.TrimSuffix(u.URL(), "/"), tokenHeader: u.token}
	if res, _ := request(t, u, "POST", "/stop", good); res.StatusCode != http.StatusNotFound {
		t.Errorf("POST /stop: %s", res.Status)
	}
}

func TestUIReport(t *testing.T) {
	u := startUI(t, UIOptions{})
	if res, _ := request(t, u, "GET", "/report", nil); res.StatusCode != http.StatusNotFound {
		t.Errorf("before the end: %s", res.Status)
	}
	u.Finish([]byte(reportPage), report.Passed)
	res, body := request(t, u, "GET", "/report", nil)
	if res.StatusCode != http.StatusOK || body != reportPage || res.Header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Errorf("%s, %v: %q", res.Status, res.Header, body)
	}
}

// viewer reads a stream of events.
type viewer struct {
	t    *testing.T
	body *bufio.Scanner
}

// event is one event of a stream.
type event struct{ id, name, data string }

func watch(t *testing.T, u *UI, lastID string) *viewer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", u.URL()+"events", nil)
	if err != nil {
		t.Fatal(err)
	}
	if lastID != "" {
		req.Header.Set("Last-Event-ID", lastID)
	}
	res, err := httpClient(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%s, %s", res.Status, res.Header.Get("Content-Type"))
	}
	v := &viewer{t: t, body: bufio.NewScanner(res.Body)}
	v.body.Buffer(nil, 16<<20)
	return v
}

// next returns the next event; false at the end of the stream.
func (v *viewer) next() (e event, ok bool) {
	for v.body.Scan() {
		key, value, _ := strings.Cut(v.body.Text(), ": ")
		switch key {
		case "id":
			e.id = value
		case "event":
			e.name = value
		case "data":
			e.data = value
		case "":
			if e.name != "" {
				return e, true
			}
		}
	}
	return e, false
}

// news returns the next event, which has to be news.
func (v *viewer) news() (news, string) {
	v.t.Helper()
	e, ok := v.next()
	if !ok || e.name != "news" {
		v.t.Fatalf("got %+v, want news", e)
	}
	var n news
	if err := json.Unmarshal([]byte(e.data), &n); err != nil {
		v.t.Fatal(err)
	}
	return n, e.id
}

func TestStream(t *testing.T) {
	u := startUI(t, UIOptions{})
	v := watch(t, u, "")
	if n, _ := v.news(); n.Now != nil || len(n.Moments) != 0 || !n.Full {
		t.Errorf("before the first state: %+v", n)
	}
	u.Show(troubledRun(1))
	n, id := v.news()
	if n.Now == nil || n.Now.Elapsed != 1 || len(n.Moments) != 1 || len(n.Strain) != 3 || n.Ending {
		t.Errorf("first state: %+v", n)
	}
	if got := n.Now.Scenario[1].TopCauses[1].Text; got != "close 1013 ·[2Jslow·consumer" {
		t.Errorf("cause %q", got)
	}
	for i := 2; i <= 5; i++ {
		u.Show(heartbeatRun(i))
	}
	// One that comes back gets what it missed, one of another run all.
	if n, _ := watch(t, u, id).news(); n.Full || len(n.Moments) != 4 || n.Moments[0].T != 2 || n.Now.Elapsed != 5 {
		t.Errorf("after coming back: %+v", n)
	}
	for _, other := range []string{"", "x", "-", "another-1", u.run, u.run + "--1", u.run + "-x"} {
		if n, _ := watch(t, u, other).news(); !n.Full || len(n.Moments) != 5 {
			t.Errorf("Last-Event-ID %q: full %t, %d moments", other, n.Full, len(n.Moments))
		}
	}
	u.Ending()
	late := watch(t, u, "")
	if n, _ := late.news(); !n.Ending {
		t.Error("the run is not said to end")
	}
	u.Finish([]byte(reportPage), report.NoResult)
	if err := u.Close(); err != nil {
		t.Fatal(err)
	}
	var last event
	for e, ok := late.next(); ok; e, ok = late.next() {
		last = e
	}
	var f finish
	if err := json.Unmarshal([]byte(last.data), &f); err != nil || last.name != "finish" {
		t.Fatalf("last event %+v: %v; the stream ended with %v", last, err, late.body.Err())
	}
	if f.HTML != reportPage || f.Verdict != report.NoResult {
		t.Errorf("got %+v", f)
	}
}

// One that does not read costs nobody anything, and Close does not wait for it
// for long.
func TestSlowViewer(t *testing.T) {
	u := startUI(t, UIOptions{})
	conn, err := net.Dial("tcp", strings.TrimSuffix(strings.TrimPrefix(u.URL(), "http://"), "/"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	await.Until(t, "the viewer is there", func() bool {
		u.mu.Lock()
		defer u.mu.Unlock()
		return u.viewers == 1
	})
	p := crowdedRun(40)
	p.Warnings = append(p.Warnings, strings.Repeat("long ", 100_000))
	for range 40 { // 20 MB, more than the kernel takes
		u.Show(p)
	}
	v := watch(t, u, "")
	if n, _ := v.news(); len(n.Moments) != 40 {
		t.Errorf("the other viewer has %d moments", len(n.Moments))
	}
}

func TestTooManyViewers(t *testing.T) {
	u := startUI(t, UIOptions{})
	for range maxViewers {
		watch(t, u, "")
	}
	if res, _ := request(t, u, "GET", "/events", nil); res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("one more: %s", res.Status)
	}
}

// Connections on which nothing was asked do not hold Close up.
func TestCloseWithIdleConnections(t *testing.T) {
	u := startUI(t, UIOptions{})
	for range 5 {
		conn, err := net.Dial("tcp", strings.TrimSuffix(strings.TrimPrefix(u.URL(), "http://"), "/"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	await.Until(t, "the connections are there", func() bool {
		u.idle.mu.Lock()
		defer u.idle.mu.Unlock()
		return len(u.idle.conns) == 5
	})
	begin := time.Now()
	if err := u.Close(); err != nil {
		t.Error(err)
	}
	if took := time.Since(begin); took >= closeWait {
		t.Errorf("Close took %v", took)
	}
}

// A stream outlives the time that a request may take to come in.
func TestStreamOutlivesReadTimeout(t *testing.T) {
	u := startUI(t, UIOptions{})
	const limit = 50 * time.Millisecond
	front := httptest.NewUnstartedServer(u.handler())
	front.Config.ReadTimeout = limit
	front.Start()
	defer front.Close()
	defer front.CloseClientConnections()
	behind := &UI{url: front.URL + "/"}
	v := watch(t, behind, "")
	v.news()
	for begin := time.Now(); time.Since(begin) < 4*limit; {
		u.Show(heartbeatRun(1))
		v.news()
	}
	u.Show(heartbeatRun(2))
	if n, _ := v.news(); n.Now.Elapsed != 2 {
		t.Errorf("got second %v, want 2", n.Now.Elapsed)
	}
}

func FuzzHosts(f *testing.F) {
	for _, seed := range []string{"127.0.0.1:80", "[::1]:80", "[::1]", "localhost", "evil.example:80", "", ":80", "[", "]:", "a:b:c", "[fe80::1%25lo]:80"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, host string) {
		if !(hosts{}).allow(host) {
			return
		}
		// Where a browser goes that was sent there.
		u, err := url.Parse("http://" + host + "/")
		if err == nil && net.ParseIP(u.Hostname()) == nil && !strings.EqualFold(u.Hostname(), "localhost") {
			t.Errorf("%q is allowed, whose name is %q", host, u.Hostname())
		}
	})
}

func FuzzResume(f *testing.F) {
	for _, seed := range []string{"", "-", "run-1", "run--1", "run-x", "other-5", "run-99999999999999999999", "run-+7"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, id string) {
		u := &UI{run: "run"}
		if seq := u.resume(id); seq < 0 || seq > 0 && !strings.HasPrefix(id, "run-") {
			t.Errorf("%q resumes after %d", id, seq)
		}
	})
}
