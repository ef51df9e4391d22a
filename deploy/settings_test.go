package deploy

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"carillon/server/config"
)

// load has the gateway read an environment and, when there is one, the text of a
// configuration file. All of it has to be settings, and none may be warned of.
func load(t *testing.T, what string, environ []string, file string) *config.Loaded {
	t.Helper()
	opt := config.LoadOptions{Environ: environ, Dir: t.TempDir()}
	if file != "" {
		opt.File = filepath.Join(opt.Dir, "carillon.yml")
		if err := os.WriteFile(opt.File, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l, err := config.Load(opt)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	if len(l.Warnings)+len(l.Ignored) > 0 {
		t.Errorf("%s: warnings %q, ignored %q", what, l.Warnings, l.Ignored)
	}
	used := map[string]bool{}
	for _, o := range l.Origins {
		if o.Source == config.SourceEnv {
			used[o.Name] = true
		}
	}
	for _, assignment := range environ {
		if name, _, _ := strings.Cut(assignment, "="); !used[name] {
			t.Errorf("%s: %s is not a setting", what, name)
		}
	}
	return l
}

// checkServe checks the arguments of the program: serve, with flags that it has, and
// the configuration file at path.
func checkServe(t *testing.T, what string, args []string, path string) {
	t.Helper()
	if len(args) == 0 || args[0] != "serve" {
		t.Fatalf("%s: arguments are %q, want serve first", what, args)
	}
	flags := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	config.AddFlags(flags)
	if err := flags.Parse(args[1:]); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	if got := flags.Lookup("config").Value.String(); got != path {
		t.Errorf("%s: the configuration is read from %q, want %q", what, got, path)
	}
}
