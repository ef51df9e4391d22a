package live

import (
	"bytes"
	"embed"
	"html/template"
	"net/http"
	"sync"

	"carillon/bench/internal/inline"
	"carillon/bench/report"
)

//go:embed page
var pageFiles embed.FS

var pageTemplate = sync.OnceValue(func() *template.Template {
	return template.Must(template.ParseFS(pageFiles, "page/live.html"))
})

// pageElements are the styles and scripts of the page, in the order in which they
// are loaded, with the policy that allows these and its own server, and nothing
// else. They are made when they are needed first: a gateway never needs them.
var pageElements = sync.OnceValue(func() (e struct {
	styles, scripts template.HTML
	policy          string
}) {
	var styleSums, scriptSums string
	e.styles, styleSums = inline.Elements("style",
		inline.File(report.Assets, "page/uPlot.min.css"), inline.File(report.Assets, "page/theme.css"), inline.File(pageFiles, "page/live.css"))
	e.scripts, scriptSums = inline.Elements("script",
		inline.File(report.Assets, "page/uPlot.iife.min.js"), inline.File(report.Assets, "page/charts.js"), inline.File(pageFiles, "page/timeline.js"),
		inline.File(pageFiles, "page/parts.js"), inline.File(pageFiles, "page/live.js"))
	e.policy = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; connect-src 'self'; img-src data:; style-src " +
		styleSums + "; script-src " + scriptSums
	return e
})

// handler routes the requests of the page.
func (u *UI) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", u.page)
	mux.HandleFunc("GET /events", u.events)
	mux.HandleFunc("GET /report", u.report)
	mux.HandleFunc("POST /stop", u.button("stop", u.opt.OnInterrupt))
	mux.HandleFunc("POST /kill", u.button("kill", u.opt.OnKill))
	return u.guarded(mux)
}

func (u *UI) page(w http.ResponseWriter, _ *http.Request) {
	var out bytes.Buffer
	elements := pageElements()
	err := pageTemplate().Execute(&out, struct {
		Token, Header   string
		Stop, Kill      bool
		Styles, Scripts template.HTML
	}{u.token, tokenHeader, u.opt.OnInterrupt != nil, u.opt.OnKill != nil, elements.styles, elements.scripts})
	if err != nil {
		http.Error(w, "the page cannot be made", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Security-Policy", elements.policy)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(out.Bytes()) // the browser may have gone
}

// report serves the report of a run that has ended.
func (u *UI) report(w http.ResponseWriter, _ *http.Request) {
	u.mu.Lock()
	f := u.finished
	u.mu.Unlock()
	if f == nil {
		http.Error(w, "the run has not ended", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write([]byte(f.HTML)) // the browser may have gone
}

// button serves what a button of the page asks for.
func (u *UI) button(name string, do func()) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !u.fromPage(r):
			http.Error(w, "not from the page", http.StatusForbidden)
		case do == nil:
			http.NotFound(w, r)
		default:
			u.press(name, do)
			w.WriteHeader(http.StatusNoContent)
		}
	}
}
