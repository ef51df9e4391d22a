package report

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"strings"
	"sync"

	"carillon/bench/internal/inline"
)

//go:embed page/report.html page/report.css page/report.js
var pageFiles embed.FS

// pageTemplate escapes by context whatever a server, a plan or a host put into
// a report.
var pageTemplate = sync.OnceValue(func() *template.Template {
	return template.Must(template.ParseFS(pageFiles, "page/report.html"))
})

// pageElements are the styles and scripts of the page, in the order in which they
// are loaded, with the policy that allows these and nothing else. They are made
// when they are needed first: a gateway never needs them.
var pageElements = sync.OnceValue(func() (e struct {
	styles, scripts template.HTML
	policy          string
}) {
	var styleSums, scriptSums string
	e.styles, styleSums = inline.Elements("style",
		inline.File(Assets, "page/uPlot.min.css"), inline.File(Assets, "page/theme.css"), inline.File(pageFiles, "page/report.css"))
	e.scripts, scriptSums = inline.Elements("script",
		inline.File(Assets, "page/uPlot.iife.min.js"), inline.File(Assets, "page/charts.js"), inline.File(pageFiles, "page/report.js"))
	e.policy = "default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:; style-src " + styleSums + "; script-src " + scriptSums
	return e
})

// pageData is what the template shows.
type pageData struct {
	Policy          string
	Styles, Scripts template.HTML
	Name            string
	Verdict         string
	Mood            mood
	Reasons         []string
	Warnings        []string
	When            string
	Command         string
	Sections        []pageSection
	Plan            string
	Data            *charts
}

// pageSection is a section with what only the page shows.
type pageSection struct {
	section
	Headline []fact
	Details  []table // folded
}

// HTML writes the report as one self-contained page with charts. It needs no
// network and allows itself none; text of the server cannot become markup.
func HTML(w io.Writer, r *Report) error {
	elements := pageElements()
	p := pageData{
		Policy: elements.policy, Styles: elements.styles, Scripts: elements.scripts,
		Name: plain(r.Name), Verdict: r.Verdict.title(), Mood: r.Verdict.mood(), When: plain(r.when()),
		Command: plain(strings.Join(r.Command, " ")), Data: chartsOf(r),
	}
	for _, s := range r.Reasons {
		p.Reasons = append(p.Reasons, plain(s))
	}
	for _, s := range r.Warnings {
		p.Warnings = append(p.Warnings, plain(s))
	}
	for i, s := range r.sections() {
		v := pageSection{section: plainSection(s)}
		if i < len(r.Scenarios) { // these come first
			v.Headline = headline(&r.Scenarios[i])
			if t := seriesTable(&r.Scenarios[i]); len(t.Rows) > 0 {
				v.Details = append(v.Details, t)
			}
		}
		p.Sections = append(p.Sections, v)
	}
	var plan bytes.Buffer
	if len(r.Plan) > 0 && json.Indent(&plan, r.Plan, "", "  ") == nil && plan.String() != "null" {
		for line := range strings.Lines(plan.String()) {
			p.Plan += plain(strings.TrimSuffix(line, "\n")) + "\n"
		}
	}
	var out bytes.Buffer
	if err := pageTemplate().Execute(&out, p); err != nil {
		return fmt.Errorf("report page: %w", err)
	}
	_, err := w.Write(out.Bytes())
	return err
}

// plainSection makes control characters of a section visible.
func plainSection(s section) section {
	s.Title = plain(s.Title)
	for i := range s.Facts {
		s.Facts[i].Value = plain(s.Facts[i].Value)
	}
	for i := range s.Notes {
		s.Notes[i].Text = plain(s.Notes[i].Text)
	}
	for i := range s.Tables {
		s.Tables[i].Note = plain(s.Tables[i].Note)
		for _, r := range s.Tables[i].Rows {
			for j := range r.Cells {
				r.Cells[j] = plain(r.Cells[j])
			}
		}
	}
	return s
}
