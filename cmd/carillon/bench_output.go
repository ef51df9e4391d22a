package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"carillon/bench/live"
	"carillon/bench/report"
)

// output is where a run is shown and its reports go.
type output struct {
	json, html, junit string
	progress, color   string
	ui                string
	quiet             bool

	page *live.UI
}

// check finds what would fail only after the run: folders that are not there.
func (o *output) check() error {
	for _, f := range []struct{ flag, path string }{{"json", o.json}, {"html", o.html}, {"junit", o.junit}} {
		if f.path == "" || f.path == "-" && f.flag == "json" {
			continue
		}
		if st, err := os.Stat(filepath.Dir(f.path)); err != nil || !st.IsDir() {
			return fmt.Errorf("--%s %s: there is no such folder", f.flag, f.path)
		}
		if st, err := os.Stat(f.path); err == nil && st.IsDir() {
			return fmt.Errorf("--%s %s: it is a folder", f.flag, f.path)
		}
	}
	return nil
}

// display starts what shows the run.
func (o *output) display(cmd *cobra.Command, interrupt, kill func()) (live.Display, error) {
	mode, err := live.ParseMode(o.progress)
	if err != nil {
		return nil, fmt.Errorf("--progress: %w", err)
	}
	color, err := live.ParseColor(o.color)
	if err != nil {
		return nil, fmt.Errorf("--color: %w", err)
	}
	if o.ui != "" {
		if o.page, err = live.NewUI(o.ui, live.UIOptions{OnInterrupt: interrupt, OnKill: kill}); err != nil {
			return nil, fmt.Errorf("--ui: %w", err)
		}
		fmt.Fprintln(cmd.ErrOrStderr(), "live page: "+o.page.URL())
	}
	d, err := live.New(live.Options{
		Out: cmd.ErrOrStderr(), In: os.Stdin, Mode: mode, Color: color, OnInterrupt: interrupt, OnKill: kill,
	})
	if err != nil {
		return nil, err
	}
	if o.page != nil {
		return live.Multi(d, o.page), nil
	}
	return d, nil
}

// write writes the reports: the files first, because standard output may be a
// terminal that has gone.
func (o *output) write(cmd *cobra.Command, r *report.Report) error {
	files := []struct {
		path string
		make func(io.Writer, *report.Report) error
	}{{o.json, report.Write}, {o.html, report.HTML}, {o.junit, report.JUnit}}
	for _, f := range files {
		if f.path == "" || f.path == "-" {
			continue
		}
		var b bytes.Buffer
		if err := f.make(&b, r); err != nil {
			return err
		}
		if err := os.WriteFile(f.path, b.Bytes(), 0o644); err != nil {
			return err
		}
	}
	out := cmd.OutOrStdout()
	if o.json == "-" {
		if err := report.Write(out, r); err != nil {
			return err
		}
	} else if !o.quiet {
		if err := report.Text(out, r, textOptions(out, o.color)); err != nil {
			return err
		}
	}
	return o.finish(r)
}

// finish gives the live page the report.
func (o *output) finish(r *report.Report) error {
	if o.page == nil {
		return nil
	}
	var b bytes.Buffer
	if err := report.HTML(&b, r); err != nil {
		return err
	}
	o.page.Finish(b.Bytes(), r.Verdict)
	return o.page.Close()
}

// textOptions fits a text report to where it goes. color is the value of --color.
func textOptions(out io.Writer, color string) (opt report.TextOptions) {
	f, ok := out.(*os.File)
	if ok && term.IsTerminal(int(f.Fd())) {
		opt.Color = os.Getenv("NO_COLOR") == ""
		opt.Width, _, _ = term.GetSize(int(f.Fd()))
	}
	switch color {
	case live.ColorAlways.String():
		opt.Color = true
	case live.ColorNever.String():
		opt.Color = false
	}
	return opt
}
