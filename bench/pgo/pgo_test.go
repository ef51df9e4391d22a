package main

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"carillon/cluster/services/crowd"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestProfiles takes a profile of each load, that go tool pprof reads, with the gateway's
// own functions in it.
func TestProfiles(t *testing.T) {
	o := options{carillon: crowd.Build(t), dir: filepath.Join(t.TempDir(), "profiles"), seconds: 2}
	var out bytes.Buffer
	if err := o.run(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	paths := strings.Fields(out.String())
	if len(paths) != len(loads) {
		t.Fatalf("got %q", paths)
	}
	for _, path := range paths {
		text, err := exec.Command("go", "tool", "pprof", "-top", "-nodecount=1000", path).CombinedOutput()
		if err != nil || !bytes.Contains(text, []byte("carillon/netpoll.")) {
			t.Errorf("%s: %v\n%s", path, err, text)
		}
	}
}

// TestCannotStart says why.
func TestCannotStart(t *testing.T) {
	o := options{carillon: filepath.Join(t.TempDir(), "missing"), dir: t.TempDir()}
	if err := o.run(t.Context(), &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), "make build") {
		t.Errorf("without the program: %v", err)
	}
	for _, args := range [][]string{{"--seconds", "0"}, {"--seconds", "x"}} {
		if code := command(args); code != 2 {
			t.Errorf("%q: exit code %d", args, code)
		}
	}
}
