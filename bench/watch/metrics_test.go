package watch

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// exporting serves metrics that a test changes.
func exporting(t *testing.T) (*httptest.Server, *atomic.Pointer[string]) {
	t.Helper()
	var body atomic.Pointer[string]
	empty := ""
	body.Store(&empty)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, *body.Load())
	}))
	t.Cleanup(s.Close)
	return s, &body
}

func exposition(cpu, rss float64, fds int) *string {
	s := fmt.Sprintf(`# HELP process_cpu_seconds_total Total CPU.
# TYPE process_cpu_seconds_total counter
process_cpu_seconds_total %g
# TYPE process_resident_memory_bytes gauge
process_resident_memory_bytes{instance="a"} %g
process_open_fds %d
go_threads 9
other_metric{quantile="0.5"} NaN
`, cpu, rss, fds)
	return &s
}

func TestWatchMetrics(t *testing.T) {
	t.Parallel()
	server, body := exporting(t)
	body.Store(exposition(100, 1e7, 10))
	w := WatchMetrics(server.URL + "/metrics")
	defer w.Close()
	w.Begin()
	body.Store(exposition(101, 2e7, 20))
	w.MeasureFrom()
	body.Store(exposition(103.5, 3e7, 30))
	w.MeasureTo()
	body.Store(exposition(200, 9e7, 90))
	w.mark(between)
	s := w.Server(1000, 1_000_000, 500_000)[0]
	if s.CPUSeconds != 2.5 || s.RSSBefore != 1e7 || s.RSS != 3e7 || s.RSSMax != 3e7 || s.FDs != 30 || s.Threads != 9 || s.PerConn != 2e4 || s.CPUPerMSent != 2.5 || s.CPUPerMRecv != 5 {
		t.Errorf("got %+v", s)
	}
	if s.Source != server.URL+"/metrics" || len(s.Missing) != 0 {
		t.Errorf("got source %q, missing %v", s.Source, s.Missing)
	}
}

func TestWatchMetricsOfARestart(t *testing.T) {
	t.Parallel()
	server, body := exporting(t)
	body.Store(exposition(100, 1e7, 10))
	w := WatchMetrics(server.URL)
	defer w.Close()
	w.Begin()
	for _, cpu := range []float64{110, 1, 5} {
		body.Store(exposition(cpu, 1e7, 10))
		w.mark(between)
	}
	w.MeasureTo()
	s := w.Server(1, 1, 1)[0]
	if s.CPUSeconds != 15 || !mentions(s.Missing, "restarted") {
		t.Errorf("got %v CPU seconds, want 10 and then 5; missing %v", s.CPUSeconds, s.Missing)
	}
}

// TestWatchMetricsOfARealExporter reads this process through the client library.
func TestWatchMetricsOfARealExporter(t *testing.T) {
	t.Parallel()
	linuxOnly(t)
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	for name, opts := range map[string]promhttp.HandlerOpts{"text": {}, "OpenMetrics": {EnableOpenMetrics: true}} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(promhttp.HandlerFor(registry, opts))
			defer server.Close()
			w := WatchMetrics(server.URL)
			defer w.Close()
			w.Begin()
			for from := cpuTime(); cpuTime()-from < 100e6; {
			}
			w.MeasureTo()
			s := w.Server(1, 1, 1)[0]
			if s.CPUSeconds < 0.05 || s.RSS < 1<<20 || s.FDs < 3 || s.Threads < 2 || len(s.Missing) != 0 {
				t.Errorf("got %+v", s)
			}
		})
	}
}

func TestWatchMetricsThatFail(t *testing.T) {
	t.Parallel()
	hang := make(chan struct{})
	mux := http.NewServeMux()
	mux.HandleFunc("/503", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusServiceUnavailable) })
	mux.HandleFunc("/garbage", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "process_cpu_seconds_total much\n")
	})
	mux.HandleFunc("/long-line", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, strings.Repeat("x", maxLine+1))
	})
	mux.HandleFunc("/endless", func(w http.ResponseWriter, r *http.Request) {
		line := []byte("# " + strings.Repeat("x", 32<<10) + "\n")
		for r.Context().Err() == nil {
			if _, err := w.Write(line); err != nil {
				return
			}
		}
	})
	mux.HandleFunc("/slow", func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-hang:
		case <-r.Context().Done():
		}
	})
	mux.HandleFunc("/nothing", func(http.ResponseWriter, *http.Request) {})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(hang) })
	secret := strings.Replace(server.URL, "http://", "http://user:hunter2@", 1)
	for path, want := range map[string]string{
		"/503":       "HTTP 503",
		"/garbage":   "expected float",
		"/long-line": "token too long",
		"/endless":   "", // too large or too slow, whichever is first
		"/slow":      "no answer within 2s",
		"/nothing":   "process_resident_memory_bytes is not exported",
		":x":         "port",
	} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			w := WatchMetrics(secret + path + "?token=hunter2")
			defer w.Close()
			w.Begin()
			s := w.Server(1, 1, 1)[0]
			if len(s.Missing) == 0 || !mentions(s.Missing, want) {
				t.Errorf("missing %v, want %q", s.Missing, want)
			}
			if s.CPUSeconds != 0 || s.RSS != 0 || s.FDs != 0 || s.Threads != 0 {
				t.Errorf("got figures: %+v", s)
			}
			if strings.Contains(fmt.Sprint(s), "hunter2") {
				t.Errorf("a secret in %+v", s)
			}
		})
	}
}

func TestWatchMetricsSendsCredentials(t *testing.T) {
	t.Parallel()
	var user, password, query atomic.Value
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u, p, _ := r.BasicAuth()
		user.Store(u)
		password.Store(p)
		query.Store(r.URL.RawQuery)
	}))
	t.Cleanup(server.Close)
	w := WatchMetrics(strings.Replace(server.URL, "http://", "http://me:secret@", 1) + "/m?key=hidden")
	defer w.Close()
	w.Begin()
	if user.Load() != "me" || password.Load() != "secret" || query.Load() != "key=hidden" {
		t.Errorf("got %v, %v, %v", user.Load(), password.Load(), query.Load())
	}
}

func TestMaskURL(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"http://h:1/metrics":        "http://h:1/metrics",
		"https://u:p@h/m?a=b&c=d#f": "https://h/m?a=***&c=***",
		"http://h/m?token":          "http://h/m?***",
		"://":                       "metrics URL that can not be parsed",
		"http://u:p@h:x/":           "metrics URL that can not be parsed",
		"secret":                    "metrics URL that can not be parsed",
	} {
		if got := maskURL(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func FuzzParseMetrics(f *testing.F) {
	f.Add(*exposition(1, 2, 3))
	f.Add("process_open_fds{a=\"b\\\"c\",d=\"e\"} 3 1700000000000\nprocess_open_fds{} 4\n")
	f.Add("process_cpu_seconds_total 1.5 # {trace_id=\"x\"} 1\n# EOF\n")
	f.Add("process_cpu_seconds_total")
	f.Fuzz(func(t *testing.T, body string) {
		values, err := parseMetrics(strings.NewReader(body))
		if err != nil {
			return
		}
		for name := range values {
			if !wanted(name) || !strings.Contains(body, name) {
				t.Errorf("%q: got %q", body, name)
			}
		}
		// What we do not know changes nothing.
		again, err := parseMetrics(strings.NewReader("# HELP x y\nother{a=\"b\"} 1\n" + body))
		if err != nil || len(again) != len(values) {
			t.Errorf("%q: with other lines %v, %v, without %v", body, again, err, values)
		}
	})
}
