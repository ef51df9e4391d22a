package live

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"carillon/bench/report"
)

// Display shows a run to somebody.
type Display interface {
	// Show hands over the state of the run, which must not be changed from then
	// on. It does not block and does nothing after Close. Any goroutine.
	Show(p report.Progress)
	// Close shows what was handed over, gives the terminal back as it was found
	// and ends the display's goroutines. It waits two seconds at most for an
	// output that takes nothing, and returns the first error of writing. A
	// second call does nothing. Any goroutine.
	Close() error
}

// DefaultEvery is how often [Lines] says how the run stands.
const DefaultEvery = 5 * time.Second

// Options says how a run is shown.
type Options struct {
	Out   io.Writer     // where to; nil: os.Stderr
	In    *os.File      // the keyboard; nil, or not a terminal: none
	Mode  Mode          // default Auto
	Color Color         // of Screen; default ColorAuto
	Every time.Duration // of Lines, by the run's clock; default DefaultEvery
	// Width and Height of Screen in cells; 0: those of the terminal, followed
	// when it is resized.
	Width, Height int

	// OnInterrupt is called when q or Ctrl-C is pressed on the screen for the
	// first time: the run should end and report. OnKill is called the second
	// time: it should end at once. Each is called once, on a goroutine of its
	// own; nil does nothing. While there is a screen the terminal sends no
	// SIGINT for Ctrl-C.
	OnInterrupt func()
	OnKill      func()
}

// ErrNoTerminal says that a screen was asked for where there is no terminal.
var ErrNoTerminal = errors.New("live: a screen needs a terminal")

// New starts a display. It fails when the mode is unknown, and with
// [ErrNoTerminal] when [Screen] is asked for and Out is no terminal.
func New(opt Options) (Display, error) {
	if opt.Out == nil {
		opt.Out = os.Stderr
	}
	if opt.Every <= 0 {
		opt.Every = DefaultEvery
	}
	mode := opt.Mode
	if mode == Auto {
		mode = Lines
		if canScreen(opt.Out) {
			mode = Screen
		}
	}
	switch mode {
	case Quiet:
		return quiet{}, nil
	case Lines:
		l := &lineWriter{out: opt.Out, every: opt.Every}
		return newFeed(l.show, nil), nil
	case JSONLines:
		return newFeed(jsonWriter(opt.Out), nil), nil
	case Screen:
		if !isTerminal(opt.Out) {
			return nil, ErrNoTerminal
		}
		return newScreen(opt)
	}
	return nil, fmt.Errorf("live: unknown mode %d", int(opt.Mode))
}

// quiet shows nothing.
type quiet struct{}

func (quiet) Show(report.Progress) {}
func (quiet) Close() error         { return nil }
