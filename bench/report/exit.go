package report

// ExitCode is what a run or a comparison ends with, so that a script can tell the
// cases apart. There are no others, but for those of a second signal, which ends
// the command at once: 128 plus its number.
type ExitCode int

// The exit codes.
const (
	// ExitPassed: the run ended as planned and every threshold held.
	ExitPassed ExitCode = 0
	// ExitError: the run could not be carried out.
	ExitError ExitCode = 1
	// ExitUsage: the command line or the scenario file is wrong; nothing was connected.
	ExitUsage ExitCode = 2
	// ExitNoResult: the client was the bottleneck; the figures say nothing about the server.
	ExitNoResult ExitCode = 97
	// ExitThreshold: a threshold did not hold, or there was nobody to measure with.
	ExitThreshold ExitCode = 99
	// ExitInterrupted: it was ended early; the report covers what had run.
	ExitInterrupted ExitCode = 105
	// ExitRegression: a comparison found a figure that got worse.
	ExitRegression ExitCode = 107
)

// ExitCodes lists all exit codes.
func ExitCodes() []ExitCode {
	return []ExitCode{ExitPassed, ExitError, ExitUsage, ExitNoResult, ExitThreshold, ExitInterrupted, ExitRegression}
}

// String says what the code means.
func (c ExitCode) String() string {
	switch c {
	case ExitPassed:
		return "passed"
	case ExitError:
		return "the run could not be carried out"
	case ExitUsage:
		return "wrong usage"
	case ExitNoResult:
		return "no result: the client was the bottleneck"
	case ExitThreshold:
		return "a threshold did not hold, or nobody could connect"
	case ExitInterrupted:
		return "interrupted; the report covers what had run"
	case ExitRegression:
		return "a comparison found a regression"
	default:
		return "unknown exit code"
	}
}

// ExitCode is the code of a command whose run ended with v.
func (v Verdict) ExitCode() ExitCode {
	switch v {
	case Passed:
		return ExitPassed
	case Interrupted:
		return ExitInterrupted
	case Failed:
		return ExitThreshold
	case NoResult:
		return ExitNoResult
	default:
		return ExitError
	}
}
