package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"carillon/bench/report"
)

// startBench runs carillon bench in a process group of its own, as a terminal has
// it, and waits until it measures. prefix are the words of a command that runs it.
func startBench(t *testing.T, prefix []string, args ...string) *process {
	t.Helper()
	words := append(append(prefix, "carillon", "bench", "echo"), args...)
	cmd := exec.CommandContext(t.Context(), words[0], words[1:]...)
	cmd.Dir = t.TempDir()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = time.Minute
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, cmd: cmd, log: newLogBuffer(stderr)}
	p.log.waitFor(t, "phase=measure")
	return p
}

// signalGroup sends a signal to the process and its workers.
func (p *process) signalGroup(sig syscall.Signal) {
	p.t.Helper()
	if err := syscall.Kill(-p.cmd.Process.Pid, sig); err != nil {
		p.t.Fatal(err)
	}
}

// ended is the exit code.
func (p *process) ended() int {
	p.t.Helper()
	p.log.all()
	err := p.cmd.Wait()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode()
	} else if err != nil {
		p.t.Fatal(err)
	}
	return 0
}

// TestBenchReportsWhenInterrupted: whatever asks for the end, there is a report.
func TestBenchReportsWhenInterrupted(t *testing.T) {
	t.Parallel()
	url := startEcho(t, 0)
	for _, sig := range endSignals {
		p := startBench(t, nil, url, "-c5", "-r50", "-d1m", "--warmup=0s", "--progress=lines", "--json=r.json")
		p.signalGroup(sig.(syscall.Signal))
		// 97: the machine was too busy for figures.
		if code := report.ExitCode(p.ended()); code != report.ExitInterrupted && code != report.ExitNoResult {
			t.Errorf("%v: got exit code %d, want %d", sig, code, report.ExitInterrupted)
		}
		f, err := os.Open(filepath.Join(p.cmd.Dir, "r.json"))
		if err != nil {
			t.Errorf("%v: %v", sig, err)
			continue
		}
		r, err := report.Read(f)
		_ = f.Close()
		if err != nil || r.Scenarios[0].Measured.Counts.Arrivals == 0 || !slices.Contains(r.Reasons, "ended early") {
			t.Errorf("%v: got %+v, %v", sig, r, err)
		}
	}
}

// TestBenchEndsOnSecondSignal: its code tells which.
func TestBenchEndsOnSecondSignal(t *testing.T) {
	t.Parallel()
	url := startEcho(t, 1) // nothing comes back, which is waited for
	for _, sig := range endSignals {
		p := startBench(t, nil, url, "-c5", "-r50", "-d1m", "--settle=1m", "--reply-timeout=1m", "--warmup=0s", "--progress=lines")
		p.signal(syscall.SIGTERM)
		p.log.waitFor(t, "once more")
		p.signal(sig.(syscall.Signal))
		if code := p.ended(); code != 128+int(sig.(syscall.Signal)) {
			t.Errorf("%v: got exit code %d, want %d", sig, code, 128+int(sig.(syscall.Signal)))
		}
	}
}

// TestBenchUnderNohup: a run that shall outlive its terminal does.
func TestBenchUnderNohup(t *testing.T) {
	t.Parallel()
	p := startBench(t, []string{"nohup"}, startEcho(t, 0), "-c5", "-r50", "-d1s", "--warmup=0s", "--progress=lines")
	p.signalGroup(syscall.SIGHUP)
	if code := report.ExitCode(p.ended()); code != report.ExitPassed && code != report.ExitNoResult {
		t.Errorf("got exit code %d, want %d", code, report.ExitPassed)
	}
}

// TestBenchWritesFilesFirst: when standard output has gone, the files are there.
func TestBenchWritesFilesFirst(t *testing.T) {
	t.Parallel()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer full.Close()
	cmd := exec.CommandContext(t.Context(), "carillon", "bench", "echo", startEcho(t, 0), "-c5", "-r50", "-d100ms", "--warmup=0s", "--json=r.json")
	cmd.Dir, cmd.Stdout = t.TempDir(), full
	if err := cmd.Run(); err == nil {
		t.Error("a report that could not be printed is no error")
	}
	if _, err := os.Stat(filepath.Join(cmd.Dir, "r.json")); err != nil {
		t.Error(err)
	}
}
