package plan

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "write the golden files and docs/bench-scenarios.md anew")

// TestLoad runs the cases of testdata/load. Each has the file plan.yaml, maybe
// env, with NAME=value lines, and further files; and what comes of it: errors,
// or plan, in JSON.
func TestLoad(t *testing.T) {
	names, err := filepath.Glob("testdata/load/*.txtar")
	if err != nil || len(names) == 0 {
		t.Fatalf("got %d cases, %v", len(names), err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) { testLoad(t, name) })
	}
}

func testLoad(t *testing.T, name string) {
	a, err := txtar.ParseFile(name)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	var want string
	input := *a
	input.Files = nil
	for _, f := range a.Files {
		switch f.Name {
		case "errors", "plan":
			want = f.Name + "\n" + string(f.Data)
			continue
		case "env":
			for line := range strings.Lines(string(f.Data)) {
				key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
				t.Setenv(key, value)
			}
		default:
			if err := os.WriteFile(filepath.Join(dir, f.Name), f.Data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		input.Files = append(input.Files, f)
	}
	p, err := Load(filepath.Join(dir, "plan.yaml"))
	kind, data := "plan", ""
	if err != nil {
		kind, data = "errors", err.Error()+"\n"
		if p != nil {
			t.Error("there is a plan beside the errors")
		}
	} else {
		b, err := json.MarshalIndent(p, "", "\t")
		if err != nil {
			t.Fatal(err)
		}
		data = string(b) + "\n"
		roundTrip(t, p)
	}
	got := kind + "\n" + strings.NewReplacer(dir+string(filepath.Separator), "", dir, "DIR").Replace(data)
	if got == want {
		return
	}
	if !*update {
		t.Fatalf("got %s\nwant %s", got, want)
	}
	kind, data, _ = strings.Cut(got, "\n")
	input.Files = append(input.Files, txtar.File{Name: kind, Data: []byte(data)})
	if err := os.WriteFile(name, txtar.Format(&input), 0o666); err != nil {
		t.Fatal(err)
	}
}

// roundTrip checks what a worker process relies on: it gets the very plan, and
// completing it once more changes nothing.
func roundTrip(t *testing.T, p *Plan) {
	t.Helper()
	b, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	var back Plan
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(p, &back) {
		t.Fatalf("JSON changed the plan\nfrom %+v\nto   %+v", p, &back)
	}
	if err := back.Complete(); err != nil {
		t.Fatalf("the plan was complete, and is no longer: %v", err)
	}
	if !reflect.DeepEqual(p, &back) {
		t.Fatalf("Complete changed a whole plan\nfrom %+v\nto   %+v", p, &back)
	}
	for i := range p.Scenarios {
		if _, err := p.Scenarios[i].Templates(); err != nil {
			t.Fatalf("a template of a complete plan: %v", err)
		}
	}
}

func TestLoadWithoutFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for path, want := range map[string]string{
		filepath.Join(dir, "none.yaml"): ": no such file or directory",
		dir:                             ": it is a directory",
	} {
		if _, err := Load(path); err == nil || !strings.HasPrefix(err.Error(), path+":") || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("got %v, want %s: …%s", err, path, want)
		}
	}
	long := filepath.Join(dir, "long.yaml")
	if err := os.WriteFile(long, bytes.Repeat([]byte("# x\n"), maxFile/4+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(long); err == nil || !strings.Contains(err.Error(), "more than 33554432") {
		t.Errorf("got %v, want an error about the size", err)
	}
}

// FuzzParse checks that whatever a file says, either there are errors with
// lines within the file, or a plan that survives its way to a worker.
func FuzzParse(f *testing.F) {
	names, err := filepath.Glob("testdata/load/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range names {
		a, err := txtar.ParseFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range a.Files {
			if file.Name == "plan.yaml" {
				f.Add(file.Data)
			}
		}
	}
	f.Add([]byte("scenarios: &a [*a]"))
	f.Add([]byte("? [a]\n: b\n"))
	f.Add([]byte("{scenarios: [{kind: heartbeat, url: 'ws://h', headers: {a: \"\\xff\"}}]}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := Parse("fuzz.yaml", b)
		if err == nil {
			if masked := p.Masked(); masked.Scenarios == nil {
				t.Fatal("masking lost the scenarios")
			}
			roundTrip(t, p)
			return
		}
		errs, ok := err.(Errors)
		if !ok || len(errs) == 0 || p != nil {
			t.Fatalf("got %v, %T", p, err)
		}
		last := bytes.Count(b, []byte("\n")) + bytes.Count(b, []byte("\r")) + bytes.Count(b, []byte("\u2028")) +
			bytes.Count(b, []byte("\u2029")) + bytes.Count(b, []byte("\u0085")) + 1
		for _, e := range errs {
			if e.Line < 0 || e.Line > last+1 || e.Problem == "" || e.File != "fuzz.yaml" {
				t.Fatalf("a file with %d lines has the error %+v", last, e)
			}
		}
	})
}
