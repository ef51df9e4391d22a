package main

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"carillon/cmd/carillon/internal/supervise"
	"carillon/server/config"
)

// TestAssignmentArrivesWhole gives every setting a value and wants a worker to get all of them.
func TestAssignmentArrivesWhole(t *testing.T) {
	t.Parallel()
	var sent, got assignment
	fill(t, reflect.ValueOf(&sent).Elem())
	var wire bytes.Buffer
	if err := gob.NewEncoder(&wire).Encode(sent); err != nil {
		t.Fatal(err)
	}
	if err := gob.NewDecoder(&wire).Decode(&got); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, sent) {
		t.Errorf("got %+v\nwant %+v", got, sent)
	}
}

// fill gives every field a value that is not its zero.
func fill(t *testing.T, v reflect.Value) {
	t.Helper()
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(t, v.Field(i))
		}
	case reflect.String:
		v.SetString("text \xff") // not only valid Unicode arrives
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(7)
	case reflect.Slice:
		v.Set(reflect.ValueOf([]string{"a", ""}))
	case reflect.Map:
		v.Set(reflect.ValueOf(map[string]string{"k": "v"}))
	default:
		t.Fatalf("a setting of type %v", v.Type())
	}
}

func TestTeamSharesOut(t *testing.T) {
	t.Parallel()
	cfg := config.Default()
	cfg.Server.NodeID, cfg.Server.Processes, cfg.Admin.Listen = "gw", 3, "[::1]:18100"
	team := newTeam(cfg, nil, nil)
	if want := []string{"gw-1", "gw-2", "gw-3"}; !slices.Equal(team.names, want) {
		t.Errorf("names: got %q, want %q", team.names, want)
	}
	for i, c := range team.configs {
		want := cfg
		want.Server.Processes = 1
		want.Server.NodeID = team.names[i]
		want.Server.EventLoops = max(1, runtime.GOMAXPROCS(0)/3)
		want.Admin.Listen = fmt.Sprintf("[::1]:%d", 18100+i)
		if !reflect.DeepEqual(c, want) {
			t.Errorf("worker %d: got %+v\nwant %+v", i+1, c, want)
		}
	}
	cfg.Server.EventLoops = 5
	if got := newTeam(cfg, nil, nil).configs[2].Server.EventLoops; got != 5 {
		t.Errorf("event loops that were asked for: got %d, want 5", got)
	}
	if newTeam(cfg, nil, nil).owner == team.owner || team.owner == "" {
		t.Error("two supervisors are the same owner")
	}
}

func TestCountUp(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{":18100": ":18102", "h:1": "h:3", "[::]:5": "[::]:7", "127.0.0.1:0": "127.0.0.1:0", "": ""} {
		if got := countUp(address, 2); got != want {
			t.Errorf("%q: got %q, want %q", address, got, want)
		}
	}
}

// TestWorkersTextIsTold is for what a worker writes to its standard error in each format of the log.
func TestWorkersTextIsTold(t *testing.T) {
	t.Parallel()
	cfg := config.Default()
	cfg.Server.NodeID, cfg.Server.Processes = "gw", 2
	const text = "panic: \"boom\"\n\ngoroutine 1\n"
	if got, want := string(newTeam(cfg, nil, nil).told(1, []byte(text))), "worker=gw-2 panic: \"boom\"\nworker=gw-2 \nworker=gw-2 goroutine 1\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	cfg.Log.Format = config.LogJSON
	var record struct{ Worker, Text string }
	line := newTeam(cfg, nil, nil).told(1, []byte(text))
	if err := json.Unmarshal(line, &record); err != nil || record.Worker != "gw-2" || record.Text != text || strings.Count(string(line), "\n") != 1 {
		t.Errorf("got %q, %v", line, err)
	}
}

// TestVerdictIsThatOfTheWorst makes an exit code of how the workers ended.
func TestVerdictIsThatOfTheWorst(t *testing.T) {
	t.Parallel()
	ok, failed := supervise.Exit{}, supervise.Exit{Code: 1}
	late, drain := supervise.Exit{Signal: syscall.SIGKILL, Late: true}, supervise.Exit{Code: int(exitDrain)}
	for want, outcomes := range map[exitCode][]supervise.Outcome{
		exitOK:    {{}, {Exits: []supervise.Exit{ok, ok}}},
		exitDrain: {{Exits: []supervise.Exit{ok, drain, ok}}, {Exits: []supervise.Exit{late, ok}}},
		exitFailure: {
			{Exits: []supervise.Exit{ok, drain, failed}}, {Exits: []supervise.Exit{failed, late, ok}},
			{Exits: []supervise.Exit{{Code: 2}}}, // a panic of Go, not a wrong command line
			{Exits: []supervise.Exit{{Signal: syscall.SIGKILL}}},
			{Err: fmt.Errorf("%w within %v", supervise.ErrNeverServed, time.Minute), Exits: []supervise.Exit{drain}},
		},
		exitConfig: {{Err: &supervise.FinalError{Exit: supervise.Exit{Code: int(exitConfig)}}, Exits: []supervise.Exit{failed}}},
		exitListen: {{Err: &supervise.FinalError{Exit: supervise.Exit{Code: int(exitListen)}}}},
	} {
		for _, o := range outcomes {
			err := run(func(*cobra.Command, []string) error { return verdict(o) })(nil, nil)
			if got := codeOf(err); got != want {
				t.Errorf("%+v: got %d (%v), want %d", o, got, err, want)
			}
		}
	}
}

func TestFinalExits(t *testing.T) {
	t.Parallel()
	for code := range 256 {
		if got, want := isFinal(supervise.Exit{Code: code}), code == int(exitConfig) || code == int(exitListen); got != want {
			t.Errorf("code %d: got %v", code, got)
		}
	}
	if isFinal(supervise.Exit{Signal: syscall.SIGKILL, Code: int(exitConfig)}) || isFinal(supervise.Exit{Err: errors.New("no memory")}) {
		t.Error("a death is final")
	}
}
