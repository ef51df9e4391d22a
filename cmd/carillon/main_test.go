package main

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain makes the test binary the command carillon for the scripts and for serve_test.go.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"carillon": main})
}

// TestScripts runs testdata/script: the command as a user sees it.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":   exits,
			"columns": columns,
		},
	})
}
