package live

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/term"
	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"carillon/bench/internal/await"
	"carillon/bench/report"
)

func openScreen(t testing.TB, e *terminal, opt Options) Display {
	t.Helper()
	opt.Out, opt.In, opt.Mode = e.tty, e.tty, Screen
	if opt.Color == ColorAuto {
		opt.Color = ColorNever
	}
	d, err := New(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

func goldenFile(name string) string { return filepath.Join("testdata", "screen", name+".txt") }

func golden(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(goldenFile(name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(goldenFile(name)), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(goldenFile(name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestGoldenScreens(t *testing.T) {
	runs := map[string]func(int) report.Progress{"heartbeat": heartbeatRun, "troubled": troubledRun, "crowded": crowdedRun}
	for _, size := range [][2]int{{80, 24}, {40, 12}, {200, 60}, {20, 5}} {
		for name, run := range runs {
			name := fmt.Sprintf("%s-%dx%d", name, size[0], size[1])
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				e := newTerminal(t, size[0], size[1])
				d := openScreen(t, e, Options{})
				for n := 1; n < 40; n++ {
					d.Show(run(n))
				}
				d.Show(run(40))
				if *update {
					time.Sleep(time.Second) // somebody looks at what is written
					write(t, name, e.text()+"\n")
				}
				want := golden(t, name)
				for end := time.Now().Add(patience); e.text()+"\n" != want; time.Sleep(5 * time.Millisecond) {
					if time.Now().After(end) {
						t.Fatalf("got:\n%s\nwant:\n%s", e.text(), want)
					}
				}
				if err := d.Close(); err != nil {
					t.Error(err)
				}
				e.restored()
			})
		}
	}
}

// Every row fits at every size, and there are as many as the screen has.
func TestViewFitsEverySize(t *testing.T) {
	h := newHistory()
	for n := 1; n <= 70; n++ {
		p := troubledRun(n)
		h.add(&p)
	}
	runs := []report.Progress{heartbeatRun(3), heartbeatRun(40), troubledRun(40), crowdedRun(40), {}}
	for i, p := range runs {
		for _, width := range []int{1, 2, 5, 8, 13, 20, 27, 33, 40, 55, 80, 120} {
			for _, height := range []int{1, 2, 3, 4, 5, 6, 8, 10, 12, 17, 24, 50} {
				v := view{styles: newStyles(os.Stderr, ColorAlways), p: p, history: h, width: width, height: height}
				rows := v.render()
				if len(rows) != height {
					t.Fatalf("run %d at %dx%d: %d rows", i, width, height, len(rows))
				}
				for _, row := range rows {
					if w := ansi.StringWidth(row); w > width {
						t.Fatalf("run %d at %dx%d: row of %d cells: %q", i, width, height, w, row)
					}
				}
			}
		}
	}
}

func TestScreenFollowsResize(t *testing.T) {
	e := newTerminal(t, 80, 24)
	d := openScreen(t, e, Options{})
	d.Show(heartbeatRun(40))
	e.shows("0:40")
	e.resize(40, 12)
	e.until("the screen is narrow", func() bool { return golden(t, "heartbeat-40x12") == e.text()+"\n" })
	e.resize(80, 24)
	e.until("the screen is wide again", func() bool { return strings.Contains(e.text(), "last second") })
}

func TestScreenOfFixedSize(t *testing.T) {
	e := newTerminal(t, 80, 24)
	d := openScreen(t, e, Options{Width: 60, Height: 10})
	d.Show(heartbeatRun(40))
	e.shows("0:40")
	rows := strings.Split(e.text(), "\n")
	if len(rows) > 10 {
		t.Errorf("%d rows, want 10 at most", len(rows))
	}
	for _, row := range rows {
		if w := ansi.StringWidth(row); w > 60 {
			t.Errorf("row of %d cells, want 60 at most: %q", w, row)
		}
	}
}

func TestScreenInterrupt(t *testing.T) {
	for _, key := range []string{"q", "\x03"} {
		t.Run(fmt.Sprintf("%q", key), func(t *testing.T) {
			var interrupts, kills counter
			e := newTerminal(t, 80, 24)
			d := openScreen(t, e, Options{OnInterrupt: interrupts.call, OnKill: kills.call})
			d.Show(heartbeatRun(40))
			e.shows("0:40")
			if !e.isRaw() {
				t.Fatal("Ctrl-C would be a signal")
			}
			e.press("x")
			e.press(key)
			await.Until(t, "OnInterrupt is called", func() bool { return interrupts.Load() == 1 })
			e.shows("ending…")
			d.Show(heartbeatRun(41))
			e.shows("0:41")
			if n := kills.Load(); n != 0 {
				t.Fatalf("OnKill called %d times after one press", n)
			}
			e.press(key)
			await.Until(t, "OnKill is called", func() bool { return kills.Load() == 1 })
			e.shows("ending at once")
			e.press(key)
			d.Show(heartbeatRun(42))
			e.shows("0:42")
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
			if i, k := interrupts.Load(), kills.Load(); i != 1 || k != 1 {
				t.Errorf("OnInterrupt called %d times, OnKill %d times", i, k)
			}
			e.restored()
		})
	}
}

func TestScreenScrolls(t *testing.T) {
	e := newTerminal(t, 80, 12)
	d := openScreen(t, e, Options{})
	d.Show(crowdedRun(40))
	e.shows("scenario-01")
	e.press("\x1b[B")
	e.shows("scenario-02")
	e.until("the first scenario is scrolled off", func() bool { return !strings.Contains(e.text(), "scenario-01") })
	e.press("k")
	e.shows("scenario-01")
	for range 40 {
		e.press("j")
	}
	e.shows("scenario-30")
}

// What a server says cannot steer the terminal.
func TestScreenIsNotSteered(t *testing.T) {
	e := newTerminal(t, 120, 40)
	d := openScreen(t, e, Options{})
	p := troubledRun(40)
	p.Name = "evil \x1b]0;title\x07"
	p.Warnings = []string{"warn \x1b[31m red \u202e turned"}
	d.Show(p)
	e.shows("0:40")
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"\x1b[2Jslow", "\x1b]0;", "\x1b[31m", "\u202e"} {
		if strings.Contains(e.sent(), bad) {
			t.Errorf("the terminal was sent %q", bad)
		}
	}
}

// A second state changes only the rows that differ: the screen is not cleared
// and drawn again.
func TestScreenDoesNotFlicker(t *testing.T) {
	e := newTerminal(t, 80, 24)
	d := openScreen(t, e, Options{})
	d.Show(heartbeatRun(40))
	e.shows("q: end the run and report") // the last row
	before := len(e.sent())
	d.Show(heartbeatRun(41))
	e.shows("0:41")
	more := e.sent()[before:]
	if strings.Contains(more, "\x1b[2J") || strings.Contains(more, "\x1b[J") {
		t.Errorf("the screen was cleared: %q", more)
	}
	if strings.Contains(more, "somaxconn") {
		t.Errorf("a row that did not change was sent again: %q", more)
	}
}

func TestScreenColors(t *testing.T) {
	for color, want := range map[Color]bool{ColorAlways: true, ColorNever: false} {
		e := newTerminal(t, 80, 24)
		d := openScreen(t, e, Options{Color: color})
		d.Show(troubledRun(40))
		e.shows("0:40")
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(e.sent(), "\x1b[1;31m"); got != want {
			t.Errorf("colour %v: red text %t, want %t", color, got, want)
		}
	}
}

// A panic of the screen ends the screen, and the run goes on as lines.
func TestScreenPanic(t *testing.T) {
	e := newTerminal(t, 80, 24)
	opt := Options{Out: e.tty, In: e.tty, Mode: Screen, Color: ColorNever, Every: DefaultEvery}
	m, calls := newModel(opt), 0
	m.now = func() time.Time {
		if calls++; calls > 1 {
			panic("no time")
		}
		return time.Now()
	}
	s, err := startScreen(opt, m)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.Show(heartbeatRun(40))
	e.shows("0:40")
	s.Show(heartbeatRun(41))
	e.restored()
	// The state that comes as the screen ends is lost.
	e.until("the run is shown as lines", func() bool {
		s.Show(heartbeatRun(43))
		return strings.Contains(e.text(), "t=43.0s")
	})
	if err := s.Close(); err == nil || !strings.Contains(err.Error(), "BUG: the screen panicked: no time") {
		t.Errorf("Close: %v, want the panic", err)
	}
}

// A terminal that takes nothing holds nobody up.
func TestScreenStuckTerminal(t *testing.T) {
	master, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	before, err := term.GetState(tty.Fd())
	if err != nil {
		t.Fatal(err)
	}
	var filling sync.WaitGroup
	filling.Go(func() { _, _ = tty.Write(make([]byte, 1<<20)) })
	await.Until(t, "the terminal is full", func() bool {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(master.Fd()), Events: unix.POLLIN}}, 0)
		return n == 1 && err == nil
	})
	d, err := New(Options{Out: tty, In: tty, Mode: Screen})
	if err != nil {
		t.Fatal(err)
	}
	for n := range 2000 {
		d.Show(heartbeatRun(n))
	}
	if err := d.Close(); !errors.Is(err, errStuck) {
		t.Errorf("Close: %v, want %v", err, errStuck)
	}
	if after, err := term.GetState(tty.Fd()); err != nil || *after != *before {
		t.Errorf("the settings of the terminal were not restored (%v)", err)
	}
	_ = master.Close() // ends the writes that hang
	filling.Wait()
	<-d.(*screen).done
	_ = tty.Close()
}

// A run that is ended elsewhere is said to end, and a key then ends it at once.
func TestScreenEnding(t *testing.T) {
	var interrupts, kills counter
	e := newTerminal(t, 80, 24)
	d := openScreen(t, e, Options{OnInterrupt: interrupts.call, OnKill: kills.call})
	d.Show(heartbeatRun(40))
	e.shows("q: end the run and report")
	Ending(Multi(quiet{}, d))
	e.shows("ending…")
	e.press("q")
	await.Until(t, "OnKill is called", func() bool { return kills.Load() == 1 })
	if n := interrupts.Load(); n != 0 {
		t.Errorf("OnInterrupt called %d times", n)
	}
}
