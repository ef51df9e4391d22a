package live

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

// chromium is the browser of all tests. Each tab has a profile of its own.
var chromium struct {
	start sync.Once
	ctx   context.Context
	err   error
	stop  func()
}

// startBrowser returns a Chromium, from CARILLON_CHROME or PATH. A machine
// without one fails the test: a page that nobody looked at is not tested.
func startBrowser(t *testing.T) context.Context {
	t.Helper()
	chromium.start.Do(func() { chromium.ctx, chromium.stop, chromium.err = launch() })
	if chromium.err != nil {
		t.Fatal(chromium.err)
	}
	return chromium.ctx
}

func stopBrowser() {
	if chromium.stop != nil {
		chromium.stop()
	}
}

// launch starts a browser; stop ends it with all its processes.
func launch() (_ context.Context, stop func(), _ error) {
	path := os.Getenv("CARILLON_CHROME")
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil && path == "" {
			path = found
		}
	}
	if path == "" {
		return nil, nil, errors.New("no browser: install Chromium (apt-get install chromium) or set CARILLON_CHROME to its path")
	}
	profile, err := os.MkdirTemp("", "carillon-live-")
	if err != nil {
		return nil, nil, err
	}
	var process *exec.Cmd
	allocator, cancelAllocator := chromedp.NewExecAllocator(context.Background(),
		chromedp.ExecPath(path), chromedp.UserDataDir(profile), chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
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
	ctx, cancel := chromedp.NewContext(allocator)
	stop = func() {
		closing, cancelClosing := context.WithTimeout(ctx, patience)
		defer cancelClosing()
		_ = chromedp.Cancel(closing) // the kill below is what counts
		cancel()
		cancelAllocator()
		for end := time.Now().Add(patience); process != nil && process.Process != nil && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
			if syscall.Kill(-process.Process.Pid, syscall.SIGKILL) == syscall.ESRCH {
				break
			}
		}
		_ = os.RemoveAll(profile)
	}
	if err := chromedp.Do(ctx); err != nil {
		stop()
		return nil, nil, fmt.Errorf("%s does not start: %w", path, err)
	}
	return ctx, stop, nil
}

// tab is a page in the browser, and what it did that it should not.
type tab struct {
	t   *testing.T
	ctx context.Context
	own string // where its requests may go

	mu       sync.Mutex
	complain []string // console, exceptions
	requests []string // to elsewhere
	lost     bool     // its server may go
}

const violations = `const violations = [];
document.addEventListener("securitypolicyviolation", (e) => violations.push(e.violatedDirective + " " + e.blockedURI + " " + e.sample));`

// openTab loads a page. When the test ends it must have been quiet: console,
// policy and network.
func openTab(t *testing.T, in context.Context, url, scheme string, width int64) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(in, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	p := &tab{t: t, ctx: ctx, own: url}
	call := func(f func(ctx context.Context) error) chromedp.Action[chromedp.Void] {
		return chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error { return f(ctx) })
	}
	if err := chromedp.Listen(ctx, p.listen); err != nil {
		t.Fatal(err)
	}
	p.do(
		chromedp.EmulateViewport(width, 900),
		call(func(ctx context.Context) error {
			_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
				Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
			})
			return err
		}),
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

// mayLose says that the page's server goes, of which browsers write to the
// console by themselves.
func (p *tab) mayLose() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lost = true
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
		if !p.lost || !strings.HasPrefix(e.Entry.Text, "Failed to load resource: net::") {
			p.complain = append(p.complain, fmt.Sprintf("%s: %s (%s)", e.Entry.Level, e.Entry.Text, e.Entry.URL))
		}
	case *network.EventRequestWillBeSent:
		if url := e.Request.URL; !strings.HasPrefix(url, p.own) && !strings.HasPrefix(url, "data:") && !strings.HasPrefix(url, "blob:"+p.own) {
			p.requests = append(p.requests, url)
		}
	}
}

func (p *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, 2*patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		p.t.Fatalf("browser: %v", err)
	}
}

func eval[T any](p *tab, expression string) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, 2*patience)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		p.t.Fatalf("evaluate %s: %v", expression, err)
	}
	return value
}

// until waits until an expression of the page is true.
func (p *tab) until(what, expression string) {
	p.t.Helper()
	eventually(p.t, what, func() bool { return eval[bool](p, "Boolean("+expression+")") })
}

// shows waits until an element has a text in it.
func (p *tab) shows(id, text string) {
	p.t.Helper()
	p.until(id+" shows "+text, fmt.Sprintf("document.getElementById(%s).innerText.includes(%s)", quote(id), quote(text)))
}

func (p *tab) click(id string) {
	p.t.Helper()
	p.do(chromedp.Click(chromedp.CSS("#" + id)))
}

// downloads has files saved in a directory.
func (p *tab) downloads(dir string) {
	p.t.Helper()
	p.do(chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		self, err := chromedp.Call(ctx, target.GetTargetInfo, target.GetTargetInfoParams{})
		if err != nil {
			return err
		}
		_, err = chromedp.CallBrowser(ctx, browser.SetDownloadBehavior, browser.SetDownloadBehaviorParams{
			Behavior: browser.SetDownloadBehaviorBehaviorAllow, BrowserContextID: self.TargetInfo.BrowserContextID, DownloadPath: dir,
		})
		return err
	}))
}

func quote(s string) string {
	b, _ := json.Marshal(s) // strings always can be
	return string(b)
}

// drawn waits until uPlot has drawn, which it does in a microtask, and once
// more after it was measured.
func (p *tab) drawn() {
	p.t.Helper()
	eval[bool](p, `new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))`)
}

// fits fails when the page is wider than its window.
func (p *tab) fits() {
	p.t.Helper()
	p.drawn()
	if over := eval[int](p, "document.documentElement.scrollWidth - innerWidth"); over > 0 {
		p.t.Errorf("the page is %d px wider than its window", over)
	}
}

// keep writes pictures of the page, one for each screen of it, when
// CARILLON_SCREENSHOTS names a directory: for people to look at.
func (p *tab) keep(name string) {
	p.t.Helper()
	dir := os.Getenv("CARILLON_SCREENSHOTS")
	if dir == "" {
		return
	}
	p.drawn()
	for i := range eval[int](p, "Math.ceil(document.documentElement.scrollHeight / innerHeight)") {
		eval[bool](p, fmt.Sprintf("(scrollTo(0, %d * innerHeight), true)", i))
		ctx, cancel := context.WithTimeout(p.ctx, 2*patience)
		png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
		cancel()
		if err != nil {
			p.t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s-%d.png", name, i+1)), png, 0o644); err != nil {
			p.t.Fatal(err)
		}
	}
	eval[bool](p, "(scrollTo(0, 0), true)")
}
