package report

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// browserTimeout bounds each step in the browser; a passing test never waits
// for it.
const browserTimeout = 30 * time.Second

// startBrowser starts a Chromium, from CARILLON_CHROME or PATH, that is killed
// with all its processes when the test ends. A machine without one fails the
// test: a page that nobody looked at is not tested.
func startBrowser(t *testing.T) context.Context {
	t.Helper()
	path := os.Getenv("CARILLON_CHROME")
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil && path == "" {
			path = found
		}
	}
	if path == "" {
		t.Fatal("no browser: install Chromium (apt-get install chromium) or set CARILLON_CHROME to its path")
	}
	var process *exec.Cmd
	allocator, cancelAllocator := chromedp.NewExecAllocator(context.Background(),
		chromedp.ExecPath(path), chromedp.UserDataDir(t.TempDir()), chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true),
		chromedp.Flag("disable-breakpad", true),
		chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.Flag("force-color-profile", "srgb"),
		// A process group of its own, so that the whole of it can be killed.
		chromedp.ModifyCmdFunc(func(cmd *exec.Cmd) {
			cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
			process = cmd
		}),
	)
	ctx, cancel := chromedp.NewContext(allocator, chromedp.WithErrorf(t.Logf))
	t.Cleanup(func() {
		closing, cancelClosing := context.WithTimeout(ctx, 10*time.Second)
		defer cancelClosing()
		_ = chromedp.Cancel(closing) // the kill below is what counts
		cancel()
		cancelAllocator()
		if process == nil || process.Process == nil {
			return
		}
		eventually(t, "the browser's processes are gone", func() bool {
			return syscall.Kill(-process.Process.Pid, syscall.SIGKILL) == syscall.ESRCH
		})
	})
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("%s does not start: %v", path, err)
	}
	return ctx
}

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(browserTimeout)
	for !condition() {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v in vain until %s", browserTimeout, what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// tab is a page in the browser, and what it did that it should not.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu       sync.Mutex
	complain []string // console, exceptions
	requests []string // but for the page itself
}

const violations = `const violations = [];
document.addEventListener("securitypolicyviolation", (e) => violations.push(e.violatedDirective + " " + e.blockedURI + " " + e.sample));`

// openTab loads a file with a colour scheme and a width. When the test ends the
// page must have been quiet: console, policy and network.
func openTab(t *testing.T, browser context.Context, path, scheme string, width int64) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	p := &tab{t: t, ctx: ctx}
	if err := chromedp.Listen(ctx, p.listen); err != nil {
		t.Fatal(err)
	}
	p.media("screen", scheme)
	p.do(
		chromedp.EmulateViewport(width, 900),
		call(func(ctx context.Context) error {
			_, err := chromedp.Call(ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: violations})
			return err
		}),
		call(func(ctx context.Context) error {
			_, err := chromedp.Call(ctx, network.Enable, network.EnableParams{})
			return err
		}),
		chromedp.Navigate("file://"+path),
	)
	eventually(t, "the page's script ran", func() bool { return eval[bool](p, `!document.getElementById("theme").hidden`) })
	// uPlot draws in a microtask, and once more after it was measured.
	eval[bool](p, `new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))`)
	t.Cleanup(func() {
		for _, v := range eval[[]string](p, "violations") {
			t.Errorf("violation of the Content-Security-Policy: %s", v)
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, c := range p.complain {
			t.Errorf("console: %s", c)
		}
		for _, r := range p.requests {
			t.Errorf("request: %.200s", r)
		}
	})
	return p
}

func call(f func(ctx context.Context) error) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error { return f(ctx) })
}

// media sets what the page is shown on, and the colours that the user prefers.
func (p *tab) media(media, scheme string) {
	p.t.Helper()
	p.do(call(func(ctx context.Context) error {
		_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Media: media, Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		return err
	}))
}

func (p *tab) listen(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventConsoleAPICalled:
		p.complain = append(p.complain, fmt.Sprintf("%s: %v", e.Type, e.Args))
	case *runtime.EventExceptionThrown:
		text := e.ExceptionDetails.Text
		if x := e.ExceptionDetails.Exception; x != nil {
			text += " " + x.Description
		}
		p.complain = append(p.complain, "exception: "+text)
	case *log.EventEntryAdded:
		p.complain = append(p.complain, fmt.Sprintf("%s: %s (%s)", e.Entry.Level, e.Entry.Text, e.Entry.URL))
	case *network.EventRequestWillBeSent:
		if url := e.Request.URL; !strings.HasSuffix(url, ".html") && !strings.HasPrefix(url, "data:") {
			p.requests = append(p.requests, url)
		}
	}
}

func (p *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, browserTimeout)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		p.t.Fatalf("browser: %v", err)
	}
}

func eval[T any](p *tab, expression string) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, browserTimeout)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		p.t.Fatalf("evaluate %s: %v", expression, err)
	}
	return value
}

// keep writes pictures of the page, one for each screen of it, when
// CARILLON_SCREENSHOTS names a directory: for people to look at.
func (p *tab) keep(name string) {
	p.t.Helper()
	dir := os.Getenv("CARILLON_SCREENSHOTS")
	if dir == "" {
		return
	}
	for i := range eval[int](p, "Math.ceil(document.documentElement.scrollHeight / innerHeight)") {
		eval[bool](p, fmt.Sprintf("(scrollTo(0, %d * innerHeight), true)", i))
		ctx, cancel := context.WithTimeout(p.ctx, browserTimeout)
		png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
		cancel()
		if err != nil {
			p.t.Fatal(err)
		}
		if err := os.WriteFile(fmt.Sprintf("%s/%s-%02d.png", dir, name, i), png, 0o644); err != nil {
			p.t.Fatal(err)
		}
	}
}
