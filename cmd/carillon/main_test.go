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
	// What bench is pointed at: it drops every hundredth message on the second address.
	sound, leaky := startEcho(t, 0), startEcho(t, 100)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("SOUND", sound)
			env.Setenv("LEAKY", leaky)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":   exits,
			"columns": columns,
		},
	})
}
