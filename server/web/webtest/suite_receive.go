package webtest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func testReceive(t *testing.T, b *Browser, g *Gateway) {
	p := openAndConnect(t, b, g)
	p.Click("clear")
	long := strings.Repeat("长", 3000)
	g.Push(`{"type":"BIZ","code":"NOTICE_PUSH"}`, "héllo\nworld", "", long)
	p.Eventually("four lines", `document.querySelectorAll("#log li").length === 4`)
	entries := p.Log()
	expect(t, "first", entries[0], Entry{Kind: "in", Text: `{"type":"BIZ","code":"NOTICE_PUSH"}`, Size: "35 B"})
	expect(t, "second", entries[1], Entry{Kind: "in", Text: "héllo\nworld", Size: "12 B"})
	expect(t, "empty", entries[2], Entry{Kind: "in", Size: "0 B"})
	expect(t, "size of the long one", entries[3].Size, "9,000 B")
	expect(t, "folded text", entries[3].Text, strings.Repeat("长", 1000)+"… 2,000 more characters")
	p.Do(`document.querySelector("#log .body button").click()`)
	expect(t, "unfolded text", p.Log()[3].Text, long)
	expect(t, "received", p.Text("received"), "4 · 8.8 KiB")
}

const markup = `<img src=x onerror="window.pwned=1"><script>window.pwned=1</script><b id=bold>x</b>`

func expectNoMarkup(t *testing.T, p *Page) {
	t.Helper()
	// Had an image been made, its error event would need a turn of the loop.
	p.Eventually("a frame was drawn", `window.webtestFrame === 2 || (window.webtestFrame ??= 1,
		requestAnimationFrame(() => setTimeout(() => { window.webtestFrame = 2; })), false)`)
	expect(t, "elements from the wire", Eval[int](p, `document.querySelectorAll("main img, main script, main b, .state b, .state img").length`), 0)
	expect(t, "a script from the wire ran", Eval[bool](p, `"pwned" in window`), false)
}

func testMarkup(t *testing.T, b *Browser, g *Gateway) {
	p := openAndConnect(t, b, g)
	long := markup + strings.Repeat("x", 2000) + markup
	envelope := `{"type":"BIZ","code":"` + `<img src=x onerror=window.pwned=1>` + `","data":"</li><svg onload=window.pwned=1>"}`
	g.Push(markup, envelope, long)
	p.WaitLog("the markup", hasText(markup))
	p.WaitLog("the envelope", hasText(envelope))
	p.WaitLog("the long text", contains("in", "more characters"))
	p.Do(`document.querySelector("#log .body button").click()`)
	p.WaitLog("the whole long text", hasText(long))
	expectNoMarkup(t, p)
}

func testReasonMarkup(t *testing.T, b *Browser, g *Gateway) {
	p := openAndConnect(t, b, g)
	g.Close(1008, markup)
	p.WaitState(StateClosed)
	expect(t, "status", p.Text("status"), "Closed: 1008, "+markup)
	p.WaitLog("the reason", contains("warn", markup))
	expectNoMarkup(t, p)
}

func testLogLimit(t *testing.T, b *Browser, g *Gateway) {
	p := openAndConnect(t, b, g)
	p.Fill("heartbeat", "")
	var flood []string
	for i := range 1500 {
		flood = append(flood, fmt.Sprint("message ", i))
	}
	g.Push(flood...)
	p.Eventually("the last message", `document.querySelector("#log li:last-child .body")?.textContent === "message 1499"`)
	entries := p.Log()
	expect(t, "lines", len(entries), 1000)
	expect(t, "oldest line", entries[0].Text, "message 500")
	if !strings.HasPrefix(p.Text("received"), "1,500 · ") {
		t.Errorf("received: got %q, want 1,500", p.Text("received"))
	}
	p.Eventually("the newest line is in view", `(({ scrollHeight, scrollTop, clientHeight }) =>
		scrollHeight - scrollTop - clientHeight < 5)(document.getElementById("log"))`)

	// A reader who has scrolled up is left alone.
	p.Do(`document.getElementById("log").scrollTop = 0`)
	g.Push("one more")
	p.Eventually("the way back is offered", `!document.getElementById("latest").hidden`)
	if top := Eval[float64](p, `document.getElementById("log").scrollTop`); top > 100 {
		t.Errorf("the log scrolled to %v under the reader", top)
	}
	p.Click("latest")
	p.Eventually("the way back is gone", `document.getElementById("latest").hidden`)
}

func testPause(t *testing.T, b *Browser, g *Gateway) {
	p := openAndConnect(t, b, g)
	p.WaitLog("the connection", hasText("Connected"))
	p.Click("pause")
	g.Push("while paused", "and another")
	p.Eventually("two are held back", `document.getElementById("pause").textContent === "Resume (2 new)"`)
	if slices.ContainsFunc(p.Log(), hasText("while paused")) {
		t.Error("the paused log grew")
	}
	p.Click("pause")
	p.WaitLog("what came meanwhile", hasText("and another"))
	expect(t, "button", p.Text("pause"), "Pause")

	p.Click("clear")
	expect(t, "lines after clear", len(p.Log()), 0)
	expect(t, "received after clear", p.Text("received"), "0 · 0 B")
}
