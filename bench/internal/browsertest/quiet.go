package browsertest

import (
	"fmt"
	"strings"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
)

// MayLose says that the page's server goes, of which browsers write to the
// console by themselves.
func (p *Tab) MayLose() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lost = true
}

// MayReach says how else the addresses of the page's requests may begin.
func (p *Tab) MayReach(prefix string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.own = prefix
}

// Forgive forgets what the console has said.
func (p *Tab) Forgive() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.complain = nil
}

func (p *Tab) listen(event any) {
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
		if url := e.Request.URL; !p.isOwn(url) {
			p.requests = append(p.requests, url)
		}
	}
}

// wasQuiet fails the test for each thing that the page should not have done.
func (p *Tab) wasQuiet() {
	for _, v := range Eval[[]string](p, "violations") {
		p.t.Errorf("violation of the Content-Security-Policy: %s", v)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.complain {
		p.t.Errorf("console: %s", c)
	}
	for _, r := range p.requests {
		p.t.Errorf("request: %.200s", r)
	}
}
