package browsertest

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"carillon/bench/internal/await"
)

// Look is how a tab shows its page.
type Look struct {
	Scheme string // "light" or "dark"
	Width  int64  // in pixels
}

// Tab is a page in the browser, and what it did that it should not.
type Tab struct {
	t   testing.TB
	ctx context.Context

	mu       sync.Mutex
	own      string   // how the addresses of its requests may begin
	complain []string // console, exceptions
	requests []string // to elsewhere
	lost     bool     // its server may go
}

// violations collects what the policy of the page stops.
const violations = `const violations = [];
document.addEventListener("securitypolicyviolation", (e) => violations.push(e.violatedDirective + " " + e.blockedURI + " " + e.sample));`

// Open loads a page, whose requests go to addresses below its own alone. When
// the test ends, the page must have been quiet.
func (b *Browser) Open(t testing.TB, url string, look Look) *Tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(b.ctx, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	p := &Tab{t: t, ctx: ctx, own: url}
	if err := chromedp.Listen(ctx, p.listen); err != nil {
		t.Fatal(err)
	}
	p.Media("screen", look.Scheme)
	p.do(
		chromedp.EmulateViewport(look.Width, 900),
		call(func(ctx context.Context) error {
			_, err := chromedp.Call(ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: violations})
			return err
		}),
		call(func(ctx context.Context) error {
			_, err := chromedp.Call(ctx, network.Enable, network.EnableParams{})
			return err
		}),
		chromedp.Navigate(url),
	)
	t.Cleanup(p.wasQuiet)
	return p
}

// Media sets what the page is shown on, "screen" or "print", and the colour
// scheme that the user prefers.
func (p *Tab) Media(media, scheme string) {
	p.t.Helper()
	p.do(call(func(ctx context.Context) error {
		_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Media: media, Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		return err
	}))
}

func call(f func(ctx context.Context) error) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error { return f(ctx) })
}

func (p *Tab) do(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, await.Patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		p.t.Fatalf("browser: %v", err)
	}
}

// Eval returns the value of an expression of the page, or of its promise.
func Eval[T any](p *Tab, expression string) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, await.Patience)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		p.t.Fatalf("evaluate %s: %v", expression, err)
	}
	return value
}

// Until waits until an expression of the page is true.
func (p *Tab) Until(what, expression string) {
	p.t.Helper()
	await.Until(p.t, what, func() bool { return Eval[bool](p, "Boolean("+expression+")") })
}

// Click clicks on the element with an id.
func (p *Tab) Click(id string) {
	p.t.Helper()
	p.do(chromedp.Click(chromedp.CSS("#" + id)))
}

// Drawn waits until uPlot has drawn, which it does in a microtask, and once
// more after it was measured.
func (p *Tab) Drawn() {
	p.t.Helper()
	Eval[bool](p, `new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))`)
}

// isOwn tells whether the page may ask for an address. The lock is held.
func (p *Tab) isOwn(url string) bool {
	return strings.HasPrefix(url, p.own) || strings.HasPrefix(url, "data:") || strings.HasPrefix(url, "blob:"+p.own)
}
