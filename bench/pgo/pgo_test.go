package main

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"carillon/cluster/services/crowd/crowdtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestProfiles takes a profile of each load that go tool pprof reads and that is of
// something. Together they have the gateway's own functions: on a busy machine one alone
// may have a handful of samples.
func TestProfiles(t *testing.T) {
	o := options{carillon: crowdtest.Build(t), dir: filepath.Join(t.TempDir(), "profiles"), seconds: 2}
	var out bytes.Buffer
	if err := o.run(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	paths := strings.Fields(out.String())
	if len(paths) != len(loads) {
		t.Fatalf("got %q", paths)
	}
	for _, path := range paths {
		if text := top(t, path); !total.MatchString(text) {
			t.Errorf("%s is empty:\n%s", path, text)
		}
	}
	if text := top(t, paths...); !strings.Contains(text, "carillon/netpoll.") {
		t.Errorf("together they have no function of netpoll:\n%s", text)
	}
}

// total is what go tool pprof says of a profile with samples.
var total = regexp.MustCompile(`Total samples = [^0]`)

// top returns what go tool pprof says of profiles, merged.
func top(t *testing.T, paths ...string) string {
	t.Helper()
	text, err := exec.Command("go", append([]string{"tool", "pprof", "-top", "-nodecount=1000"}, paths...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("%q: %v\n%s", paths, err, text)
	}
	return string(text)
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
