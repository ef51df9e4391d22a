package report

import (
	"slices"
	"testing"
)

func TestJudge(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name       string
		verdict    Verdict
		reasons    []string
		bottleneck bool
		checks     []string
		want       Verdict
		exit       ExitCode
		first      string // reason
		count      int    // of reasons
	}{
		{"no thresholds", "", nil, false, nil, Passed, 0, "", 0},
		{"all hold", Passed, nil, false, []string{"p99>1s", "wrong>3"}, Passed, 0, "", 0},
		{"one fails", Passed, nil, false, []string{"p99>1s", "lost>0"}, Failed, 99, "lost of echo is 10, above 0", 1},
		{"bottleneck", Passed, nil, true, []string{"lost>0"}, NoResult, 97, bottleneckReason, 2},
		{"bottleneck, told", NoResult, []string{"late"}, true, []string{"lost>0"}, NoResult, 97, "late", 2},
		{"bottleneck, told without verdict", Passed, []string{"late"}, true, []string{"lost>0"}, NoResult, 97, "late", 2},
		{"interrupted bottleneck", Interrupted, []string{"SIGINT"}, true, nil, NoResult, 97, bottleneckReason, 2},
		{"interrupted", Interrupted, []string{"SIGINT"}, false, []string{"p99>1s"}, Interrupted, 105, "SIGINT", 1},
		{"interrupted and failed", Interrupted, []string{"SIGINT"}, false, []string{"lost>0"}, Failed, 99, "lost of echo is 10, above 0", 2},
		{"error stays", Errored, []string{"boom"}, true, []string{"lost>0"}, Errored, 1, "boom", 2},
	}
	for _, tt := range tests {
		r := small()
		r.Verdict, r.Reasons, r.Client.Bottleneck = tt.verdict, tt.reasons, tt.bottleneck
		var checks []*Expr
		for _, c := range tt.checks {
			checks = append(checks, parse(t, c))
		}
		for range 2 { // twice: nothing is said or counted again
			r.Judge(checks)
			if r.Verdict != tt.want || r.Verdict.ExitCode() != tt.exit || len(r.Reasons) != tt.count || len(r.Checks) != len(checks) {
				t.Errorf("%s: got %s (exit %d), reasons %q, %d checks", tt.name, r.Verdict, r.Verdict.ExitCode(), r.Reasons, len(r.Checks))
			}
			if tt.first != "" && (len(r.Reasons) == 0 || r.Reasons[0] != tt.first) {
				t.Errorf("%s: reasons %q, want %q first", tt.name, r.Reasons, tt.first)
			}
		}
	}
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	codes := ExitCodes()
	seen := map[string]bool{}
	for _, c := range codes {
		if seen[c.String()] || c.String() == ExitCode(55).String() {
			t.Errorf("exit code %d: text %q is not its own", c, c)
		}
		seen[c.String()] = true
	}
	for _, v := range []Verdict{Passed, Interrupted, Failed, NoResult, Errored, "", "other"} {
		if !slices.Contains(codes, v.ExitCode()) {
			t.Errorf("verdict %q: exit code %d is not listed", v, v.ExitCode())
		}
	}
}
