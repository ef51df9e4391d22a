package webtest

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// The states that the page shows; see setStatus in app.js.
const (
	StateIdle       = "idle"
	StateConnecting = "connecting"
	StateOpen       = "open"
	StateClosing    = "closing"
	StateClosed     = "closed"
	StateWaiting    = "waiting"
)

// Page is the console in a browser tab. One goroutine at a time uses it.
type Page struct {
	t   testing.TB
	ctx context.Context

	mu      sync.Mutex
	console []string
}

// Entry is one line of the page's log.
type Entry struct {
	Kind      string `json:"kind"` // in, out, info or warn
	Text      string `json:"text"`
	Size      string `json:"size"`
	Heartbeat bool   `json:"heartbeat"`
}

// OpenOption changes how a page is opened.
type OpenOption func(*opening)

type opening struct {
	scripts       []string
	width, height int64
	scheme        string
}

// WithClock stops the time of the page; see [Clock].
func WithClock() OpenOption {
	return func(o *opening) { o.scripts = append(o.scripts, clockScript) }
}

// WithViewport sets the size of the page's window in CSS pixels.
func WithViewport(width, height int) OpenOption {
	return func(o *opening) { o.width, o.height = int64(width), int64(height) }
}

// WithColorScheme sets the colours that the user prefers: light or dark.
func WithColorScheme(scheme string) OpenOption {
	return func(o *opening) { o.scheme = scheme }
}

// Open loads the page at url into a fresh profile. When the test ends, the
// page must have met no violation of its Content-Security-Policy, and must
// have written nothing to the browser's console.
func (b *Browser) Open(t testing.TB, url string, options ...OpenOption) *Page {
	t.Helper()
	o := opening{width: 1280, height: 860, scheme: "light", scripts: []string{violationScript}}
	for _, option := range options {
		option(&o)
	}
	ctx, cancel := chromedp.NewContext(b.ctx, chromedp.WithNewBrowserContext())
	p := &Page{t: t, ctx: ctx}
	t.Cleanup(cancel)
	steps := []chromedp.Action[chromedp.Void]{
		chromedp.EmulateViewport(o.width, o.height),
		chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
			_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
				Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: o.scheme}},
			})
			return err
		}),
	}
	for _, script := range o.scripts {
		steps = append(steps, chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
			_, err := chromedp.Call(ctx, page.AddScriptToEvaluateOnNewDocument,
				page.AddScriptToEvaluateOnNewDocumentParams{Source: script})
			return err
		}))
	}
	if err := chromedp.Listen(ctx, p.listen); err != nil {
		t.Fatalf("listen to the page: %v", err)
	}
	p.do(append(steps, chromedp.Navigate(url))...)
	p.Eventually("the page's script ran", `document.getElementById("message")?.value !== ""`)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("state %s, status %q, log %+v", p.State(), p.Text("status"), p.Log())
		}
		for _, violation := range Eval[[]string](p, "webtestViolations") {
			t.Errorf("violation of the Content-Security-Policy: %s", violation)
		}
		for _, message := range p.Console() {
			t.Errorf("browser console: %s", message)
		}
	})
	return p
}

const violationScript = `
const webtestViolations = [];
document.addEventListener("securitypolicyviolation", (e) =>
  webtestViolations.push(e.violatedDirective + " " + e.blockedURI + " " + e.sample));
`

// listen collects what the page writes to the console. It runs in chromedp's
// reading goroutine.
func (p *Page) listen(event any) {
	var message string
	switch e := event.(type) {
	case *runtime.EventConsoleAPICalled:
		var parts []string
		for _, arg := range e.Args {
			parts = append(parts, string(arg.Value)+arg.Description)
		}
		message = fmt.Sprintf("%s: %s", e.Type, strings.Join(parts, " "))
	case *runtime.EventExceptionThrown:
		message = "exception: " + e.ExceptionDetails.Text
		if thrown := e.ExceptionDetails.Exception; thrown != nil {
			message += " " + thrown.Description
		}
	case *log.EventEntryAdded:
		message = fmt.Sprintf("%s: %s (%s)", e.Entry.Level, e.Entry.Text, e.Entry.URL)
		if refusal(e.Entry.Text) {
			return
		}
	default:
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.console = append(p.console, message)
}

// refusal reports whether a message is the browser's own note of a handshake or
// request that a server refused. No page can keep it from being written.
func refusal(text string) bool {
	return strings.HasPrefix(text, "WebSocket connection to ") || strings.HasPrefix(text, "Failed to load resource: ")
}

// Console is what the page has written to the browser's console, without the
// browser's notes of refused connections.
func (p *Page) Console() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.console)
}

func (p *Page) do(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, timeout)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		p.t.Fatalf("browser: %v", err)
	}
}

func run[T any](p *Page, action chromedp.Action[T]) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, timeout)
	defer cancel()
	value, err := chromedp.Run(ctx, action)
	if err != nil {
		p.t.Fatalf("browser: %v", err)
	}
	return value
}

// Eval runs an expression in the page and returns its value.
func Eval[T any](p *Page, expression string) T {
	p.t.Helper()
	value, err := eval[T](p, expression)
	if err != nil {
		p.t.Fatalf("evaluate %s: %v", expression, err)
	}
	return value
}

func eval[T any](p *Page, expression string) (T, error) {
	ctx, cancel := context.WithTimeout(p.ctx, timeout)
	defer cancel()
	return chromedp.Run(ctx, chromedp.Evaluate[T](expression))
}

// Do runs statements in the page.
func (p *Page) Do(statements string) {
	p.t.Helper()
	Eval[bool](p, "(() => {"+statements+"; return true; })()")
}

// Eventually waits until an expression of the page is true.
func (p *Page) Eventually(what, expression string) {
	p.t.Helper()
	Eventually(p.t, what, func() bool { return Eval[bool](p, "Boolean("+expression+")") })
}

// Click clicks the element with the mouse, once it is there to be clicked.
func (p *Page) Click(id string) {
	p.t.Helper()
	p.Eventually(id+" is enabled", fmt.Sprintf("!document.getElementById(%s).disabled", quote(id)))
	p.do(chromedp.Click(chromedp.CSS("#" + id)))
}

// Type replaces the content of a field, as a user does with the keyboard.
func (p *Page) Type(id, text string) {
	p.t.Helper()
	p.Do(fmt.Sprintf("const field = document.getElementById(%s); field.focus(); field.select()", quote(id)))
	p.Press("\b")
	p.Press(text)
}

// Fill replaces the content of a field at once, as pasting does.
func (p *Page) Fill(id, text string) {
	p.t.Helper()
	p.Do(fmt.Sprintf(`const field = document.getElementById(%s); field.value = %s;
		field.dispatchEvent(new Event("input", { bubbles: true }));
		field.dispatchEvent(new Event("change", { bubbles: true }))`, quote(id), quote(text)))
}

// Press presses keys, one after the other, in the focused element.
func (p *Page) Press(keys string, options ...chromedp.KeyOption) {
	p.t.Helper()
	p.do(chromedp.KeyEvent(keys, options...))
}

// Value is the content of a field.
func (p *Page) Value(id string) string {
	p.t.Helper()
	return Eval[string](p, fmt.Sprintf("document.getElementById(%s).value", quote(id)))
}

// Text is the text of an element.
func (p *Page) Text(id string) string {
	p.t.Helper()
	return Eval[string](p, fmt.Sprintf("document.getElementById(%s).textContent", quote(id)))
}

// State is the state that the page shows.
func (p *Page) State() string {
	p.t.Helper()
	return Eval[string](p, `document.getElementById("state").dataset.state`)
}

// WaitState waits until the page shows a state.
func (p *Page) WaitState(state string) {
	p.t.Helper()
	p.Eventually("the state is "+state, fmt.Sprintf(`document.getElementById("state").dataset.state === %s`, quote(state)))
}

// Log is what the page's log shows, the oldest line first.
func (p *Page) Log() []Entry {
	p.t.Helper()
	return Eval[[]Entry](p, `Array.from(document.querySelectorAll("#log li"), (item) => ({
		kind: item.dataset.kind,
		text: item.querySelector(".body").textContent,
		size: item.querySelector(".size").textContent,
		heartbeat: "heartbeat" in item.dataset,
	}))`)
}

// WaitLog waits until the log has a line that satisfies match, and returns it.
func (p *Page) WaitLog(what string, match func(Entry) bool) Entry {
	p.t.Helper()
	var found Entry
	Eventually(p.t, "the log has "+what, func() bool {
		entries := p.Log()
		i := slices.IndexFunc(entries, match)
		if i >= 0 {
			found = entries[i]
		}
		return i >= 0
	})
	return found
}

// Screenshot is the page as a PNG image.
func (p *Page) Screenshot() []byte {
	p.t.Helper()
	return run(p, chromedp.CaptureScreenshot())
}

// Clock is the stopped time of a page that was opened [WithClock]: timers fire
// when the test moves it, and at no other time. Frames of animations and the
// timers of the worker, which paces heartbeats, are not under its rule.
type Clock struct {
	p *Page
}

// Clock returns the page's clock.
func (p *Page) Clock() Clock { return Clock{p} }

// Advance moves the time and fires what is due, in order.
func (c Clock) Advance(d time.Duration) {
	c.p.t.Helper()
	c.p.Do(fmt.Sprintf("webtestClock.advance(%d)", d.Milliseconds()))
}

// Pending are the delays of the timeouts that have not fired. Intervals do not
// count.
func (c Clock) Pending() []time.Duration {
	c.p.t.Helper()
	var delays []time.Duration
	for _, ms := range Eval[[]float64](c.p, "webtestClock.pending()") {
		delays = append(delays, time.Duration(ms)*time.Millisecond)
	}
	return delays
}

const clockScript = `
const webtestClock = (() => {
  let now = 0;
  let id = 0;
  const timers = new Map();
  const add = (run, delay, every) => {
    timers.set(++id, { run, delay, due: now + delay, every });
    return id;
  };
  window.setTimeout = (run, delay = 0) => add(run, delay, 0);
  window.setInterval = (run, delay = 0) => add(run, delay, delay);
  window.clearTimeout = window.clearInterval = (key) => timers.delete(key);
  performance.now = () => now;
  return {
    advance(ms) {
      const end = now + ms;
      for (;;) {
        let next;
        for (const [key, timer] of timers) {
          if (timer.due <= end && (!next || timer.due < next.timer.due)) next = { key, timer };
        }
        if (!next) break;
        now = next.timer.due;
        if (next.timer.every > 0) next.timer.due += next.timer.every;
        else timers.delete(next.key);
        next.timer.run();
      }
      now = end;
    },
    pending: () => [...timers.values()].filter((timer) => timer.every === 0).map((timer) => timer.delay),
  };
})();
`

// quote is text as a literal of JavaScript.
func quote(text string) string {
	literal, err := json.Marshal(text)
	if err != nil {
		panic(fmt.Sprintf("BUG: a string is not JSON: %v", err))
	}
	return string(literal)
}
