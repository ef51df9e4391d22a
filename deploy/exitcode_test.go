package deploy

import (
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"testing"
	"time"
)

const commands = "../cmd/carillon/"

// exitCodes reads the exit codes of the program from its source.
func exitCodes(t *testing.T) map[string]int {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), commands+"exit.go", nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	codes := map[string]int{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if kind, ok := spec.Type.(*ast.Ident); ok && kind.Name == "exitCode" && len(spec.Values) == len(spec.Names) {
			for i, name := range spec.Names {
				if value, ok := spec.Values[i].(*ast.BasicLit); ok {
					codes[name.Name] = atoi(t, value.Value)
				}
			}
		}
		return true
	})
	for _, name := range []string{"exitOK", "exitUsage", "exitConfig", "exitTaken"} {
		if _, ok := codes[name]; !ok {
			t.Fatalf("no %s in %v", name, codes)
		}
	}
	return codes
}

// supervisorPatience is what a supervisor waits beyond server.shutdown-timeout.
func supervisorPatience(t *testing.T) time.Duration {
	t.Helper()
	m := regexp.MustCompile(`killAfter = (\d+) \* time\.Second`).FindStringSubmatch(read(t, commands+"supervise.go"))
	if m == nil {
		t.Fatal("no killAfter in the supervisor")
	}
	return time.Duration(atoi(t, m[1])) * time.Second
}
