package live

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"carillon/bench/internal/await"
	"carillon/bench/internal/browsertest"
	"carillon/bench/report"
)

func startUI(t *testing.T, opt UIOptions) *UI {
	t.Helper()
	u, err := NewUI("", opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := u.Close(); err != nil {
			t.Error(err)
		}
	})
	return u
}

// reportPage is the report of a run.
const reportPage = "<!doctype html><link rel=icon href=data:,><title>the report</title><p>all figures</p>"

// shows waits until an element has a text in it.
func shows(t *testing.T, p *browsertest.Tab, id, text string) {
	t.Helper()
	p.Until(id+" shows "+text, fmt.Sprintf("document.getElementById(%q).innerText.includes(%q)", id, text))
}

// fits fails when the page is wider than its window.
func fits(t *testing.T, p *browsertest.Tab) {
	t.Helper()
	p.Drawn()
	if over := browsertest.Eval[int](p, "document.documentElement.scrollWidth - innerWidth"); over > 0 {
		t.Errorf("the page is %d px wider than its window", over)
	}
}

// points is how many moments the page has.
const points = "liveTimeline.length()"

func TestPage(t *testing.T) {
	browser := browsertest.Start(t)
	for _, look := range []browsertest.Look{
		{Scheme: "light", Width: 1400}, {Scheme: "dark", Width: 1400}, {Scheme: "light", Width: 390}, {Scheme: "dark", Width: 390},
	} {
		t.Run(fmt.Sprintf("%s-%d", look.Scheme, look.Width), func(t *testing.T) {
			u := startUI(t, UIOptions{OnInterrupt: func() {}})
			for n := 1; n <= 60; n++ {
				u.Show(troubledRun(n))
			}
			// It joins late and has the history.
			p := browser.Open(t, u.URL(), look)
			p.Until("the history is there", points+" === 60")
			for n := 61; n <= 160; n++ {
				u.Show(troubledRun(n))
			}
			p.Until("a hundred more came", points+" === 160")
			shows(t, p, "elapsed", "2:40")
			shows(t, p, "name", "mix of all")
			shows(t, p, "step", "step 4: 20,000/s")
			shows(t, p, "warnings", "20 of 10,000 connections were not made")
			shows(t, p, "warnings", "event loops lag")
			shows(t, p, "content", "connection refused")
			p.Until("charts are drawn", `document.querySelectorAll("figure:not([hidden]) canvas").length >= 8`)
			fits(t, p)
			p.Keep(fmt.Sprintf("live-%s-%d", look.Scheme, look.Width))

			last := troubledRun(161)
			last.Phase, last.In, last.Of, last.Verdict = "done", 0, 0, report.Failed
			u.Show(last)
			u.Finish([]byte(reportPage), report.Failed)
			shows(t, p, "state", "failed")
			shows(t, p, "ended", "Open the report")
			fits(t, p)
			p.Keep(fmt.Sprintf("ended-%s-%d", look.Scheme, look.Width))
			if stop := browsertest.Eval[bool](p, `document.getElementById("stop").hidden`); !stop {
				t.Error("a run that has ended can be stopped")
			}
		})
	}
}

// A page that joins when all is over has everything as well.
func TestPageAfterTheEnd(t *testing.T) {
	u := startUI(t, UIOptions{})
	for n := 1; n <= 30; n++ {
		u.Show(heartbeatRun(n))
	}
	u.Finish([]byte(reportPage), report.Passed)
	p := browsertest.Start(t).Open(t, u.URL(), browsertest.Look{Scheme: "light", Width: 1000})
	shows(t, p, "state", "passed")
	p.Until("the history is there", points+" === 30")
	p.Click("open")
	p.Until("the report is open", `document.title === "the report"`)
}

func TestPageOutlivesItsServer(t *testing.T) {
	u := startUI(t, UIOptions{})
	u.Show(heartbeatRun(1))
	p := browsertest.Start(t).Open(t, u.URL(), browsertest.Look{Scheme: "dark", Width: 1000})
	p.Until("it is there", points+" === 1")
	// The last things before the process ends reach the page.
	u.Show(heartbeatRun(2))
	u.Finish([]byte(reportPage), report.Passed)
	if err := u.Close(); err != nil {
		t.Fatal(err)
	}
	shows(t, p, "state", "passed")
	p.Until("the history is there", points+" === 2")
	p.MayLose()
	p.Click("open")
	shows(t, p, "gone", "save it")
	dir := t.TempDir()
	p.Downloads(dir)
	p.Click("save")
	await.Until(t, "the report is saved", func() bool {
		saved, err := os.ReadFile(filepath.Join(dir, "report.html"))
		return err == nil && string(saved) == reportPage
	})
	if !browsertest.Eval[bool](p, `document.getElementById("connection").hidden`) {
		t.Error("the page of a run that has ended misses its server")
	}
}

func TestPageButtons(t *testing.T) {
	var stops, kills counter
	u := startUI(t, UIOptions{OnInterrupt: stops.call, OnKill: kills.call})
	u.Show(heartbeatRun(40))
	browser := browsertest.Start(t)
	p := browser.Open(t, u.URL(), browsertest.Look{Scheme: "light", Width: 1000})
	other := browser.Open(t, u.URL(), browsertest.Look{Scheme: "light", Width: 1000})
	shows(t, p, "state", "measure")
	p.Click("stop")
	await.Until(t, "the run is stopped", func() bool { return stops.Load() == 1 })
	for _, tab := range []*browsertest.Tab{p, other} {
		shows(t, tab, "state", "ending")
		if !browsertest.Eval[bool](tab, `document.getElementById("stop").hidden`) {
			t.Error("there is still a button to stop")
		}
	}
	if n := kills.Load(); n != 0 {
		t.Fatalf("killed %d times by the first press", n)
	}
	other.Click("kill")
	await.Until(t, "the run is killed", func() bool { return kills.Load() == 1 })
	if n := stops.Load(); n != 1 {
		t.Errorf("stopped %d times", n)
	}
}

// The page comes back when its stream is cut, without a gap and without
// drawing anything twice.
func TestPageReconnects(t *testing.T) {
	u := startUI(t, UIOptions{})
	target, err := url.Parse(u.URL())
	if err != nil {
		t.Fatal(err)
	}
	relay := newRelay(t, target.Host)
	for n := 1; n <= 20; n++ {
		u.Show(heartbeatRun(n))
	}
	p := browsertest.Start(t).Open(t, "http://"+relay.addr()+"/", browsertest.Look{Scheme: "light", Width: 1000})
	p.Until("the history is there", points+" === 20")
	p.MayLose()
	relay.cut(true)
	shows(t, p, "connection", "trying again")
	for n := 21; n <= 50; n++ {
		u.Show(heartbeatRun(n))
	}
	relay.cut(false)
	p.Until("the rest is there", points+" === 50")
	p.Until("the complaint is gone", `document.getElementById("connection").hidden`)
	if got := browsertest.Eval[bool](p, `liveTimeline.times().every((t, i) => t === i + 1)`); !got {
		t.Errorf("times %v", browsertest.Eval[[]float64](p, "liveTimeline.times()"))
	}
}

// A page of another site can neither stop the run nor read it.
func TestPageOfAnotherSite(t *testing.T) {
	var stops counter
	u := startUI(t, UIOptions{OnInterrupt: stops.call})
	u.Show(heartbeatRun(40))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	evil := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, `<!doctype html><link rel="icon" href="data:,"><title>evil</title>`)
	})}
	go evil.Serve(listener)
	t.Cleanup(func() { _ = evil.Close() })
	p := browsertest.Start(t).Open(t, "http://"+listener.Addr().String()+"/", browsertest.Look{Scheme: "light", Width: 1000})
	p.MayReach("http://127.0.0.1:") // both
	// The browser writes to the console what it keeps the page from.
	result := browsertest.Eval[string](p, fmt.Sprintf(`(async () => {
		const seen = [];
		for (const [what, path, options] of [
			["stop", "stop", { method: "POST", mode: "no-cors" }],
			["stop with header", "stop", { method: "POST", headers: { %q: %q } }],
			["read", "", {}],
			["events", "events", {}],
		]) {
			const answer = await fetch(%q + path, options).then((r) => r.status, () => "kept out");
			seen.push(what + ": " + answer);
		}
		return seen.join(", ");
	})()`, tokenHeader, u.token, u.URL()))
	if want := "stop: 0, stop with header: kept out, read: kept out, events: kept out"; result != want && result != strings.Replace(want, "stop: 0", "stop: kept out", 1) {
		t.Errorf("got %q, want %q", result, want)
	}
	if n := stops.Load(); n != 0 {
		t.Errorf("stopped %d times", n)
	}
	p.Forgive()
}

// The page is as bounded as its server, and keeps what stands out.
func TestPageTimelineIsBounded(t *testing.T) {
	u := startUI(t, UIOptions{})
	p := browsertest.Start(t).Open(t, u.URL(), browsertest.Look{Scheme: "light", Width: 1000})
	shows(t, p, "state", "waiting")
	got := browsertest.Eval[[]float64](p, `(() => {
		let longest = 0;
		for (let t = 1; t <= 30000; t++) {
			const point = { open: 5, connects: 0, failures: 0, arrivals: 1, sent: 1, received: 1, published: 0, p50_ms: 1, p99_ms: 2, max_ms: t === 4711 ? 250 : 3 };
			liveTimeline.add([{ t, phase: "measure", scenarios: [point], client: { cpu: 1, late: 0, lag: 0 }, servers: null }], false);
			longest = Math.max(longest, liveTimeline.length());
		}
		const times = liveTimeline.times();
		return [longest, Math.max(...liveTimeline.column((m) => m.scenarios[0].max_ms)), times.at(-1), times.every((t, i) => !i || t > times[i - 1]) ? 1 : 0];
	})()`)
	if got[0] > 3600 || got[1] != 250 || got[2] != 30000 || got[3] != 1 {
		t.Errorf("longest, highest, last, in order: %v", got)
	}
}
