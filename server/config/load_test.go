package config

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/spf13/pflag"
)

var update = flag.Bool("update", false, "write what the golden files want")

// TestLoad runs the files of testdata/load. Each is a txtar archive: the files of a directory, env (a variable a line),
// flags (an argument a line), and want: everything that did not come from the defaults, or the errors.
func TestLoad(t *testing.T) {
	t.Parallel()
	cases, err := filepath.Glob("testdata/load/*.txtar")
	if err != nil || len(cases) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, path := range cases {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			t.Parallel()
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			opts, want := LoadOptions{Dir: dir}, -1
			for i, f := range archive.Files {
				switch f.Name {
				case "env":
					opts.Environ = lines(f.Data)
				case "flags":
					opts.Flags = parseFlags(t, lines(f.Data)...)
				case "want":
					want = i
				default:
					if err := os.WriteFile(filepath.Join(dir, f.Name), f.Data, 0o600); err != nil {
						t.Fatal(err)
					}
				}
			}
			got := strings.ReplaceAll(describe(t, opts), dir+"/", "")
			if *update {
				archive.Files[want].Data = []byte(got)
				if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != string(archive.Files[want].Data) {
				t.Errorf("got:\n%s\nwant:\n%s", got, archive.Files[want].Data)
			}
		})
	}
}

func lines(text []byte) []string {
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
}

func parseFlags(t testing.TB, args ...string) *pflag.FlagSet {
	t.Helper()
	fs := pflag.NewFlagSet("test", pflag.ContinueOnError)
	AddFlags(fs)
	if err := fs.Parse(args); err != nil {
		t.Fatal(err)
	}
	return fs
}

// describe is what a load gave, as text.
func describe(t *testing.T, opts LoadOptions) string {
	t.Helper()
	l, err := Load(opts)
	var b strings.Builder
	for _, w := range l.Warnings {
		b.WriteString("warning: " + w + "\n")
	}
	for _, i := range l.Ignored {
		b.WriteString("ignored: " + i + "\n")
	}
	if err != nil {
		if !errors.As(err, new(Errors)) {
			t.Errorf("the error is a %T", err)
		}
		for line := range strings.Lines(err.Error() + "\n") {
			b.WriteString("error: " + line)
		}
		return b.String()
	}
	var out bytes.Buffer
	if err := l.WriteEffective(&out); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(out.String()) {
		if !strings.HasSuffix(line, "# default\n") {
			b.WriteString(strings.Join(strings.Fields(line), " ") + "\n")
		}
	}
	return b.String()
}

// TestReferenceFile loads the reference's application.yml as it is.
func TestReferenceFile(t *testing.T) {
	t.Parallel()
	l, err := Load(LoadOptions{File: "testdata/application.yml"})
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.WebSocket.AllowedOrigins = []string{"http://localhost:5173", "http://127.0.0.1:5173"}
	if !reflect.DeepEqual(l.Config, want) {
		t.Error(differences(&l.Config, &want))
	}
	if len(l.Warnings) > 0 {
		t.Errorf("warnings: %q", l.Warnings)
	}
}

// TestPriority gives one key in every place and takes the places away one by one, from the top.
func TestPriority(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "c.yml")
	if err := os.WriteFile(file, []byte("server:\n  node-id: file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	env := []string{"NODE_ID=alias", "CARILLON_NODE_ID=prefixed-alias", "SERVER_NODEID=short", "SERVER_NODE_ID=bare", "CARILLON_SERVER_NODEID=prefixed-short", "CARILLON_SERVER_NODE_ID=prefixed"}
	flags := parseFlags(t, "--server.node-id=flag")
	check := func(want, origin string, opts LoadOptions) {
		t.Helper()
		l, err := Load(opts)
		if err != nil {
			t.Fatal(err)
		}
		if got := l.Config.Server.NodeID; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		if got := l.Origins["server.node-id"].String(); got != origin {
			t.Errorf("origin: got %q, want %q", got, origin)
		}
	}
	check("flag", "flag --server.node-id", LoadOptions{File: file, Environ: env, Flags: flags})
	for _, want := range []string{"prefixed", "prefixed-short", "prefixed-alias", "bare", "short", "alias"} {
		var name string
		rest := []string{}
		for _, kv := range env {
			if n, v, _ := strings.Cut(kv, "="); v == want {
				name = n
			} else {
				rest = append(rest, kv)
			}
		}
		check(want, "env "+name, LoadOptions{File: file, Environ: env})
		env = rest
	}
	check("file", file+":2", LoadOptions{File: file})
	check("", "default", LoadOptions{})
}

// TestEverySettingFromEverySource gives each setting a value in the file, in the environment under each of its names and as
// a flag, and finds it in the effective configuration.
func TestEverySettingFromEverySource(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for i, s := range settings {
		value := sample(s)
		file := filepath.Join(dir, "c.yml")
		yaml := s.key + ": " + value + "\n"
		if s.typ == typeMap {
			yaml = s.key + ":\n  tok: user\n"
		}
		if err := os.WriteFile(file, []byte(yaml), 0o600); err != nil {
			t.Fatal(err)
		}
		want := Default()
		if err := s.set(&want, value); err != nil {
			t.Fatalf("sample %q of %s: %v", value, s.key, err)
		}
		sources := map[string]LoadOptions{
			"file": {File: file},
			"flag": {Flags: parseFlags(t, "--"+s.key+"="+value)},
		}
		for _, k := range append([]string{s.key}, s.aliases...) {
			for _, n := range envNames(k) {
				sources["env "+n] = LoadOptions{Environ: []string{n + "=" + value}}
				sources["env CARILLON_"+n] = LoadOptions{Environ: []string{"CARILLON_" + n + "=" + value}}
			}
			sources["flag "+k] = LoadOptions{Flags: parseFlags(t, "--"+k, value)}
			if s.kind() == "bool" {
				sources["flag "+k] = LoadOptions{Flags: parseFlags(t, "--"+k)}
			}
		}
		for name, opts := range sources {
			opts.Dir = filepath.Join(dir, "empty")
			l, _ := Load(opts) // values that need a second one beside them are an error, and read all the same
			if !reflect.DeepEqual(l.Config, want) {
				t.Errorf("%s=%s from %s: got %v, want %v", s.key, value, name, s.value(&l.Config), settings[i].value(&want))
			}
		}
	}
}

// sample is a value of s that is not its default.
func sample(s *setting) string {
	switch {
	case s.allowed != nil:
		return s.allowed[len(s.allowed)-1]
	case s.typ == typeMap:
		return "tok=user"
	case s.typ == typeList:
		return "http://a.example"
	case s.kind() == "bool":
		return "true"
	case s.key == "server.unix-socket-mode":
		return "0600"
	case s.min != "" && s.max != s.preset:
		return s.max
	}
	return "/sample"
}

// TestErrorsAreTyped looks at one error as a program would.
func TestErrorsAreTyped(t *testing.T) {
	t.Parallel()
	_, err := Load(LoadOptions{Environ: []string{"SERVER_PORT=x"}})
	e, ok := errors.AsType[*Error](err)
	if !ok {
		t.Fatalf("got %v, a %T", err, err)
	}
	want := Error{
		Origin: Origin{Source: SourceEnv, Name: "SERVER_PORT"}, Key: "server.port", Value: "x",
		Problem: "not a whole number", Allowed: "a number from 0 to 65535",
	}
	if *e != want {
		t.Errorf("got %+v, want %+v", *e, want)
	}
}

func TestFileCannotBeRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	large := filepath.Join(dir, "large.yml")
	if err := os.WriteFile(large, bytes.Repeat([]byte("#\n"), maxFileBytes), 0o600); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{
		filepath.Join(dir, "none.yml"): "no such file or directory",
		dir:                            "is a directory",
		large:                          "the file is longer than 8MiB",
	} {
		_, err := Load(LoadOptions{File: file})
		if err == nil || err.Error() != file+": "+want {
			t.Errorf("got %v, want %s: %s", err, file, want)
		}
	}
}

// TestBrokenYAMLIsNotQuoted breaks a file in every way in which a password that needs quotes and has none can break it.
func TestBrokenYAMLIsNotQuoted(t *testing.T) {
	t.Parallel()
	for _, value := range []string{
		"*S3cret", "*S3cret!", "[*S3cret, \"a\nb\"]", "&S3cret &S3cret x", "&S3cret *S3cret", "!S3cret!x", "!<S3cret", "!!S3cret [",
		"%S3cret", "@S3cret", "`S3cret", "|S3cret", ">9S3cret", "{S3cret", "{S3cret: S3cret", "[S3cret", "]S3cret", "'S3cret", "\"S3cret",
		"\"\\S3cret\"", "\"\\xS3cret\"", "S3cret: S3cret", "- S3cret", "? S3cret", "S3cret\n S3cret: x", "S3cret\x01", "S3cret\xff", "\tS3cret: x",
	} {
		for _, text := range []string{"spring.data.redis.password: " + value + "\n", value + "\n", "%" + value + "\n---\n", "%TAG ! " + value + "\n---\n", "%YAML " + value + "\n---\n"} {
			_, errs := parseDocuments("application.yml", []byte(text))
			for _, e := range errs {
				if strings.Contains(e.Error(), "S3") {
					t.Errorf("%q: %v", text, e)
				}
			}
		}
	}
}

func TestValidateWithoutSources(t *testing.T) {
	t.Parallel()
	c := Default()
	c.Server.Port = 70000
	c.Auth.Mode = "none"
	c.Auth.JWT.Algorithms = []string{"none"}
	err := c.Validate()
	want := `server.port: out of range, got "70000"; allowed: a number from 0 to 65535
auth.mode: not an allowed value, got "none"; allowed: one of demo, static, jwt
auth.jwt.algorithms: not an allowed value, got "none"; allowed: a list of HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA`
	if err == nil || err.Error() != want {
		t.Errorf("got:\n%v\nwant:\n%s", err, want)
	}
}

// FuzzLoad feeds texts as the file. It must not panic; an error is typed and names the file; what is valid must be valid
// again after its effective form was read back.
func FuzzLoad(f *testing.F) {
	cases, err := filepath.Glob("testdata/load/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range cases {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range archive.Files {
			if strings.HasSuffix(file.Name, ".yml") {
				f.Add(string(file.Data))
			}
		}
	}
	reference, err := os.ReadFile("testdata/application.yml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(reference))
	f.Add("a: &a [*a]\nserver: &s {<<: *s, port: 1}\n")
	f.Add("server.port: ${server.port}\n")
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string) {
		file := filepath.Join(dir, "carillon.yml")
		load := func(text string) (*Loaded, error) {
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			return Load(LoadOptions{File: file, Environ: []string{"NAME=value"}})
		}
		l, err := load(text)
		if err != nil {
			var all Errors
			if !errors.As(err, &all) || len(all) == 0 {
				t.Fatalf("the error is a %T: %v", err, err)
			}
			for _, e := range all {
				if e.Origin.Source == SourceFile && e.Key != "" && (e.Origin.File != file || e.Origin.Line < 1) {
					t.Fatalf("no line: %v", e)
				}
			}
			return
		}
		var out bytes.Buffer
		if err := l.WriteEffective(&out); err != nil {
			t.Fatal(err)
		}
		if l.secretsGiven() || len(l.Files) > 1 {
			return // what is masked cannot be read back, and what a profile chose is no longer there to choose
		}
		want := l.Config
		again, err := load(out.String())
		if err != nil {
			t.Fatalf("%v\nin:\n%s", err, out.String())
		}
		if !reflect.DeepEqual(again.Config, want) {
			t.Fatalf("read back as something else:\n%s", differences(&again.Config, &want))
		}
	})
}

// differences lists the settings that are not the same in two configurations.
func differences(got, want *Config) string {
	var b strings.Builder
	for _, s := range settings {
		if g, w := s.texts(got), s.texts(want); !reflect.DeepEqual(g, w) {
			fmt.Fprintf(&b, "%s: got %q, want %q\n", s.key, g, w)
		}
	}
	return b.String()
}

func (l *Loaded) secretsGiven() bool {
	for _, s := range settings {
		if s.secret != "" && l.Given(s.key) {
			return true
		}
	}
	return false
}
