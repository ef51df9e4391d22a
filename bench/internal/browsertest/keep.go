package browsertest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/chromedp/chromedp"

	"carillon/bench/internal/await"
)

// Keep writes pictures of the page, one for each screen of it, when
// CARILLON_SCREENSHOTS names a directory: for people to look at.
func (p *Tab) Keep(name string) {
	p.t.Helper()
	dir := os.Getenv("CARILLON_SCREENSHOTS")
	if dir == "" {
		return
	}
	p.Drawn()
	for i := range Eval[int](p, "Math.ceil(document.documentElement.scrollHeight / innerHeight)") {
		Eval[bool](p, fmt.Sprintf("(scrollTo(0, %d * innerHeight), true)", i))
		ctx, cancel := context.WithTimeout(p.ctx, await.Patience)
		png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
		cancel()
		if err != nil {
			p.t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s-%02d.png", name, i+1)), png, 0o644); err != nil {
			p.t.Fatal(err)
		}
	}
	Eval[bool](p, "(scrollTo(0, 0), true)")
}
