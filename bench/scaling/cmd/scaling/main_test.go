package main

import (
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRun(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args string
		want []string // in the output, or in the error
		bad  bool
	}{
		{args: "", want: []string{"costs:\n\n| what | cost |", "\nbreaks:\n\n| shape |"}},
		{args: "-table front", want: []string{"| connections of a node |"}},
		{args: "-connections 2e6 -nodes 20 -broadcasts 0", want: []string{"| connections of a node | 100,000 |", "| limit: memory |"}},
		{args: "-connections 2e6 -nodes 20 -broadcasts 2 -masters 3 -exchanges 2", want: []string{"a broadcast at the last node", "ws:online:users"}},
		{args: "-table none", want: []string{`no table "none"`}, bad: true},
		{args: "-connections 10 -nodes 0", want: []string{"nodes of 0"}, bad: true},
		{args: "more", want: []string{`unknown argument "more"`}, bad: true},
		{args: "-cores x", want: []string{"invalid value"}, bad: true},
	} {
		var out, help strings.Builder
		err := run(strings.Fields(c.args), &out, &help)
		text := out.String()
		if (err != nil) != c.bad {
			t.Errorf("%q: %v", c.args, err)
			continue
		}
		if err != nil {
			text = err.Error()
		}
		for _, want := range c.want {
			if !strings.Contains(text, want) {
				t.Errorf("%q: no %q in\n%s", c.args, want, text)
			}
		}
	}
}
