package report

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"carillon/bench/stats"
)

// small is a report with figures that are easy to check by hand.
func small() *Report {
	echo := Scenario{Name: "echo", Kind: "echo", Model: "open", Target: "ws://127.0.0.1:1/ws", Seconds: 10}
	for i := range 1000 {
		echo.Measured.Hist(stats.Latency).Record(time.Duration(i+1) * 100 * time.Microsecond)
	}
	echo.Setup.Hist(stats.Upgrade).RecordN(200*time.Millisecond, 100)
	echo.Measured.Counts = stats.Counts{
		Arrivals: 1000, Sent: 1000, SentBytes: 10 << 20, Received: 990, Expected: 1000, OK: 985, Lost: 10, Wrong: 3, Duplicate: 2,
	}
	echo.Setup.Counts = stats.Counts{Connects: 100, Connected: 98, ConnectFailed: 2, Lost: 5, Expected: 50}
	echo.Summarise()
	hold := Scenario{Name: "hold", Kind: "connect", Target: "wss://127.0.0.1:1/ws", Seconds: 2}
	hold.Measured.Hist(stats.Upgrade).RecordN(5*time.Millisecond, 50)
	hold.Measured.Hist(stats.TLS).RecordN(2*time.Millisecond, 50)
	hold.Measured.Counts = stats.Counts{Connects: 50, Connected: 50}
	hold.Summarise()
	return &Report{
		Schema: Schema, Verdict: Passed, Scenarios: []Scenario{echo, hold},
		Servers: []Server{
			{Source: "pid 7 a", CPUSeconds: 12, RSS: 30 << 20, RSSMax: 31 << 20, PerConn: 1000, CPUPerMSent: 2},
			{Source: "pid 8 b", CPUSeconds: 8, RSS: 10 << 20, RSSMax: 11 << 20, PerConn: 500, CPUPerMSent: 1},
			{Source: "http://127.0.0.1/metrics", CPUSeconds: 20, RSS: 40 << 20},
		},
	}
}

func parse(t testing.TB, text string) *Expr {
	t.Helper()
	e, err := ParseCheck(text)
	if err != nil {
		t.Fatalf("ParseCheck(%q): %v", text, err)
	}
	return e
}

func TestCheckEval(t *testing.T) {
	t.Parallel()
	tests := []struct {
		expr     string
		scenario string // of the first check
		checks   int
		value    float64
		failed   bool
	}{
		{"p99>50ms", "echo", 1, 99, true},
		{"p99>200ms", "echo", 1, 99, false},
		{"p50 < 1s", "echo", 1, .05, true},
		{"latency.p99.9 >= 99.9ms", "echo", 1, 99.9, true},
		{"p12.5>1ms", "echo", 1, 12.5, true},
		{"max>100000us", "echo", 1, 100000, false},
		{"min==100us", "echo", 1, 100, true},
		{"mean>50ms", "echo", 1, 50.05, true},
		{"upgrade.p99 >= 200ms", "echo", 2, 200, true},
		{"hold:upgrade.p99>4ms", "hold", 1, 5, true},
		{`"hold":upgrade.p99>4ms`, "hold", 1, 5, true},
		{" hold : upgrade.p99 > 4 ms ", "hold", 1, 5, true},
		{"tls.p99>5ms", "hold", 1, 2, false},
		{"lost>0", "echo", 1, 10, true},
		{"lost.all>0", "echo", 1, 15, true},
		{"lost.setup>5", "echo", 1, 5, false},
		{"connect_failed>1", "echo", 2, 2, true},
		{"connect_failed.measured>0", "echo", 2, 0, false},
		{"wrong+duplicate+out_of_order+lost>0", "echo", 1, 15, true},
		{"wrong + duplicate>5", "echo", 1, 5, false},
		{"failures>1%", "echo", 2, 2, true},
		{"faults>2%", "echo", 1, 1.5, false},
		{"lost+wrong>1%", "echo", 1, 1.3, true},
		{"lost+connect_failed>1%", "echo", 2, 1200. / 1100, true},
		{"sent_rate<9900/s", "echo", 1, 100, true},
		{"sent_rate<0.05k/s", "echo", 1, .1, false},
		{"sent_rate<6000/min", "echo", 1, 6000, false},
		{"sent_bytes>9MiB", "echo", 1, 10, true},
		{"sent_bytes_rate<1MiB/s", "echo", 1, 1, false},
		{"ok!=985", "echo", 1, 985, false},
		{"rss_per_conn>2KiB", "", 1, 1500. / 1024, false},
		{"rss>30MiB", "", 1, 40, true},
		{"rss_max<=42MiB", "", 1, 42, true},
		{"cpu>1.5", "", 1, 2, true},
		{"cpu_per_m_sent>2s", "", 1, 3, true},
		{"p99>0", "echo", 1, 99, true},
	}
	r := small()
	for _, tt := range tests {
		e := parse(t, tt.expr)
		checks := e.Eval(r)
		if len(checks) != tt.checks {
			t.Errorf("%s: %d checks, want %d: %+v", tt.expr, len(checks), tt.checks, checks)
			continue
		}
		c := checks[0]
		if c.Scenario != tt.scenario || c.Failed != tt.failed || !near(c.Value, tt.value) {
			t.Errorf("%s: got %+v, want scenario %q, value %v, failed %v", tt.expr, c, tt.scenario, tt.value, tt.failed)
		}
		if c.Expression != strings.TrimSpace(tt.expr) || c.Unit != e.Unit() || c.Text == "" {
			t.Errorf("%s: got %+v", tt.expr, c)
		}
	}
}

// near allows for the three digits of a histogram.
func near(got, want float64) bool {
	d := got - want
	return d*d <= 1e-6*want*want
}

func TestCheckWithoutData(t *testing.T) {
	t.Parallel()
	tests := []struct{ expr, text string }{
		{"first_message.p99>1ms", "no scenario of the run has first_message.p99"},
		{"nobody:p99>1ms", `the run has no scenario "nobody"`},
		{"hold:p99>1ms", "p99 of hold cannot be checked: nothing was recorded"},
		{"hold:lost>1%", "there was none to take a share of"},
		{"cpu_per_m_recv>1s", "the server's processes showed none"},
		{"leak>1MiB/h", "no soak watched the server's memory"},
		{"hold:back.p99>1s", "nothing was recorded"},
		{"back.p99>1s", "no scenario of the run has back.p99"},
	}
	r := small()
	for _, tt := range tests {
		checks := parse(t, tt.expr).Eval(r)
		if len(checks) != 1 || !checks[0].Failed || !checks[0].NoData || !strings.Contains(checks[0].Text, tt.text) {
			t.Errorf("%s: got %+v, want one failed check with %q", tt.expr, checks, tt.text)
		}
	}
	if checks := parse(t, "cpu>1").Eval(&Report{}); !checks[0].Failed || !strings.Contains(checks[0].Text, "--pid") {
		t.Errorf("cpu without servers: %+v", checks)
	}
	// A scenario that should have had latencies and has none is not passed over.
	r.Scenarios[0].Measured.Hists, r.Scenarios[0].Latency = nil, nil
	if checks := parse(t, "p99>1s").Eval(r); len(checks) != 1 || !checks[0].Failed {
		t.Errorf("p99 of an echo that got no answer: %+v", checks)
	}
	if checks := parse(t, "lost>0").Eval(&Report{Scenarios: []Scenario{{Name: "c", Kind: "connect"}}}); !checks[0].Failed {
		t.Errorf("lost of a run without messages: %+v", checks)
	}
}

// Only what belongs to the ramp is taken from there: the warm-up, or an earlier
// step of a search, does not stand for what was not measured.
func TestSetupDoesNotStandForTheMeasuredPeriod(t *testing.T) {
	t.Parallel()
	s := Scenario{Name: "echo", Kind: "echo", Model: "open", Target: "wss://127.0.0.1:1/ws", Seconds: 10}
	for _, m := range stats.Metrics() {
		s.Setup.Hist(m).RecordN(time.Millisecond, 100)
	}
	s.Summarise()
	ramp := []stats.Metric{stats.TCP, stats.TLS, stats.Upgrade, stats.FirstMessage, stats.Connect}
	for _, m := range stats.Metrics() {
		holds, _, err := parse(t, m.String()+".p99<50ms").Holds(&s, nil)
		_, shown := s.Latency[m]
		if want := slices.Contains(ramp, m); holds != want || shown != want || (err == nil) != want {
			t.Errorf("%s: holds %t (%v), shown %t, want %t", m, holds, err, shown, want)
		}
		if holds, _, err := parse(t, m.String()+".p99.setup<50ms").Holds(&s, nil); !holds || err != nil {
			t.Errorf("%s of the set-up: holds %t, %v", m, holds, err)
		}
	}
	if c := parse(t, "p99>50ms").Eval(&Report{Scenarios: []Scenario{s}}); len(c) != 1 || !c[0].Failed || !c[0].NoData {
		t.Errorf("got %+v, want a failed check without data", c)
	}
}

func TestCheckStormAndLeak(t *testing.T) {
	t.Parallel()
	r := &Report{Scenarios: []Scenario{{Name: "storm", Kind: "storm", Storms: []Storm{
		{Dropped: 10, Half: 1, P99: 2, All: 3}, {Dropped: 10, Half: .5, P99: 4, All: 0},
	}, Leak: []Slope{
		{What: "open connections", Unit: "1/h", PerHour: 9e9, Leak: true},
		{What: "rss", Unit: "KiB/h", PerHour: 2048, Leak: true},
		{What: "rss of pid 8", Unit: "MiB/h", PerHour: 90, Leak: false},
	}}}}
	if c := parse(t, "back.p99>3s").Eval(r)[0]; !c.Failed || c.Value != 4 {
		t.Errorf("back.p99: %+v", c)
	}
	if c := parse(t, "back.p50>3s").Eval(r)[0]; c.Failed || c.Value != 1 {
		t.Errorf("back.p50: %+v", c)
	}
	if c := parse(t, "back.max>1h").Eval(r)[0]; !c.Failed || !strings.Contains(c.Text, "cycle 2") {
		t.Errorf("back.max: %+v", c)
	}
	r.Scenarios[0].Storms[1] = Storm{}
	if c := parse(t, "back.p99>1h").Eval(r)[0]; !c.Failed || !c.NoData || !strings.Contains(c.Text, "in cycle 2 nobody was connected") {
		t.Errorf("back.p99 of a server that has gone: %+v", c)
	}
	if c := parse(t, "leak>1MiB/h").Eval(r)[0]; !c.Failed || c.Value != 2 {
		t.Errorf("leak: %+v", c)
	}
}

func TestCheckShareOfPublishes(t *testing.T) {
	t.Parallel()
	s := Scenario{Name: "fan-out", Kind: "broadcast"}
	s.Measured.Counts = stats.Counts{Published: 90, PublishFailed: 10, Arrivals: 200, Dropped: 50}
	r := &Report{Scenarios: []Scenario{s}}
	if c := parse(t, "publish_failed>=10%").Eval(r)[0]; !c.Failed || !near(c.Value, 10) {
		t.Errorf("publish_failed: %+v", c)
	}
	if c := parse(t, "dropped<25%").Eval(r)[0]; c.Failed || !near(c.Value, 25) {
		t.Errorf("dropped: %+v", c)
	}
}

func TestCheckHolds(t *testing.T) {
	t.Parallel()
	r := small()
	holds, value, err := parse(t, "p99<100ms").Holds(&r.Scenarios[0], nil)
	if !holds || value != 99.007487 && !near(value, 99) || err != nil {
		t.Errorf("p99<100ms: %v, %v, %v", holds, value, err)
	}
	holds, value, err = parse(t, "p99<0.05s").Holds(&r.Scenarios[0], nil)
	if holds || !near(value, .099) || err != nil {
		t.Errorf("p99<0.05s: %v, %v, %v", holds, value, err)
	}
	if holds, _, err = parse(t, "p99<1s").Holds(&r.Scenarios[1], nil); holds || !errors.Is(err, errNoData) {
		t.Errorf("p99 without data: %v, %v", holds, err)
	}
	if holds, value, err = parse(t, "cpu<3").Holds(&r.Scenarios[0], r.Servers); !holds || value != 2 || err != nil {
		t.Errorf("cpu<3: %v, %v, %v", holds, value, err)
	}
}

func TestParseCheckErrors(t *testing.T) {
	t.Parallel()
	tests := []struct {
		expr   string
		column int
		reason string
	}{
		{"", 1, "want a metric"},
		{"   ", 4, "want a metric"},
		{"p99", 4, "want one of < <="},
		{"p99=5ms", 4, "want == for equality"},
		{"p99>", 5, "want a number"},
		{"p99>fast", 5, `want a number, got "fast"`},
		{"p99>-5ms", 5, "want a number"},
		{"p99>5", 6, "p99 needs a unit: ms, s"},
		{"p99>5 parsecs", 7, `unknown unit "parsecs" for p99: use ms`},
		{"p99>5KiB", 6, `unknown unit "KiB"`},
		{"p99>5ms,lost>0", 6, `unknown unit "ms,lost>0"`},
		{"lst>0", 1, `unknown metric "lst"; did you mean "lost"?`},
		{"Lost>0", 1, `did you mean "lost"?`},
		{"out-of-order>0", 1, `did you mean "out_of_order"?`},
		{"lost+wrog>0", 6, `did you mean "wrong"?`},
		{"é:lost+wrog>0", 8, `did you mean "wrong"?`},
		{"upgrade>5ms", 1, "such as upgrade.p99"},
		{"upgrade.p100>5ms", 1, `unknown figure "p100" of upgrade`},
		{"p99.upgrade>5ms", 1, `did you mean "upgrade.p99"?`},
		{"p100>5ms", 1, "unknown metric"},
		{"p0>5ms", 1, "unknown metric"},
		{"qqqqqqqqqqqqqqq>5ms", 1, "see bench --help"},
		{"lost+p99>0", 6, "cannot be added"},
		{"p99+p50>0", 5, "cannot be added"},
		{"lost+lost>0", 6, "lost is in the sum already"},
		{"faults+lost>0", 8, "lost is in the sum already"},
		{"lost.all+wrong>0", 10, "different parts"},
		{"lost+sent_bytes>0", 6, "cannot be added"},
		{"sent_bytes>5%", 1, "not a share"},
		{"rss.setup>5MiB", 1, `rss has no part "setup"`},
		{"sent_rate.setup>5/s", 1, "no part"},
		{"back.p90>1s", 1, `unknown figure "p90" of back`},
		{"echo:rss>5MiB", 6, "leave \"echo:\" out"},
		{`"echo:p99>5ms`, 1, "without closing quote"},
		{`"":p99>5ms`, 1, "empty scenario name"},
		{`"a" p99>5ms`, 5, "want ':'"},
		{":p99>5ms", 1, "double quotes"},
		{"p99>1e999ms", 5, "want a number"},
		{strings.Repeat("x", 2000), 1000, "longer than"},
	}
	for _, tt := range tests {
		_, err := ParseCheck(tt.expr)
		var syntax *SyntaxError
		if !errors.As(err, &syntax) {
			t.Errorf("ParseCheck(%q): %v, want a SyntaxError", tt.expr, err)
			continue
		}
		if syntax.Column != tt.column || !strings.Contains(syntax.Reason, tt.reason) {
			t.Errorf("ParseCheck(%q): %v, want column %d and %q", tt.expr, err, tt.column, tt.reason)
		}
	}
}

func TestMetricNamesParse(t *testing.T) {
	t.Parallel()
	for _, name := range MetricNames() {
		if _, err := ParseCheck(name + ">0"); err != nil {
			t.Errorf("MetricNames lists %q: %v", name, err)
		}
	}
}

func FuzzParseCheck(f *testing.F) {
	for _, s := range []string{
		"p99>50ms", "lost>0", "upgrade.p99 >= 200ms", "sent_rate<9900/s", "rss_per_conn>2KiB", "cpu>1.5",
		"wrong+duplicate+out_of_order+lost>0", "failures>0.1%", `"a b\n":p99.99.all!=1.5e3us`, "x:back.max==1m", "leak>1MiB/h",
		"p99>5µs", ":", `"`, "p99.9.9>1ms", "lost.all+wrong.all<=3k",
	} {
		f.Add(s)
	}
	r := small()
	f.Fuzz(func(t *testing.T, text string) {
		e, err := ParseCheck(text)
		if err != nil {
			var syntax *SyntaxError
			if !errors.As(err, &syntax) || syntax.Column < 1 || syntax.Column > len(text)+1 {
				t.Fatalf("ParseCheck(%q): %#v", text, err)
			}
			return
		}
		again, err := ParseCheck(e.String())
		if err != nil || again.String() != e.String() {
			t.Fatalf("ParseCheck(%q).String() is %q, which reads as %v, %v", text, e, again, err)
		}
		a, b := e.Eval(r), again.Eval(r)
		if len(a) == 0 || len(a) != len(b) {
			t.Fatalf("%q: %d checks, as %q %d", text, len(a), e, len(b))
		}
		for i := range a {
			if a[i].Failed != b[i].Failed || a[i].Value != b[i].Value {
				t.Fatalf("%q: %+v, as %q %+v", text, a[i], e, b[i])
			}
		}
	})
}
