package admin

import (
	"bufio"
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
	"github.com/valyala/fasthttp/fasthttputil"
)

func TestProfiles(t *testing.T) {
	t.Parallel()
	const token = "of-an-admin"
	auth := "Authorization: Bearer " + token
	guarded := start(t, New(&fakeGateway{}, Options{Tokens: []string{token}}).Handler())
	open := start(t, New(&fakeGateway{}, Options{Open: true}).Handler())
	for _, c := range []struct {
		name, path string
		lines      []string
		want       int
	}{
		{"heap", "heap", []string{auth}, 200},
		{"allocations", "allocs", []string{auth}, 200},
		{"goroutines", "goroutine?debug=1", []string{auth}, 200},
		{"without a token", "heap", nil, 401},
		{"with another", "heap", []string{"Authorization: Bearer x"}, 401},
		{"the command line", "cmdline", []string{auth}, 404},
		{"an unknown one", "x", []string{auth}, 404},
		{"no time", "profile?seconds=0", []string{auth}, 400},
		{"too much time", "profile?seconds=61", []string{auth}, 400},
		{"no number", "trace?seconds=1.5", []string{auth}, 400},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := roundTrip(t, guarded, remote, request("GET", "/debug/pprof/"+c.path, "", c.lines...), "GET")
			if got.status != c.want {
				t.Fatalf("status %d, want %d: %s", got.status, c.want, got.body)
			}
			switch {
			case got.status != 200:
				got.problem(t)
			case strings.Contains(c.path, "debug"):
				if !strings.Contains(got.body, "TestProfiles") {
					t.Errorf("no goroutine of this test is in %q", got.body)
				}
			default:
				unpacked(t, got.body)
			}
		})
	}
	if got := roundTrip(t, open, loopback, request("GET", "/debug/pprof/heap", ""), "GET"); got.status != 404 {
		t.Errorf("status %d where everybody may call, want 404", got.status)
	}
	if got := roundTrip(t, guarded, remote, request("POST", "/debug/pprof/heap", "", auth), "POST"); got.status != 405 {
		t.Errorf("POST: status %d, want 405", got.status)
	}
}

// unpacked checks that a body is a profile: gzip around what is not empty.
func unpacked(t *testing.T, body string) {
	t.Helper()
	z, err := gzip.NewReader(strings.NewReader(body))
	if err != nil {
		t.Fatalf("no profile: %v", err)
	}
	if n, err := io.Copy(io.Discard, z); err != nil || n == 0 {
		t.Errorf("a profile of %d bytes, %v", n, err)
	}
}

// TestProfilesOneAtATime: while one runs another is refused, and the one that runs
// ends with the server instead of holding it up.
func TestProfilesOneAtATime(t *testing.T) {
	t.Parallel()
	api := New(&fakeGateway{}, Options{})
	listener := fasthttputil.NewInmemoryListener()
	server := &fasthttp.Server{Handler: api.Handler(), Logger: silent{}}
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { _ = server.Serve(listener) }) // until it is shut down
	long := dialer(t, listener, loopback)
	wg.Go(func() { _, _ = io.WriteString(long, request("GET", "/debug/pprof/trace?seconds=60", "")) })
	until := time.Now().Add(deadline)
	for api.profiling.TryLock() {
		api.profiling.Unlock()
		if time.Now().After(until) {
			t.Fatal("the first profile has not begun")
		}
		time.Sleep(time.Millisecond)
	}
	got := roundTrip(t, listener, loopback, request("GET", "/debug/pprof/heap", ""), "GET")
	if got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" {
		t.Errorf("status %d, Retry-After %q; want 503 and some seconds", got.status, got.header.Get("Retry-After"))
	}
	begun := time.Now()
	if err := server.ShutdownWithContext(t.Context()); err != nil {
		t.Error(err)
	}
	if got := readAnswer(t, bufio.NewReader(long), "GET"); got.status != 200 {
		t.Errorf("status %d, want 200", got.status)
	}
	if took := time.Since(begun); took > deadline/2 {
		t.Errorf("the profile went on for %v after the end of the server", took)
	}
}
