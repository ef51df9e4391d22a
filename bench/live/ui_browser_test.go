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

// points is how many moments the page has.
const points = "liveTimeline.length()"

func TestPage(t *testing.T) {
	browser := startBrowser(t)
	for _, look := range []struct {
		scheme string
		width  int64
	}{{"light", 1400}, {"dark", 1400}, {"light", 390}, {"dark", 390}} {
		t.Run(fmt.Sprintf("%s-%d", look.scheme, look.width), func(t *testing.T) {
			u := startUI(t, UIOptions{OnInterrupt: func() {}})
			for n := 1; n <= 60; n++ {
				u.Show(troubledRun(n))
			}
			// It joins late and has the history.
			p := openTab(t, browser, u.URL(), look.scheme, look.width)
			p.until("the history is there", points+" === 60")
			for n := 61; n <= 160; n++ {
				u.Show(troubledRun(n))
			}
			p.until("a hundred more came", points+" === 160")
			p.shows("elapsed", "2:40")
			p.shows("name", "mix of all")
			p.shows("step", "step 4: 20,000/s")
			p.shows("warnings", "20 of 10,000 connections were not made")
			p.shows("warnings", "event loops lag")
			p.shows("content", "connection refused")
			p.until("charts are drawn", `document.querySelectorAll("figure:not([hidden]) canvas").length >= 8`)
			p.fits()
			p.keep(fmt.Sprintf("live-%s-%d", look.scheme, look.width))

			last := troubledRun(161)
			last.Phase, last.In, last.Of, last.Verdict = "done", 0, 0, report.Failed
			u.Show(last)
			u.Finish([]byte(reportPage), report.Failed)
			p.shows("state", "failed")
			p.shows("ended", "Open the report")
			p.fits()
			p.keep(fmt.Sprintf("ended-%s-%d", look.scheme, look.width))
			if stop := eval[bool](p, `document.getElementById("stop").hidden`); !stop {
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
	p := openTab(t, startBrowser(t), u.URL(), "light", 1000)
	p.shows("state", "passed")
	p.until("the history is there", points+" === 30")
	p.click("open")
	p.until("the report is open", `document.title === "the report"`)
}

func TestPageOutlivesItsServer(t *testing.T) {
	u := startUI(t, UIOptions{})
	u.Show(heartbeatRun(1))
	p := openTab(t, startBrowser(t), u.URL(), "dark", 1000)
	p.until("it is there", points+" === 1")
	// The last things before the process ends reach the page.
	u.Show(heartbeatRun(2))
	u.Finish([]byte(reportPage), report.Passed)
	if err := u.Close(); err != nil {
		t.Fatal(err)
	}
	p.shows("state", "passed")
	p.until("the history is there", points+" === 2")
	p.mayLose()
	p.click("open")
	p.shows("gone", "save it")
	dir := t.TempDir()
	p.downloads(dir)
	p.click("save")
	eventually(t, "the report is saved", func() bool {
		saved, err := os.ReadFile(filepath.Join(dir, "report.html"))
		return err == nil && string(saved) == reportPage
	})
	if !eval[bool](p, `document.getElementById("connection").hidden`) {
		t.Error("the page of a run that has ended misses its server")
	}
}

func TestPageButtons(t *testing.T) {
	var stops, kills counter
	u := startUI(t, UIOptions{OnInterrupt: stops.call, OnKill: kills.call})
	u.Show(heartbeatRun(40))
	browser := startBrowser(t)
	p := openTab(t, browser, u.URL(), "light", 1000)
	other := openTab(t, browser, u.URL(), "light", 1000)
	p.shows("state", "measure")
	p.click("stop")
	eventually(t, "the run is stopped", func() bool { return stops.Load() == 1 })
	for _, tab := range []*tab{p, other} {
		tab.shows("state", "ending")
		if !eval[bool](tab, `document.getElementById("stop").hidden`) {
			t.Error("there is still a button to stop")
		}
	}
	if n := kills.Load(); n != 0 {
		t.Fatalf("killed %d times by the first press", n)
	}
	other.click("kill")
	eventually(t, "the run is killed", func() bool { return kills.Load() == 1 })
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
	p := openTab(t, startBrowser(t), "http://"+relay.addr()+"/", "light", 1000)
	p.until("the history is there", points+" === 20")
	p.mayLose()
	relay.cut(true)
	p.shows("connection", "trying again")
	for n := 21; n <= 50; n++ {
		u.Show(heartbeatRun(n))
	}
	relay.cut(false)
	p.until("the rest is there", points+" === 50")
	p.until("the complaint is gone", `document.getElementById("connection").hidden`)
	if got := eval[bool](p, `liveTimeline.times().every((t, i) => t === i + 1)`); !got {
		t.Errorf("times %v", eval[[]float64](p, "liveTimeline.times()"))
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
	p := openTab(t, startBrowser(t), "http://"+listener.Addr().String()+"/", "light", 1000)
	p.own = "http://127.0.0.1:" // both
	// The browser writes to the console what it keeps the page from.
	result := eval[string](p, fmt.Sprintf(`(async () => {
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
	p.mu.Lock()
	p.complain = nil
	p.mu.Unlock()
}

// The page is as bounded as its server, and keeps what stands out.
func TestPageTimelineIsBounded(t *testing.T) {
	u := startUI(t, UIOptions{})
	p := openTab(t, startBrowser(t), u.URL(), "light", 1000)
	p.shows("state", "waiting")
	got := eval[[]float64](p, `(() => {
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
