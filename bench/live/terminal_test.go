package live

import (
	"bufio"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"unicode/utf8"

	"github.com/charmbracelet/x/term"
	"github.com/creack/pty"
	"github.com/hinshun/vt10x"

	"carillon/bench/internal/await"
)

// terminal is a pseudo terminal with somebody who looks at it.
type terminal struct {
	t        testing.TB
	tty      *os.File // the program's side
	keyboard *os.File // the other side
	before   *term.State

	mu       sync.Mutex
	emulator vt10x.Terminal
	raw      strings.Builder
}

func newTerminal(t testing.TB, width, height int) *terminal {
	t.Helper()
	master, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	e := &terminal{t: t, tty: tty, keyboard: master, emulator: vt10x.New(vt10x.WithSize(width, height))}
	e.setSize(width, height)
	if e.before, err = term.GetState(tty.Fd()); err != nil {
		t.Fatal(err)
	}
	var reading sync.WaitGroup
	reading.Go(func() {
		in := bufio.NewReader(master)
		for {
			// The emulator loses a character that comes in two pieces.
			r, _, err := in.ReadRune()
			if err != nil {
				return
			}
			e.mu.Lock()
			e.raw.WriteRune(r)
			_, _ = e.emulator.Write(utf8.AppendRune(nil, r))
			e.mu.Unlock()
		}
	})
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("screen:\n%s", e.text())
		}
		_ = tty.Close()
		_ = master.Close()
		reading.Wait()
	})
	return e
}

func (e *terminal) setSize(width, height int) {
	e.t.Helper()
	if err := pty.Setsize(e.tty, &pty.Winsize{Cols: uint16(width), Rows: uint16(height)}); err != nil {
		e.t.Fatal(err)
	}
}

// resize changes the size as a window does, and tells this process.
func (e *terminal) resize(width, height int) {
	e.t.Helper()
	e.mu.Lock()
	e.emulator.Resize(width, height)
	e.mu.Unlock()
	e.setSize(width, height)
	if err := syscall.Kill(os.Getpid(), syscall.SIGWINCH); err != nil {
		e.t.Fatal(err)
	}
}

// text is what the screen shows, without blanks at the ends of its rows.
func (e *terminal) text() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	rows := strings.Split(e.emulator.String(), "\n")
	for i := range rows {
		rows[i] = strings.TrimRight(rows[i], " ")
	}
	return strings.TrimRight(strings.Join(rows, "\n"), "\n")
}

// sent is every byte that the program wrote.
func (e *terminal) sent() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.raw.String()
}

func (e *terminal) press(keys string) {
	e.t.Helper()
	if _, err := e.keyboard.WriteString(keys); err != nil {
		e.t.Fatal(err)
	}
}

// shows waits until the screen has a text on it.
func (e *terminal) shows(text string) {
	e.t.Helper()
	e.until("the screen shows "+text, func() bool { return strings.Contains(e.text(), text) })
}

func (e *terminal) until(what string, condition func() bool) {
	e.t.Helper()
	await.Until(e.t, what, condition)
}

// isRaw reports whether keys come through as they are pressed.
func (e *terminal) isRaw() bool {
	e.t.Helper()
	now, err := term.GetState(e.tty.Fd())
	if err != nil {
		e.t.Fatal(err)
	}
	return *now != *e.before
}

// restored fails unless the terminal is as it was found.
func (e *terminal) restored() {
	e.t.Helper()
	e.until("the terminal has the settings it was found with", func() bool { return !e.isRaw() })
	e.until("the terminal left the alternate screen and shows its cursor", func() bool {
		e.mu.Lock()
		defer e.mu.Unlock()
		return e.emulator.Mode()&vt10x.ModeAltScreen == 0 && e.emulator.CursorVisible()
	})
}
