package report

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"carillon/bench/internal/await"
	"carillon/bench/internal/browsertest"
	"carillon/bench/stats"
)

func htmlFile(t *testing.T, r *Report) string {
	t.Helper()
	var b bytes.Buffer
	if err := HTML(&b, r); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "report.html")
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// chartsDrawn looks at the pixels of each chart: for every series in the legend
// its colour has to be on the canvas. It returns the titles, and what is missing.
const chartsDrawn = `[...document.querySelectorAll("figure.card")].map((figure) => {
	const title = figure.closest("section").id + " " + figure.querySelector("h3").textContent;
	const canvas = figure.querySelector("canvas");
	const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
	copy.drawImage(canvas, 0, 0);
	const { data } = copy.getImageData(0, 0, canvas.width, canvas.height);
	const missing = [...figure.querySelectorAll(".chart-legend button")].filter((button) => {
		const [r, g, b] = getComputedStyle(button.querySelector(".swatch")).backgroundColor.match(/\d+/g).map(Number);
		for (let i = 0; i < data.length; i += 4) {
			if (Math.abs(data[i] - r) + Math.abs(data[i + 1] - g) + Math.abs(data[i + 2] - b) < 30 && data[i + 3] > 150) return false;
		}
		return true;
	}).map((button) => button.textContent);
	return { title, missing, label: figure.querySelector("[role=img]").getAttribute("aria-label") };
})`

type drawn struct {
	Title   string   `json:"title"`
	Missing []string `json:"missing"`
	Label   string   `json:"label"`
}

// contrast is the lowest contrast of text of any kind with what it stands on.
const contrast = `(() => {
	const channels = (text) => text.match(/[\d.]+/g).map(Number);
	const luminance = (color) => {
		const [r, g, b] = channels(color).map((v) => v / 255).map((v) => (v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4));
		return .2126 * r + .7152 * g + .0722 * b;
	};
	const ground = (e) => {
		for (; e; e = e.parentElement) {
			const color = getComputedStyle(e).backgroundColor;
			if ((channels(color)[3] ?? 1) === 1) return color;
		}
		return "rgb(255, 255, 255)";
	};
	let worst = { ratio: 99 };
	for (const e of document.querySelectorAll("h1, h2, p, a, dt, dd, th, td, caption, strong, span, button, summary, code")) {
		if (!e.textContent.trim() || !e.getClientRects().length) continue;
		const [a, b] = [luminance(getComputedStyle(e).color), luminance(ground(e))].sort((x, y) => y - x);
		const ratio = (a + .05) / (b + .05);
		if (ratio < worst.ratio) worst = { ratio, text: e.textContent.slice(0, 40) };
	}
	return worst;
})()`

const overflow = `(() => {
	const wide = [...document.querySelectorAll("body *")].filter((e) => !e.closest(".scroll, .skip, .uplot") && e.getBoundingClientRect().right > innerWidth + 1);
	return { by: document.documentElement.scrollWidth - innerWidth, elements: wide.map((e) => e.tagName + "." + e.className + " " + e.textContent.slice(0, 40)) };
})()`

// openReport loads a report from a file, and waits until its charts are drawn.
func openReport(t *testing.T, browser *browsertest.Browser, path string, look browsertest.Look) *browsertest.Tab {
	t.Helper()
	p := browser.Open(t, "file://"+path, look)
	p.Until("the page's script ran", `!document.getElementById("theme").hidden`)
	p.Drawn()
	return p
}

// TestPage opens reports in a browser, from a file.
func TestPage(t *testing.T) {
	browser := browsertest.Start(t)
	full, evil := htmlFile(t, sample(1, 1)), htmlFile(t, hostile())
	empty := htmlFile(t, &Report{Name: "nothing", Verdict: Errored, Reasons: []string{"refused"}})

	for _, tt := range []struct {
		name, path, scheme string
		width              int64
	}{
		{"full", full, "light", 1400}, {"full", full, "dark", 390},
		{"hostile", evil, "light", 390}, {"hostile", evil, "dark", 1400},
		{"empty", empty, "light", 390},
	} {
		name := fmt.Sprintf("%s-%s-%d", tt.name, tt.scheme, tt.width)
		t.Run(name, func(t *testing.T) {
			p := openReport(t, browser, tt.path, browsertest.Look{Scheme: tt.scheme, Width: tt.width})
			o := browsertest.Eval[struct {
				By       float64  `json:"by"`
				Elements []string `json:"elements"`
			}](p, overflow)
			if o.By > 0 || len(o.Elements) > 0 {
				t.Errorf("wider than the window by %v: %q", o.By, o.Elements)
			}
			c := browsertest.Eval[struct {
				Ratio float64 `json:"ratio"`
				Text  string  `json:"text"`
			}](p, contrast)
			if c.Ratio < 4.5 || c.Ratio > 21 {
				t.Errorf("contrast of %q is %.2f, want 4.5", c.Text, c.Ratio)
			}
			checkCharts(t, p, tt.name)
			if n := browsertest.Eval[int](p, `document.images.length + document.querySelectorAll("script").length`); n != 4 {
				t.Errorf("%d images and scripts, want the 4 scripts of the page", n)
			}
			if title := browsertest.Eval[string](p, "document.title"); title == "owned" {
				t.Error("text of the report ran as a script")
			}
			p.Keep(name)
		})
	}

	t.Run("toggle", func(t *testing.T) {
		p := openReport(t, browser, full, browsertest.Look{Scheme: "light", Width: 1000})
		const background = "getComputedStyle(document.body).backgroundColor"
		light := browsertest.Eval[string](p, background)
		browsertest.Eval[bool](p, `document.getElementById("theme").click() || true`)
		dark := browsertest.Eval[string](p, background)
		if light == dark {
			t.Errorf("the toggle leaves the background %s", light)
		}
		checkCharts(t, p, "full") // in the other colours
		// Paper is white, whatever the screen is.
		browsertest.Eval[bool](p, `dispatchEvent(new Event("beforeprint"))`)
		if got := browsertest.Eval[string](p, background); got != light {
			t.Errorf("printed on %s, want %s", got, light)
		}
		browsertest.Eval[bool](p, `dispatchEvent(new Event("afterprint"))`)
		if got := browsertest.Eval[string](p, background); got != dark {
			t.Errorf("after printing %s, want %s", got, dark)
		}
	})

	t.Run("print", func(t *testing.T) {
		p := openReport(t, browser, full, browsertest.Look{Scheme: "dark", Width: 794}) // A4
		p.Media("print", "dark")
		if wide := browsertest.Eval[[]string](p, `[...document.querySelectorAll("body *")].filter((e) => !e.closest(".skip, .uplot") &&
			e.getBoundingClientRect().right > innerWidth + 1).map((e) => e.tagName + " " + e.textContent.slice(0, 40))`); len(wide) > 0 {
			t.Errorf("wider than the paper: %q", wide)
		}
		p.Keep("print")
	})

	t.Run("legend", func(t *testing.T) {
		p := openReport(t, browser, full, browsertest.Look{Scheme: "light", Width: 1000})
		missing := func() []string {
			return slices.Concat(pluck(browsertest.Eval[[]drawn](p, chartsDrawn))...)
		}
		browsertest.Eval[bool](p, `document.querySelector(".chart-legend button").click() || true`)
		await.Until(t, "the first series is hidden", func() bool { return slices.Equal(missing(), []string{"latency"}) })
		browsertest.Eval[bool](p, `document.querySelector(".chart-legend button").click() || true`)
		await.Until(t, "the first series is back", func() bool { return len(missing()) == 0 })
	})
}

func pluck(all []drawn) [][]string {
	var missing [][]string
	for _, d := range all {
		missing = append(missing, d.Missing)
	}
	return missing
}

func checkCharts(t *testing.T, p *browsertest.Tab, report string) {
	t.Helper()
	all := browsertest.Eval[[]drawn](p, chartsDrawn)
	var titles []string
	for _, d := range all {
		titles = append(titles, d.Title)
		if len(d.Missing) > 0 {
			t.Errorf("%s: %q not drawn", d.Title, d.Missing)
		}
		if d.Label == "" {
			t.Errorf("%s: no label", d.Title)
		}
	}
	want := map[string]int{"full": 32, "hostile": 32, "empty": 0}[report]
	if len(all) != want {
		t.Errorf("%d charts, want %d: %q", len(all), want, titles)
	}
}

func TestHTMLTables(t *testing.T) {
	t.Parallel()
	r := sample(1, 1)
	var b bytes.Buffer
	if err := HTML(&b, r); err != nil {
		t.Fatal(err)
	}
	page := b.String()
	for _, s := range r.sections() {
		for _, table := range s.Tables {
			for _, row := range table.Rows {
				for _, cell := range row.Cells {
					if want := escaped(cell); !strings.Contains(page, ">"+want+"<") {
						t.Errorf("%s, %s: no cell %q", s.Title, table.Title, want)
					}
				}
			}
		}
	}
	if err := HTML(brokenWriter{}, r); !errors.Is(err, errBroken) {
		t.Errorf("broken pipe: got %v", err)
	}
}

func TestHTMLHostile(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := HTML(&b, hostile()); err != nil {
		t.Fatal(err)
	}
	if i := bytes.IndexAny(b.Bytes(), "\x00\x07\x1b\u202e"); i >= 0 {
		t.Errorf("control characters are written: %q", b.Bytes()[max(i-100, 0):i+20])
	}
}

func escaped(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&#34;", "'", "&#39;", "+", "&#43;").Replace(s)
}

func TestThin(t *testing.T) {
	t.Parallel()
	var points []Point
	for i := range 100_000 {
		p := Point{T: float64(i + 1), Phase: "measure", Sent: float64(i % 2 * 100), P99: 1, Max: 2}
		if i < 7 {
			p.Phase = "warmup"
		}
		points = append(points, p)
	}
	points[50_000].P99, points[50_000].Failures = 77, 3
	all := thin(points, 1000)
	if len(all) < 900 || len(all) > 1002 {
		t.Fatalf("%d points", len(all))
	}
	if all[0].Phase != "warmup" || all[0].T != 7 || all[1].Phase != "measure" || all[len(all)-1].T != 100_000 {
		t.Errorf("begins %+v, %+v, ends %+v", all[0], all[1], all[len(all)-1])
	}
	var worst Point
	for _, p := range all[1:] {
		worst.P99, worst.Failures = max(worst.P99, p.P99), max(worst.Failures, p.Failures)
		if math.Abs(p.Sent-50) > 1 {
			t.Fatalf("mean rate %v", p.Sent)
		}
	}
	if worst.P99 != 77 || worst.Failures != 3 {
		t.Errorf("the worst second is lost: %+v", worst)
	}
	if got := thin(points[:1000], 1000); len(got) != 1000 {
		t.Errorf("%d of 1,000 points", len(got))
	}
}

func TestCurves(t *testing.T) {
	t.Parallel()
	var s Scenario
	for i := range 1000 {
		s.Measured.Hist(stats.Latency).Record(time.Duration(i+1) * time.Millisecond)
	}
	s.Measured.Hist(stats.Publish).RecordN(time.Second, 10)
	c := curvesOf(&s, stats.Latency, stats.Publish)
	if len(c.Series) != 2 || len(c.Series[0].Values) != len(c.Percents) {
		t.Fatalf("got %d series, %d values, %d percents", len(c.Series), len(c.Series[0].Values), len(c.Percents))
	}
	if first, last := c.Percents[0], c.Percents[len(c.Percents)-1]; math.Abs(first-50) > 1e-9 || last > 99.91 || last < 99.8 {
		t.Errorf("percentiles from %v to %v, want 50 to that of one in 1,000", first, last)
	}
	for i, v := range c.Series[0].Values {
		if v == nil || math.Abs(*v-c.Percents[i]*10) > 2.5 {
			t.Errorf("p%v is %v", c.Percents[i], v)
		}
	}
	if last := c.Series[1].Values[len(c.Percents)-1]; last != nil {
		t.Errorf("ten values have a p99.9: %v", *last)
	}
}
