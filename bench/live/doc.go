// Package live shows a load run while it goes on: on a terminal's screen, as
// plain lines for pipes and CI, as JSON lines for programs, and as a page in a
// browser.
//
// A run makes a [report.Progress] about once a second and hands it to a
// [Display]:
//
//	d, err := live.New(live.Options{Out: os.Stderr, In: os.Stdin, OnInterrupt: run.End, OnKill: run.Kill})
//	if err != nil {
//		return err
//	}
//	defer d.Close()
//	for p := range run.Progress() {
//		d.Show(p)
//	}
//
// A page in a browser is one more display, and the one who ends the run has the
// others say so:
//
//	ui, err := live.NewUI("", live.UIOptions{OnInterrupt: end, OnKill: run.Kill})
//	…
//	all := live.Multi(d, ui) // and in end: live.Ending(all); run.End()
//	…
//	ui.Finish(html, verdict) // before Close
//
// No display holds the run up: a terminal, pipe or browser that does not take
// what it is sent misses some, and the run does not notice. Nothing is written
// to stdout, which belongs to the report.
package live
