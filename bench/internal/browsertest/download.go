package browsertest

import (
	"context"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

// Downloads has files saved in a directory.
func (p *Tab) Downloads(dir string) {
	p.t.Helper()
	p.do(call(func(ctx context.Context) error {
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
