package server

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"carillon/netpoll"
	"carillon/server/config"
)

// scrape reads /metrics and returns the values by name and labels. It checks that
// the text is well-formed.
func scrape(t *testing.T, r *running) (values map[string]float64, text string) {
	t.Helper()
	res, err := http.Get("http://" + r.Addr() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != 200 || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/plain; version=") {
		t.Fatalf("%s %v %v", res.Status, res.Header, err)
	}
	values = make(map[string]float64)
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, "#") {
			continue
		}
		at := strings.LastIndexByte(line, ' ')
		v, err := strconv.ParseFloat(line[at+1:], 64)
		if err != nil {
			t.Fatalf("line %q: %v", line, err)
		}
		if _, twice := values[line[:at]]; twice {
			t.Errorf("%s is there twice", line[:at])
		}
		values[line[:at]] = v
	}
	return values, string(b)
}

// sum adds up a metric over its labels.
func sum(values map[string]float64, name string) (total float64, found bool) {
	for k, v := range values {
		if k == name || strings.HasPrefix(k, name+"{") {
			total += v
			found = true
		}
	}
	return total, found
}

// TestMetricsParse: the text is what Prometheus reads, with types, units and
// meanings, and every queue is in it.
func TestMetricsParse(t *testing.T) {
	r := start(t, func(cfg *config.Config) { cfg.Server.EventLoops = 2 })
	r.connect(t, "ann")
	values, text := scrape(t, r)
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "carillon_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
	for _, name := range []string{"push_queue_depth", "push_queue_bytes", "push_queue_refused_total",
		"outbound_queue_bytes", "broadcast_log_bytes", "blocked_connections", "handler_queue_depth"} {
		if _, ok := sum(values, "carillon_"+name); !ok {
			t.Errorf("no carillon_%s", name)
		}
	}
	for _, name := range []string{"go_cpu_classes_gc_total_cpu_seconds_total", "go_cpu_classes_total_cpu_seconds_total", "go_sched_pauses_total_gc_seconds_count"} {
		if _, ok := values[name]; !ok {
			t.Errorf("no %s", name)
		}
	}
	for _, name := range []string{"push_queue_depth", "outbound_queue_bytes", "sent_bytes_total"} {
		for _, loop := range []string{"0", "1"} {
			if _, ok := values["carillon_"+name+`{loop="`+loop+`"}`]; !ok {
				t.Errorf("no carillon_%s of loop %s", name, loop)
			}
		}
	}
	for _, c := range netpoll.Causes() {
		if _, ok := values[`carillon_closed_total{cause="`+c.String()+`"}`]; !ok {
			t.Errorf("no carillon_closed_total of %s", c)
		}
	}
}

// TestMetricsMove: each thing that happens shows in its metric and in no other.
func TestMetricsMove(t *testing.T) {
	hold := make(chan struct{})
	started := make(chan struct{}, 8)
	r := start(t, func(cfg *config.Config) {
		cfg.WebSocket.HandlerQueue = 4
		cfg.WebSocket.CloseTimeout = 100 * time.Millisecond // until sockets are gone, and counted
	}, func(s *Server) {
		s.Handle("HOLD", func(context.Context, *Message) error { started <- struct{}{}; <-hold; return nil })
		s.Handle("BOOM", func(context.Context, *Message) error { panic("boom") })
	})
	for _, token := range []string{"secret-token", "secret-token"} {
		c := dialRaw(t, r)
		c.send(request("/ws?token=" + token))
		if res, _ := c.response(); res.StatusCode != 401 {
			t.Fatal(res.Status)
		}
	}
	ann1, ann2, bob := r.connect(t, "somebody"), r.connect(t, "somebody"), r.connect(t, "bob-the-user")
	write(t, bob, "{")
	write(t, bob, `{"type":"NO_SUCH_TYPE"}`)
	write(t, bob, `{"type":"BIZ","code":"NO_SUCH_CODE"}`)
	write(t, ann1, `{"type":"BIZ","code":"HOLD"}`)
	write(t, ann1, `{"type":"BIZ","code":"HOLD"}`)
	<-started
	heartbeat(t, ann1)
	heartbeat(t, bob)
	want := map[string]float64{
		"carillon_sessions": 3, "carillon_users": 2, "carillon_handshakes_refused_total": 2,
		"carillon_bad_messages_total": 1, "carillon_unknown_messages_total": 2, "carillon_biz_messages_total": 2,
		"carillon_handler_queue_depth": 2, "carillon_handler_overloaded_total": 0, "carillon_handler_panics_total": 0,
		// The loops publish theirs once a second.
		"carillon_upgraded_total": 3, `carillon_closed_total{cause="rejected"}`: 2, `carillon_closed_total{cause="kicked"}`: 0,
	}
	check := func() {
		t.Helper()
		var values map[string]float64
		waitFor(t, "the metrics", func() bool {
			values, _ = scrape(t, r)
			for name, v := range want {
				if got, ok := sum(values, name); !ok || got != v {
					return false
				}
			}
			return true
		})
	}
	t.Cleanup(func() {
		if t.Failed() {
			values, _ := scrape(t, r)
			for name, v := range want {
				if got, _ := sum(values, name); got != v {
					t.Errorf("%s is %v, want %v", name, got, v)
				}
			}
		}
	})
	check()

	for range 5 { // one of them is too many
		write(t, ann1, `{"type":"BIZ","code":"HOLD"}`)
	}
	readClose(t, ann1, 1013, "overloaded")
	if _, err := r.KickUser("somebody"); err != nil {
		t.Fatal(err)
	}
	readClose(t, ann2, 1000, "")
	write(t, bob, `{"type":"BIZ","code":"BOOM"}`)
	readClose(t, bob, 1011, "internal error")
	gone := dialRaw(t, r)
	gone.upgrade("gone")
	gone.writeFrame(true, 0, ws.OpClose, closePayload(1000, ""))
	gone.expectClose(1000, "")
	cut := dialRaw(t, r)
	cut.upgrade("cut")
	cut.heartbeat()
	_ = cut.Close()
	close(hold)
	for name, v := range map[string]float64{
		"carillon_sessions": 0, "carillon_users": 0, "carillon_handler_queue_depth": 0,
		"carillon_handler_overloaded_total": 1, "carillon_handler_panics_total": 1, "carillon_upgraded_total": 5,
		`carillon_closed_total{cause="kicked"}`: 1, `carillon_closed_total{cause="overloaded"}`: 1,
		`carillon_closed_total{cause="handler"}`: 1, `carillon_closed_total{cause="client"}`: 1,
		`carillon_closed_total{cause="eof"}`: 1, `carillon_closed_total{cause="slow_consumer"}`: 0,
		`carillon_closed_total{cause="transport"}`: 0,
	} {
		want[name] = v
	}
	delete(want, "carillon_biz_messages_total") // depends on where ann was cut
	check()

	_, text := scrape(t, r)
	for _, private := range []string{"somebody", "bob-the-user", "secret-token", "127.0.0.1", "NO_SUCH"} {
		if strings.Contains(text, private) {
			t.Errorf("%q is in the metrics", private)
		}
	}
}

// TestMetricsOfASlowConsumer: its bytes show while they wait, its end when it
// was closed.
func TestMetricsOfASlowConsumer(t *testing.T) {
	r := start(t, func(cfg *config.Config) {
		cfg.WebSocket.MaxOutboundBytes = 8 << 20
		cfg.WebSocket.CloseTimeout = 100 * time.Millisecond
		cfg.Server.SocketSendBuffer = 8 << 10
		cfg.Server.EventLoops = 1
	})
	slow := dialRaw(t, r)
	slow.upgrade("slow")
	slow.heartbeat()
	chunk := []byte(strings.Repeat("x", 64<<10))
	push := func() {
		if _, err := r.PushUser("slow", chunk); err != nil {
			t.Fatal(err)
		}
	}
	for range 64 { // 4 MiB: far more than the kernel takes, far less than the bound
		push()
	}
	waitFor(t, "its bytes to show", func() bool {
		values, _ := scrape(t, r)
		blocked, _ := sum(values, "carillon_blocked_connections")
		queued, _ := sum(values, "carillon_outbound_queue_bytes")
		return blocked == 1 && queued > 1<<20 && queued < 4<<20+1024
	})
	if n := r.SessionCount(); n != 1 {
		t.Fatalf("%d sessions while it is within its bound, want 1", n)
	}
	for range 128 { // over the bound
		push()
	}
	waitFor(t, "the slow consumer to be closed and counted", func() bool {
		values, _ := scrape(t, r)
		blocked, _ := sum(values, "carillon_blocked_connections")
		queued, _ := sum(values, "carillon_outbound_queue_bytes")
		times, _ := sum(values, "carillon_send_blocked_total")
		return values[`carillon_closed_total{cause="slow_consumer"}`] == 1 && blocked == 0 && queued == 0 && times > 0
	})
}
