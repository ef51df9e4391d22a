package live

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/term"

	"carillon/bench/report"
)

// framesPerSecond bounds how often a screen is drawn; a run has news once a
// second.
const framesPerSecond = 20

// screen is one screen of a terminal.
type screen struct {
	*feed
	program *tea.Program
	model   *model
	ended   chan struct{} // closed when the program has given the terminal back
	err     error         // why it ended; read it after ended

	// The terminal as it was found, for the case that it takes nothing any more.
	keyboard *os.File
	found    *term.State

	// What speaks when the program has ended before the run.
	lines lineWriter
}

func newScreen(opt Options) (Display, error) { return startScreen(opt, newModel(opt)) }

func startScreen(opt Options, m *model) (*screen, error) {
	s := &screen{model: m, ended: make(chan struct{}), lines: lineWriter{out: opt.Out, every: opt.Every}}
	options := []tea.ProgramOption{
		tea.WithOutput(opt.Out), tea.WithAltScreen(), tea.WithFPS(framesPerSecond), tea.WithoutBracketedPaste(),
		// Signals are the command's. Panics are caught by the model: bubbletea
		// would write them to stdout.
		tea.WithoutSignalHandler(), tea.WithoutCatchPanics(),
	}
	if opt.In != nil && isTerminal(opt.In) && foreground(opt.In) {
		found, err := term.GetState(opt.In.Fd())
		if err != nil {
			return nil, fmt.Errorf("live: state of the terminal: %w", err)
		}
		s.keyboard, s.found = opt.In, found
		options = append(options, tea.WithInput(opt.In))
	} else {
		options = append(options, tea.WithInput(nil))
	}
	s.program = tea.NewProgram(m, options...)
	go s.run()
	s.feed = newFeed(s.show, s.finish)
	return s, nil
}

// run is the life of the program.
func (s *screen) run() {
	defer close(s.ended)
	stop := make(chan struct{})
	var ticking sync.WaitGroup
	ticking.Go(func() {
		ticker := time.NewTicker(time.Second)
		defer ticker.Stop()
		for {
			select {
			case now := <-ticker.C:
				s.program.Send(tick(now))
			case <-stop:
				return
			}
		}
	})
	_, err := s.program.Run()
	close(stop)
	ticking.Wait()
	s.err = errors.Join(err, s.model.failed)
}

// show hands a state to the program; when that is gone the run is shown as lines.
func (s *screen) show(p report.Progress) error {
	select {
	case <-s.ended:
		return s.lines.show(p)
	default:
	}
	s.program.Send(p)
	return nil
}

// Ending has the next drawing, within a second, say so.
func (s *screen) Ending() { s.model.ending.Store(true) }

// finish gives the terminal back.
func (s *screen) finish() error {
	s.program.Quit()
	<-s.ended
	return s.err
}

// Close is that of the feed. A terminal that takes nothing gets its settings
// back at least.
func (s *screen) Close() error {
	err := s.feed.Close()
	if errors.Is(err, errStuck) && s.keyboard != nil {
		err = errors.Join(err, term.Restore(s.keyboard.Fd(), s.found))
	}
	return err
}
