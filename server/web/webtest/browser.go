package webtest

import (
	"context"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// ChromeVariable names the environment variable that holds the browser's
// path. Without it the browser is looked for in PATH.
const ChromeVariable = "CARILLON_CHROME"

// browserNames are what distributions call the browser, in order of preference.
var browserNames = []string{"chromium", "chromium-browser", "google-chrome"}

// timeout bounds each wait. It is long, since browsers are slow on a machine
// that compiles something else as well; a passing test never waits for it.
const timeout = 30 * time.Second

// Browser is one running Chromium.
type Browser struct {
	ctx context.Context
}

// NewBrowser starts a browser with an empty profile. It is killed, with every
// process that it started, when the test ends. A machine without a browser
// fails the test: a page that nobody looked at is not tested.
func NewBrowser(t testing.TB) *Browser {
	t.Helper()
	path := findBrowser()
	if path == "" {
		t.Fatalf("no browser: install Chromium (apt-get install chromium) or set %s to its path", ChromeVariable)
	}
	profile := t.TempDir()
	var process *exec.Cmd
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(path),
		chromedp.UserDataDir(profile),
		chromedp.Headless,
		chromedp.NoSandbox,
		chromedp.DisableGPU,
		chromedp.NoFirstRun,
		chromedp.NoDefaultBrowserCheck,
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
	}
	allocator, cancelAllocator := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, cancel := chromedp.NewContext(allocator, chromedp.WithErrorf(t.Logf))
	t.Cleanup(func() {
		closing, cancelClosing := context.WithTimeout(ctx, 10*time.Second)
		defer cancelClosing()
		// The kill below is what counts; this lets the browser go in peace.
		_ = chromedp.Cancel(closing)
		cancel()
		cancelAllocator()
		if process != nil && process.Process != nil {
			kill(t, process.Process.Pid)
		}
	})
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("%s does not start: %v", path, err)
	}
	return &Browser{ctx: ctx}
}

func findBrowser() string {
	if path := os.Getenv(ChromeVariable); path != "" {
		return path
	}
	for _, name := range browserNames {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// kill ends the process group and waits until nothing is left of it.
func kill(t testing.TB, group int) {
	t.Helper()
	Eventually(t, "the browser's processes are gone", func() bool {
		return syscall.Kill(-group, syscall.SIGKILL) == syscall.ESRCH
	})
}

// Eventually polls a condition until it holds, and fails the test when it does
// not within half a minute.
func Eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	if !poll(timeout, condition) {
		t.Fatalf("waited %v in vain until %s", timeout, what)
	}
}

// Never polls a condition for a while and fails the test when it holds once.
func Never(t testing.TB, d time.Duration, what string, condition func() bool) {
	t.Helper()
	if poll(d, condition) {
		t.Fatalf("must not happen: %s", what)
	}
}

func poll(d time.Duration, condition func() bool) bool {
	deadline := time.After(d)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if condition() {
			return true
		}
		select {
		case <-tick.C:
		case <-deadline:
			return condition()
		}
	}
}
