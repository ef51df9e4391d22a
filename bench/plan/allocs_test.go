//go:build !race

package plan

import "testing"

func TestAppendDoesNotAllocate(t *testing.T) {
	dst := make([]byte, 0, 4096)
	for _, compile := range []func(string, ...Field) (*Template, error){Compile, CompileURL} {
		tmpl, err := compile("{{.ID}}{{.User}}{{.Token}}{{.Seq}}{{.Mark}}{{.Pad 100}}{{.Message}}{{.Raw}}", everyField...)
		if err != nil {
			t.Fatal(err)
		}
		if n := testing.AllocsPerRun(1000, func() { dst = tmpl.Append(dst[:0], &someValues) }); n != 0 {
			t.Errorf("got %v allocations a text, want none", n)
		}
	}
}
