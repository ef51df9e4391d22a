package plan

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
)

// planOf is the plan of a command line, "URL flags…".
func planOf(t *testing.T, kind Kind, url string, args ...string) (*Plan, error) {
	t.Helper()
	fs := pflag.NewFlagSet("", pflag.ContinueOnError)
	f := AddFlags(fs, kind)
	if err := fs.Parse(args); err != nil {
		t.Fatal(err)
	}
	if fs.NArg() > 0 {
		t.Fatalf("%q were not flags", fs.Args())
	}
	return f.Plan(url)
}

// TestFlagsWithoutAny gives the same plans as files without keys.
func TestFlagsWithoutAny(t *testing.T) {
	t.Parallel()
	for _, kind := range Kinds() {
		got, err := planOf(t, kind, "ws://localhost/ws")
		if err != nil {
			t.Errorf("%s: %v", kind, err)
			continue
		}
		want, err := Parse(string(kind)+".yaml", []byte("scenarios: [{kind: "+string(kind)+", url: 'ws://localhost/ws'}]"))
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v\nwant %+v", kind, got, want)
		}
		roundTrip(t, got)
	}
}

// TestEveryFlag sets each flag once, against the same said in a file.
func TestEveryFlag(t *testing.T) {
	t.Parallel()
	tokens := filepath.Join(t.TempDir(), "tokens.txt")
	if err := os.WriteFile(tokens, []byte("a\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		kind Kind
		args []string
		file string // without kind and url
		top  string
	}{
		{
			Heartbeat,
			[]string{
				"--name=n", "--seed=5", "--warmup=1s", "-d", "20s", "--settle=2s", "--limit=3h", "--fail-if=p99>5ms", "--fail-if", "lost>0", "--find-max=p99<1s",
				"--find-max-of=connections", "--find-max-limit=5k", "--sources=127.0.0.1,127.0.0.2", "--sources=127.0.0.3", "--workers=2", "--loops=1",
				"--agents=a:1, b:2", "--agent-token=s", "--pid=1,2", "--pid=3", "--metrics-url=http://a/?x=1,2", "--metrics-url=http://b", "--i-own-this-target", "--insecure",
				"-c", "20", "--connect-rate=1k", "--connect-timeout=1s", "-r", "5", "--arrival=poisson", "--model=open", "--message=ping", "--expect=pong",
				"--ignore=a,b", "--ignore=c", "-H", "A: b:c", "--header=D:e", "--subprotocol=x", "--user=v{{.ID}}", "--first-id=7", "--reply-timeout=1s",
				"--jwt-secret=s", "--jwt-ttl=1h", "-HAuthorization: Bearer {{.Token}}",
			},
			`{connections: 20, connect-rate: 1000, connect-timeout: 1s, rate: 5, arrival: poisson, model: open, message: ping, expect: pong, ignore: ["a,b", c],
			headers: {A: "b:c", D: e, Authorization: "Bearer {{.Token}}"}, subprotocol: x, user: "v{{.ID}}", first-id: 7, reply-timeout: 1s, jwt-secret: s, jwt-ttl: 1h,`,
			`{name: n, seed: 5, warmup: 1s, duration: 20s, settle: 2s, limit: 3h, fail-if: [p99>5ms, lost>0], find-max: p99<1s, find-max-of: connections,
			find-max-limit: 5000, sources: [127.0.0.1, 127.0.0.2, 127.0.0.3], workers: 2, loops: 1, agents: ["a:1", "b:2"], agent-token: s, pids: [1, 2, 3],
			metrics-urls: ["http://a/?x=1,2", "http://b"], i-own-this-target: true, insecure: true,`,
		},
		{Heartbeat, []string{"--every=2s"}, `{every: 2s,`, `{`},
		{Echo, []string{"--closed", "--outstanding=3", "--think=5ms"}, `{model: closed, outstanding: 3, think: 5ms,`, `{`},
		{Connect, []string{"--hold=0s", "--token-file=" + tokens, "-H", "X: {{.Token}}"}, `{hold: 0s, token-file: ` + tokens + `, headers: {X: "{{.Token}}"},`, `{`},
		{
			Push,
			[]string{
				"--publish-method=PUT", "--publish-url=http://localhost/{{.User}}", "--publish-header=A: b", "--publish-body={{.Raw}}", "--publishers=2", "--publish-timeout=1s",
				"--publish-status=200,204", "--publish-via=http",
			},
			`{publish: {method: PUT, url: "http://localhost/{{.User}}", headers: {A: b}, body: "{{.Raw}}", publishers: 2, timeout: 1s, status: [200, 204], via: http},`, `{`,
		},
		{Slow, []string{"--slow-share=0.5", "--slow-rate=100"}, `{slow: {share: 0.5, bytes-per-second: 100},`, `{`},
		{Churn, []string{"--churn-rate=5", "--lifetime=2s", "--abrupt"}, `{churn: {rate: 5, lifetime: 2s, abrupt: true},`, `{`},
		{Storm, []string{"--cycles=2", "--storm-every=5s", "--abrupt", "--give-up=3s"}, `{storm: {cycles: 2, every: 5s, abrupt: true, give-up: 3s},`, `{`},
		{Storm, []string{"--backoff"}, `{storm: {backoff: {}},`, `{`},
		{
			Storm,
			[]string{"--backoff-base=2s", "--backoff-factor=3", "--backoff-max=9s", "--backoff-jitter=0"},
			`{storm: {backoff: {base: 2s, factor: 3, max: 9s, jitter: 0}},`, `{`,
		},
	} {
		got, err := planOf(t, tt.kind, "ws://localhost/ws", tt.args...)
		if err != nil {
			t.Errorf("%s %q: %v", tt.kind, tt.args, err)
			continue
		}
		text := tt.top + "scenarios: [" + tt.file + "kind: " + string(tt.kind) + ", url: 'ws://localhost/ws'}]}"
		want, err := Parse(string(tt.kind)+".yaml", []byte(text))
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s %q: got %+v\nwant %+v", tt.kind, tt.args, got, want)
		}
	}
}

func TestFlagErrors(t *testing.T) {
	for _, tt := range []struct {
		kind Kind
		url  string
		args string // with | between them
		want []string
	}{
		{Heartbeat, "http://localhost", "", []string{"URL: it must begin with ws:// or wss://"}},
		{Heartbeat, "", "", []string{"URL: it is not set; it begins with ws:// or wss://"}},
		{Heartbeat, "ws://localhost", "--connections=x|--rate=0|--duration=5|--pid=a,-1", []string{
			`--connections: it must be a whole number such as 1000, 10k or 1M, got "x"`,
			`--duration: it must be a duration such as 500ms, 10s or 2h, got "5"`,
			`--pid: it must be a whole number such as 1000, 10k or 1M, got "a"`,
			"--pid: it must be from 1 to 2,147,483,647, got -1",
			"--rate: it must be above 0 and at most 10,000,000, got 0",
		}},
		{Heartbeat, "ws://localhost", "--closed|--model=open", []string{"--closed: --model says open"}},
		{Heartbeat, "ws://localhost", "--closed|--rate=5", []string{"--rate: it belongs to the open model, and the model is closed: a connection sends again when it was answered"}},
		{Heartbeat, "ws://localhost", "-H=secret|-HHost: a|-H=A: b|-H=A: c|-HB: \x01", []string{
			"--header: it must be 'Name: value'", "--header A: the header is there twice",
		}},
		{Heartbeat, "ws://localhost", "-HHost: a|-HB: \x01", []string{"--header B: the value has control characters", "--header Host: it cannot be set: url says it"}},
		{Heartbeat, "ws://localhost/?t={{.Token}}", "", []string{"URL: {{.Token}} is used, and there is neither a token file nor a JWT secret"}},
		{Heartbeat, "ws://localhost", "--token-file=/nowhere/tokens|-HA: {{.Token}}", []string{"--token-file: /nowhere/tokens: no such file or directory"}},
		{Heartbeat, "ws://localhost", "--fail-if=p99>5ms|--fail-if=nonsense", []string{`--fail-if: "nonsense", column`}},
		{Churn, "ws://localhost", "-c=9M|--churn-rate=1M|--lifetime=5s|--connect-rate=1M|--limit=3h", []string{"--connections: they come to 14,000,000 connections at once, more than 10,000,000"}},
		{Broadcast, "ws://localhost", "--publish-via=client|--publish-url=ws://localhost/{{.Token}}", []string{"--publish-url: {{.Token}} is used, and there is neither a token file nor a JWT secret"}},
		{Push, "ws://localhost", "--publish-body=x|--publish-header=X: {{.Token}}", []string{
			"--publish-body: it must have {{.Message}} or {{.Raw}}, where the message goes",
			"--publish-header X: {{.Token}} cannot stand here; allowed: {{.ID}}, {{.User}}",
		}},
		{Storm, "ws://localhost", "--backoff-base=1m|--backoff-jitter=2", []string{
			"--backoff-jitter: it must be from 0 to 1, got 2", "--backoff-max: it is below the base, 1m",
		}},
	} {
		var args []string
		if tt.args != "" {
			args = strings.Split(tt.args, "|")
		}
		p, err := planOf(t, tt.kind, tt.url, args...)
		errs, ok := err.(Errors)
		if !ok || p != nil {
			t.Errorf("%s %q: got %v, %v", tt.kind, args, p, err)
			continue
		}
		missing := false
		for _, want := range tt.want {
			missing = missing || !strings.Contains("\n"+err.Error(), "\n"+want)
		}
		if missing || len(errs) != len(tt.want) {
			t.Errorf("%s %q: got\n%v\nwant\n%s", tt.kind, args, err, strings.Join(tt.want, "\n"))
		}
	}
}

func TestFlagSecretsOfTheEnvironment(t *testing.T) {
	t.Setenv("CARILLON_BENCH_JWT_SECRET", "hunter2")
	t.Setenv("CARILLON_BENCH_AGENT_TOKEN", "hunter3")
	tokens := filepath.Join(t.TempDir(), "tokens.txt")
	if err := os.WriteFile(tokens, []byte("a\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		url          string
		args         []string
		secret, user string
	}{
		{"ws://localhost/?t={{.Token}}", nil, "hunter2", ""},
		{"ws://localhost/", []string{"-H", "A: {{.Token}}"}, "hunter2", ""},
		{"ws://localhost/?t={{.Token}}", []string{"--jwt-secret=mine"}, "mine", ""},
		{"ws://localhost/?t={{.Token}}", []string{"--token-file=" + tokens}, "", ""},
		{"ws://localhost/", nil, "", ""},
		{"ws://localhost/", []string{"--agents=a:1"}, "", "hunter3"},
		{"ws://localhost/", []string{"--agents=a:1", "--agent-token=mine"}, "", "mine"},
	} {
		p, err := planOf(t, Connect, tt.url, tt.args...)
		if err != nil {
			t.Errorf("%s %q: %v", tt.url, tt.args, err)
			continue
		}
		if got := p.Scenarios[0].JWTSecret; got != tt.secret {
			t.Errorf("%s %q: got the JWT secret %q, want %q", tt.url, tt.args, got, tt.secret)
		}
		if p.AgentToken != tt.user {
			t.Errorf("%s %q: got the agent token %q, want %q", tt.url, tt.args, p.AgentToken, tt.user)
		}
	}
}

func TestHelpTellsEnvironmentAndDefault(t *testing.T) {
	t.Parallel()
	fs := pflag.NewFlagSet("", pflag.ContinueOnError)
	AddFlags(fs, Push)
	help := fs.FlagUsages()
	if strings.Index(help, "--header") > strings.Index(help, "--agents") {
		t.Error("the flags of the run come before those of the scenario")
	}
	for _, want := range []string{
		"--jwt-secret text", "or $CARILLON_BENCH_JWT_SECRET", "--rate number", "(default 1,000)", "-d, --duration duration", "-c, --connections number",
		"'Name: value', repeatable", "--insecure ",
	} {
		if !strings.Contains(help, want) {
			t.Errorf("the help lacks %q:\n%s", want, help)
		}
	}
}

func runFlags(t *testing.T, file string, args ...string) (*Plan, error) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "mine.yaml")
	if err := os.WriteFile(name, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	fs := pflag.NewFlagSet("", pflag.ContinueOnError)
	f := AddRunFlags(fs)
	if err := fs.Parse(args); err != nil {
		t.Fatal(err)
	}
	p, err := f.Load(name)
	if errs, ok := err.(Errors); ok {
		for _, e := range errs {
			e.File = strings.Replace(e.File, name, "mine.yaml", 1)
		}
	}
	return p, err
}

func TestRunFlags(t *testing.T) {
	t.Setenv("CARILLON_BENCH_AGENT_TOKEN", "hunter3")
	const file = `
duration: 5s
fail-if: [lost>0, wrong>0]
agents: ["a:1"]
scenarios: [{kind: heartbeat, url: "ws://localhost"}]
`
	p, err := runFlags(t, file)
	if err != nil {
		t.Fatal(err)
	}
	if p.Name != "mine" || p.Duration != 5*time.Second || len(p.FailIf) != 2 || p.AgentToken != "hunter3" {
		t.Errorf("without flags: got %+v", p)
	}
	p, err = runFlags(t, file, "--duration=7s", "--fail-if=late>0", "--warmup=0s", "--pid=5", "--agent-token=mine", "--name=other")
	if err != nil {
		t.Fatal(err)
	}
	if p.Name != "other" || p.Duration != 7*time.Second || !reflect.DeepEqual(p.FailIf, []string{"late>0"}) || p.Warmup != 0 || p.AgentToken != "mine" || p.PIDs[0] != 5 {
		t.Errorf("with flags: got %+v", p)
	}
	if _, err = runFlags(t, "duration: soon\nscenarios: [{kind: heartbeat, url: 'ws://localhost'}]", "-d", "7s"); err == nil {
		t.Error("a flag hides what is wrong with the file")
	}
	_, err = runFlags(t, "scenarios: [{kind: connect, url: 'ws://localhost', hold: -1s}]", "-d", "7s", "--seed=x")
	want := `--seed: it must be a whole number from 0 to 18446744073709551615, got "x"
--duration: no scenario uses it; kinds that do: heartbeat, echo, broadcast, push, churn, slow, soak
mine.yaml:1: scenarios[0].hold: it must be from 0s to 168h, got -1s`
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}
