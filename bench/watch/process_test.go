package watch

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"carillon/bench/internal/await"
	"carillon/bench/report"
)

func linuxOnly(t *testing.T) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip(notHere)
	}
}

// mentions says whether one of the texts holds s.
func mentions(texts []string, s string) bool {
	return slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(text, s) })
}

func TestWatchPID(t *testing.T) {
	t.Parallel()
	linuxOnly(t)
	f := startFollower(t)
	f.order(t, "burn 200") // before it is watched
	w := WatchPID(f.pid())
	defer w.Close()
	w.Begin()
	f.order(t, "burn 150") // before the measured period
	f.order(t, "hold 20")
	f.order(t, "open 30")
	w.MeasureFrom()
	f.order(t, "burn 300")
	w.MeasureTo()
	f.order(t, "burn 200") // after it
	f.order(t, "hold 20")
	w.Close()
	s := w.Server(1000, 2_000_000, 500_000)[0]

	if want := fmt.Sprintf("pid %d watch.test", f.pid()); s.Source != want {
		t.Errorf("got source %q, want %q", s.Source, want)
	}
	if len(s.Missing) != 0 {
		t.Errorf("missing: %v", s.Missing)
	}
	// 300 ms burnt, two roundings to 10 ms, and the process's own runtime.
	if s.CPUSeconds < 0.28 || s.CPUSeconds > 0.48 {
		t.Errorf("got %v CPU seconds, want 0.3", s.CPUSeconds)
	}
	if d := s.UserSeconds + s.SysSeconds - s.CPUSeconds; d < -1e-9 || d > 1e-9 {
		t.Errorf("got user %v and system %v of %v", s.UserSeconds, s.SysSeconds, s.CPUSeconds)
	}
	if grown := s.RSS - s.RSSBefore; grown < 20<<20 || grown > 35<<20 {
		t.Errorf("RSS grew from %d by %d, want 20 MiB and little more", s.RSSBefore, grown)
	}
	if s.RSSMax < s.RSS || s.PSS < 20<<20 || s.PSS > s.RSSMax {
		t.Errorf("got RSS %d, highest %d, PSS %d", s.RSS, s.RSSMax, s.PSS)
	}
	if want := float64(s.RSS-s.RSSBefore) / 1000; s.PerConn != want {
		t.Errorf("got %v per connection, want %v", s.PerConn, want)
	}
	if s.CPUPerMSent != s.CPUSeconds/2 || s.CPUPerMRecv != s.CPUSeconds*2 {
		t.Errorf("got %v and %v per million of %v", s.CPUPerMSent, s.CPUPerMRecv, s.CPUSeconds)
	}
	if names, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", f.pid())); s.FDs != len(names) || s.FDs < 30 {
		t.Errorf("got %d descriptors, want %d", s.FDs, len(names))
	}
	if s.Threads < 2 {
		t.Errorf("got %d threads", s.Threads)
	}
}

func TestWatchGoesOn(t *testing.T) {
	t.Parallel()
	linuxOnly(t)
	f := startFollower(t)
	w := WatchPID(f.pid())
	defer w.Close()
	if p := w.Progress(); len(p) != 1 || p[0].Last.T != 0 || p[0].Source != fmt.Sprintf("pid %d", f.pid()) {
		t.Errorf("before Begin: got %+v", p)
	}
	w.Begin()
	f.order(t, "burn 100")
	await.Until(t, "two looks", func() bool { return len(w.Server(0, 0, 0)[0].Series) >= 2 }, func() any { return w.Server(0, 0, 0) })
	s := w.Server(0, 0, 0)[0]
	if p := s.Series[0]; p.CPU < 0.05 || p.RSS == 0 || p.PSS == 0 || p.FDs == 0 || p.T <= 0 {
		t.Errorf("got %+v", p)
	}
	if p := w.Progress()[0]; p.Source != s.Source || p.Last.T < s.Series[1].T {
		t.Errorf("got %+v, want the last of %+v", p, s.Series)
	}
	if s.CPUSeconds < 0.09 {
		t.Errorf("without marks: got %v CPU seconds since Begin", s.CPUSeconds)
	}
}

func TestWatchTree(t *testing.T) {
	t.Parallel()
	linuxOnly(t)
	f := startFollower(t)
	child, err := strconv.Atoi(f.order(t, "spawn"))
	if err != nil {
		t.Fatal(err)
	}
	f.order(t, "pass spawn")
	// The child is watched with its parent, and not once more.
	alone, tree := WatchPID(f.pid()), WatchTree(child, f.pid())
	defer alone.Close()
	defer tree.Close()
	alone.Begin()
	tree.Begin()
	f.order(t, "pass burn 150")
	f.order(t, "pass pass burn 150")
	f.order(t, "pass pass hold 20")
	alone.MeasureTo()
	tree.MeasureTo()
	if n := len(tree.Server(0, 0, 0)); n != 1 {
		t.Fatalf("got %d servers, want 1 of parent and child", n)
	}
	one, all := alone.Server(0, 0, 0)[0], tree.Server(0, 0, 0)[0]
	if all.CPUSeconds < 0.27 || all.CPUSeconds > 0.6 || one.CPUSeconds > 0.1 {
		t.Errorf("got %v CPU seconds of the tree and %v of its root, want 0.3 and 0", all.CPUSeconds, one.CPUSeconds)
	}
	if all.RSS-all.RSSBefore < 20<<20 || one.RSS-one.RSSBefore > 5<<20 {
		t.Errorf("got growth of %d of the tree and %d of its root", all.RSS-all.RSSBefore, one.RSS-one.RSSBefore)
	}
	if want := fmt.Sprintf("pid %d watch.test and 2 descendants", f.pid()); all.Source != want {
		t.Errorf("got source %q, want %q", all.Source, want)
	}
	if len(all.Missing) != 0 {
		t.Errorf("missing: %v", all.Missing)
	}

	// The middle one ends: its CPU stays counted, and its own child watched.
	if err := syscall.Kill(child, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	f.order(t, "bury")
	tree.MeasureTo()
	after := tree.Server(0, 0, 0)[0]
	if after.CPUSeconds < all.CPUSeconds || !mentions(after.Missing, "1 descendant ended") {
		t.Errorf("got %v CPU seconds, before %v; missing %v", after.CPUSeconds, all.CPUSeconds, after.Missing)
	}
}

func TestWatchPIDThatEnds(t *testing.T) {
	t.Parallel()
	linuxOnly(t)
	f := startFollower(t)
	w := WatchPID(f.pid())
	defer w.Close()
	w.Begin()
	f.order(t, "burn 100")
	f.order(t, "hold 20")
	w.MeasureFrom()
	f.order(t, "burn 100")
	if err := f.in.Close(); err != nil {
		t.Fatal(err)
	}
	// It is not waited for yet: a zombie, whose CPU is whole.
	await.Until(t, "the process ends", func() bool {
		s, err := newProcReader("").stat(f.pid())
		return err == nil && s.ended()
	}, func() any { return f.pid() })
	w.MeasureTo()
	f.end()
	w.MeasureTo()
	s := w.Server(1, 1, 1)[0]
	if s.CPUSeconds < 0.08 || s.RSS < 20<<20 || s.RSSBefore == 0 {
		t.Errorf("got %v CPU seconds, RSS %d after %d", s.CPUSeconds, s.RSS, s.RSSBefore)
	}
	if !mentions(s.Missing, "watch.test ended after") || len(s.Missing) != 1 {
		t.Errorf("missing: %v", s.Missing)
	}
}

func TestWatchPIDThatIsNotThere(t *testing.T) {
	t.Parallel()
	f := startFollower(t)
	f.end()
	w := WatchPID(f.pid())
	defer w.Close()
	w.Begin()
	w.MeasureFrom()
	w.MeasureTo()
	s := w.Server(1, 1, 1)[0]
	if want := fmt.Sprintf("pid %d: no such process", f.pid()); runtime.GOOS == "linux" && !mentions(s.Missing, want) {
		t.Errorf("missing: %v, want %q", s.Missing, want)
	}
	if s.CPUSeconds != 0 || s.RSS != 0 || s.PerConn != 0 || s.Threads != 0 || s.FDs != 0 || s.PSS != 0 || s.RSSMax != 0 {
		t.Errorf("got figures: %+v", s)
	}
}

func TestWatchPIDOfAnotherUser(t *testing.T) {
	t.Parallel()
	linuxOnly(t)
	if os.Getuid() != 0 {
		t.Skip("only root can start a process of another user")
	}
	dir, err := os.MkdirTemp("", "watch")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	self, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "watch.test")
	if err := os.WriteFile(name, self, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(name)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	f, err := follow(cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.end)
	got := f.order(t, "watch "+strconv.Itoa(os.Getpid()))
	if want := fmt.Sprintf("PSS of pid %d: permission denied", os.Getpid()); !strings.Contains(got, want) {
		t.Errorf("got %q, want %q in it", got, want)
	}
}

// TestWatchPIDThatIsReused has another process take the number.
func TestWatchPIDThatIsReused(t *testing.T) {
	t.Parallel()
	p := procStat{comm: "server", state: 'S', parent: 1, user: 100, sys: 50, threads: 3, start: 1000, pages: 10}
	r := machine(t, map[string]string{"/proc/4711/stat": statLine(p), "/proc/4711/fd/0": "", "/proc/4711/fd/1": ""})
	w := watch(r, Servers{PIDs: []int{4711}})
	defer w.Close()
	w.Begin()
	p.user += 100
	r.write(t, "/proc/4711/stat", statLine(p))
	w.MeasureFrom()
	p.user += 200
	r.write(t, "/proc/4711/stat", statLine(p))
	w.mark(between)
	r.write(t, "/proc/4711/stat", statLine(procStat{comm: "other", state: 'S', parent: 1, user: 9000, threads: 99, start: 2000, pages: 9999}))
	w.MeasureTo()
	s := w.Server(0, 0, 0)[0]
	if s.CPUSeconds != 2 || s.UserSeconds != 2 || s.SysSeconds != 0 || s.Threads != 3 || s.FDs != 2 || s.RSS != 10*int64(os.Getpagesize()) {
		t.Errorf("got %+v, want the figures of the first process", s)
	}
	if !mentions(s.Missing, "another process has its number") || !mentions(s.Missing, "PSS of pid 4711") {
		t.Errorf("missing: %v", s.Missing)
	}
	// Nor does the other one come back as the server.
	w.MeasureTo()
	if again := w.Server(0, 0, 0)[0]; again.CPUSeconds != 2 {
		t.Errorf("later: got %+v", again)
	}
}

// TestWatchPIDThatIsReusedForReal has the kernel give the number away.
func TestWatchPIDThatIsReusedForReal(t *testing.T) {
	t.Parallel()
	linuxOnly(t)
	const last = "/proc/sys/kernel/ns_last_pid"
	f := startFollower(t)
	w := WatchPID(f.pid())
	defer w.Close()
	w.Begin()
	f.order(t, "burn 100")
	w.MeasureTo()
	before := w.Server(1, 1, 1)[0]
	f.end()
	for range 100 {
		if err := os.WriteFile(last, []byte(strconv.Itoa(f.pid()-1)), 0o644); err != nil {
			t.Skip("only root can choose the next pid: ", err)
		}
		if g := startFollower(t); g.pid() == f.pid() {
			g.order(t, "burn 200")
			w.MeasureTo()
			s := w.Server(1, 1, 1)[0]
			if s.CPUSeconds < 0.08 || s.CPUSeconds > before.CPUSeconds+0.1 || s.RSS != before.RSS && s.RSS > 2*before.RSS {
				t.Errorf("got %+v, want the figures of the first process: %+v", s, before)
			}
			if !mentions(s.Missing, "another process has its number") {
				t.Errorf("missing: %v", s.Missing)
			}
			return
		}
	}
	t.Skip("others took the number every time")
}

// TestMarksAfterClose would read descriptors that are somebody else's by then.
func TestMarksAfterClose(t *testing.T) {
	t.Parallel()
	w := WatchPID(os.Getpid())
	w.Begin()
	w.MeasureTo()
	before := w.Server(1, 1, 1)[0]
	w.Close()
	w.MeasureTo()
	if after := w.Server(1, 1, 1)[0]; !reflect.DeepEqual(after, before) {
		t.Errorf("got %+v, before Close %+v", after, before)
	}
}

func TestWatchReadsPeakBetweenLooks(t *testing.T) {
	t.Parallel()
	p := procStat{comm: "server", state: 'S', start: 1, threads: 1, pages: 10}
	r := machine(t, map[string]string{"/proc/4711/stat": statLine(p), "/proc/4711/status": "VmHWM:\t  1000 kB\n", "/proc/4711/smaps_rollup": "x [rollup]\nRss: 40 kB\nPss: 20 kB\n"})
	w := watch(r, Servers{PIDs: []int{4711}})
	defer w.Close()
	w.Begin()
	w.MeasureTo()
	if s := w.Server(0, 0, 0)[0]; s.RSSMax != 40<<10 || s.RSS != 40<<10 || s.PSS != 20<<10 {
		t.Errorf("a peak from before: got %+v", s)
	}
	r.write(t, "/proc/4711/status", "VmHWM:\t  5000 kB\n")
	w.MeasureTo()
	if s := w.Server(0, 0, 0)[0]; s.RSSMax != 5000<<10 {
		t.Errorf("a peak during the run: got %d, want %d", s.RSSMax, 5000<<10)
	}
}

func TestNamesArePrintable(t *testing.T) {
	t.Parallel()
	p := procStat{comm: "\x1b[2Jé\xff\n", state: 'S', start: 1, threads: 1, pages: 1}
	w := watch(machine(t, map[string]string{"/proc/4711/stat": statLine(p)}), Servers{PIDs: []int{4711}})
	defer w.Close()
	w.Begin()
	if got, want := w.Server(0, 0, 0)[0].Source, "pid 4711 ?[2Jé\ufffd?"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestProcErrors(t *testing.T) {
	t.Parallel()
	if got := procError(fs.ErrPermission); !strings.Contains(got, "permission denied") {
		t.Errorf("got %q", got)
	}
	if got := procError(errStat); got != errStat.Error() {
		t.Errorf("got %q", got)
	}
}

func TestSeriesIsBounded(t *testing.T) {
	t.Parallel()
	var s series
	work := 0.0
	const n = 100_000
	for i := range n {
		cpu := float64(i % 7)
		work += cpu
		s.add(report.ServerPoint{T: float64(i + 1), CPU: cpu, RSS: int64(i)})
	}
	if len(s.points) >= maxPoints || len(s.points) < maxPoints/2 {
		t.Errorf("got %d points, want %d to %d", len(s.points), maxPoints/2, maxPoints)
	}
	got, from := 0.0, 0.0
	for _, p := range s.points {
		if p.T <= from {
			t.Fatalf("time goes from %v to %v", from, p.T)
		}
		if p.RSS != int64(p.T)-1 {
			t.Fatalf("got %+v, want the RSS of its time", p)
		}
		got += p.CPU * (p.T - from)
		from = p.T
	}
	if want := work * from / n; got < want*0.999 || got > want*1.001 {
		t.Errorf("got %v CPU seconds in all, want %v", got, want)
	}
}

func TestSeriesOfUnequalSteps(t *testing.T) {
	t.Parallel()
	var s series
	now := 0.0
	for i := range maxPoints {
		now += 1 + float64(i%2) // 1 s, 2 s, …
		s.add(report.ServerPoint{T: now, CPU: float64(i % 2)})
	}
	if len(s.points) != maxPoints/2 {
		t.Fatalf("got %d points", len(s.points))
	}
	for _, p := range s.points {
		if d := p.CPU - 2.0/3; d < -1e-9 || d > 1e-9 {
			t.Fatalf("got %+v, want CPU 2/3", p)
		}
	}
}

func TestCloseWithoutBegin(t *testing.T) {
	t.Parallel()
	w := Watch(Servers{PIDs: []int{os.Getpid()}, MetricsURLs: []string{"http://127.0.0.1:1/"}})
	w.Close()
	w.Begin() // does nothing any more
	w.Close()
	if s := w.Server(1, 1, 1); len(s) != 2 {
		t.Errorf("got %+v", s)
	}
}

// BenchmarkLook is one look at one process: every second, and deep.
func BenchmarkLook(b *testing.B) {
	probe := newProcessProbe("", os.Getpid(), nil)
	probe.look(false)
	for _, deep := range []bool{false, true} {
		b.Run("deep="+strconv.FormatBool(deep), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				probe.look(deep)
			}
		})
	}
}
