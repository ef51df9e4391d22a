package live

import (
	"fmt"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"carillon/bench/report"
)

// Sizes of a terminal that does not tell its own.
const (
	usualWidth  = 80
	usualHeight = 24
)

// tick says what time it is.
type tick time.Time

// model is the state of a screen. Only the program's event loop uses it, but
// for ending.
type model struct {
	ending atomic.Bool // somebody else ends the run

	view          view
	fixedWidth    int
	fixedHeight   int
	sized, filled bool // the size is known; there is a state
	came          time.Time
	now           func() time.Time

	onInterrupt, onKill func()

	content string
	failed  error // a panic while drawing
}

func newModel(opt Options) *model {
	return &model{
		view:       view{styles: newStyles(opt.Out, opt.Color), history: newHistory()},
		fixedWidth: opt.Width, fixedHeight: opt.Height,
		now:         time.Now,
		onInterrupt: opt.OnInterrupt, onKill: opt.OnKill,
	}
}

// Init does nothing.
func (m *model) Init() tea.Cmd { return nil }

// View returns what Update has drawn.
func (m *model) View() string { return m.content }

// Update takes a message in and draws. A panic ends the screen, not the run.
func (m *model) Update(msg tea.Msg) (next tea.Model, cmd tea.Cmd) {
	defer func() {
		if r := recover(); r != nil {
			m.failed = fmt.Errorf("live: BUG: the screen panicked: %v\n%s", r, debug.Stack())
			m.content, next, cmd = "", m, tea.Quit
		}
	}()
	// What was asked for elsewhere counts as the first press of a key.
	if m.ending.Load() {
		m.view.presses = max(m.view.presses, 1)
	}
	switch msg := msg.(type) {
	case report.Progress:
		m.view.p, m.came, m.filled = msg, m.now(), true
		m.view.silent = 0
		m.view.history.add(&msg)
	case tick:
		if m.filled && m.view.p.Verdict == "" {
			m.view.silent = time.Time(msg).Sub(m.came)
		}
	case tea.WindowSizeMsg:
		m.resize(msg.Width, msg.Height)
	case tea.KeyMsg:
		m.keys(msg)
	}
	m.draw()
	return m, nil
}

func (m *model) resize(width, height int) {
	pick := func(fixed, told, usual int) int {
		if fixed > 0 {
			return fixed
		}
		if told > 0 {
			return told
		}
		return usual
	}
	m.view.width, m.view.height = pick(m.fixedWidth, width, usualWidth), pick(m.fixedHeight, height, usualHeight)
	m.sized = true
}

// keys takes keys in. Those that are pressed fast come as one message.
func (m *model) keys(msg tea.KeyMsg) {
	if msg.Type != tea.KeyRunes {
		m.key(msg.String())
		return
	}
	for _, r := range msg.Runes {
		m.key(string(r))
	}
}

func (m *model) key(name string) {
	switch name {
	case "q", "Q", "ctrl+c":
		m.view.presses++
		switch {
		case m.view.presses == 1 && m.onInterrupt != nil:
			go m.onInterrupt()
		case m.view.presses == 2 && m.onKill != nil:
			go m.onKill()
		}
	case "down", "j":
		m.view.scroll = min(m.view.scroll+1, max(len(m.view.p.Scenario)-1, 0))
	case "up", "k":
		m.view.scroll = max(m.view.scroll-1, 0)
	}
}

func (m *model) draw() {
	if !m.sized {
		return
	}
	if !m.filled {
		m.content = m.view.faint.Render(cut("waiting for the first figures", m.view.width))
		return
	}
	m.content = strings.Join(m.view.render(), "\n")
}
