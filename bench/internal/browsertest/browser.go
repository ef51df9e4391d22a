// Package browsertest looks at pages in a Chromium, and holds them to be quiet:
// nothing on the console, no violation of their policy, no request elsewhere.
package browsertest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"carillon/bench/internal/await"
)

// Browser is a running Chromium. Each tab of it has a profile of its own.
type Browser struct {
	ctx  context.Context
	stop func()
}

// shared is the browser of all tests of a binary: starting one takes a second.
var shared struct {
	start   sync.Once
	browser *Browser
	err     error
}

// Start returns the browser of the test binary, from CARILLON_CHROME or PATH. A
// machine without one fails the test: a page that nobody looked at is not tested.
func Start(t testing.TB) *Browser {
	t.Helper()
	shared.start.Do(func() { shared.browser, shared.err = launch() })
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.browser
}

// Main is a [testing.M] that ends the browser with the tests, if one was started.
type Main struct{ *testing.M }

// Run runs the tests.
func (m Main) Run() int {
	defer func() {
		if shared.browser != nil {
			shared.browser.stop()
		}
	}()
	return m.M.Run()
}

func find() string {
	if path := os.Getenv("CARILLON_CHROME"); path != "" {
		return path
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// launch starts a browser with an empty profile.
func launch() (*Browser, error) {
	path := find()
	if path == "" {
		return nil, errors.New("no browser: install Chromium (apt-get install chromium) or set CARILLON_CHROME to its path")
	}
	profile, err := os.MkdirTemp("", "carillon-browser-")
	if err != nil {
		return nil, err
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
	b := &Browser{ctx: ctx, stop: func() {
		closing, cancelClosing := context.WithTimeout(ctx, await.Patience)
		defer cancelClosing()
		_ = chromedp.Cancel(closing) // the kill below is what counts
		cancel()
		cancelAllocator()
		if process != nil && process.Process != nil {
			killGroup(process.Process.Pid)
		}
		_ = os.RemoveAll(profile)
	}}
	if err := chromedp.Do(ctx); err != nil {
		b.stop()
		return nil, fmt.Errorf("%s does not start: %w", path, err)
	}
	return b, nil
}

// killGroup returns when nothing is left of the group.
func killGroup(group int) {
	for end := time.Now().Add(await.Patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if syscall.Kill(-group, syscall.SIGKILL) == syscall.ESRCH {
			return
		}
	}
}
