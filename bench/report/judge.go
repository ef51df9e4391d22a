package report

import "slices"

// rank orders the verdicts from best to worst; no verdict yet is the best.
func (v Verdict) rank() int {
	return slices.Index([]Verdict{"", Passed, Interrupted, Failed, NoResult, Errored}, v)
}

// bottleneckReason stands for a client that was the bottleneck and does not say
// of what.
const bottleneckReason = "the client was the bottleneck: the figures say nothing about the server"

// Judge evaluates the thresholds and settles the verdict: it sets Checks,
// Verdict and Reasons. A verdict that is already worse stays, with its reasons;
// the reasons of lesser verdicts follow those of the one that counts.
func (r *Report) Judge(checks []*Expr) {
	r.Checks = nil
	if r.Verdict == "" {
		r.Verdict = Passed
	}
	if r.Client.Bottleneck {
		var lack []string
		if len(r.Reasons) == 0 || r.Verdict == Interrupted || r.Verdict == Failed {
			lack = []string{bottleneckReason} // the reasons there are may be of that verdict alone
		}
		r.worsen(NoResult, lack)
	}
	var failed []string
	for _, e := range checks {
		for _, c := range e.Eval(r) {
			r.Checks = append(r.Checks, c)
			if c.Failed {
				failed = append(failed, c.Text)
			}
		}
	}
	if len(failed) > 0 {
		r.worsen(Failed, failed)
	}
}

// worsen makes v the verdict if it is worse than what it is, and adds reasons.
func (r *Report) worsen(v Verdict, reasons []string) {
	fresh := slices.DeleteFunc(slices.Clone(reasons), func(s string) bool { return slices.Contains(r.Reasons, s) })
	if v.rank() > r.Verdict.rank() {
		r.Verdict = v
		r.Reasons = slices.Concat(fresh, r.Reasons)
	} else {
		r.Reasons = slices.Concat(r.Reasons, fresh)
	}
}
