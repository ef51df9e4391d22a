package supervise

import (
	"syscall"
	"testing"
)

func TestExitTellsHow(t *testing.T) {
	t.Parallel()
	for want, e := range map[string]Exit{
		"exit code 0":        {},
		"exit code 5":        {Code: 5},
		"signal 9 (killed)":  {Signal: syscall.SIGKILL},
		"no such program":    {Err: errNoStart},
		"signal 6 (aborted)": {Signal: syscall.SIGABRT},
	} {
		if got := e.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	err := &FinalError{Exit{Worker: "w", Code: 3}}
	if got, want := err.Error(), "worker w: exit code 3, starting it again would not help"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
