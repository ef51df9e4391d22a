package webtest

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

func testSend(t *testing.T, b *Browser, g *Gateway) {
	p := openAndConnect(t, b, g)
	before := time.Now().Truncate(time.Millisecond)
	p.Click("send")
	Eventually(t, "the sample arrives", func() bool { return len(texts(g)) == 1 })
	expect(t, "sample", texts(g)[0], p.Value("message"))
	checkSample(t, texts(g)[0], "CHAT_SEND", before)

	exact := "{\"type\":\"BIZ\", \"code\":\"CHAT_SEND\",\n\t\"data\":\"é 你好 😀 \u2028 </script>\"} "
	p.Fill("message", exact)
	p.Do(`document.getElementById("message").focus()`)
	p.Press(kb.Enter, chromedp.KeyModifiers(chromedp.ModifierCtrl))
	Eventually(t, "the message arrives", func() bool { return len(texts(g)) == 2 })
	expect(t, "message", texts(g)[1], exact)
	entry := p.WaitLog("the message", hasText(exact))
	expect(t, "kind", entry.Kind, "out")
	expect(t, "size", entry.Size, fmt.Sprintf("%d B", len(exact)))

	p.Fill("message", "{bad")
	expect(t, "hint", p.Text("message-hint"), "4 bytes, not valid JSON")
	p.Click("send")
	Eventually(t, "the bad message arrives", func() bool { return len(texts(g)) == 3 })
	expect(t, "bad message", texts(g)[2], "{bad")
	if g.Received()[0].Binary {
		t.Error("messages are binary, want text")
	}

	p.Click("restore")
	checkSample(t, p.Value("message"), "CHAT_SEND", before)
}

func testTarget(t *testing.T, b *Browser, g *Gateway) {
	p := b.Open(t, g.URL)
	user := func() any {
		var envelope struct {
			Data map[string]any `json:"data"`
		}
		if err := json.Unmarshal([]byte(p.Value("message")), &envelope); err != nil {
			t.Fatal(err)
		}
		return envelope.Data["toUserId"]
	}
	p.Type("target", "10002")
	expect(t, "user in the sample", user(), any("10002"))
	p.Fill("message", `{"type":"BIZ","code":"MINE","data":{"kept":1}}`)
	p.Type("target", `a"b`)
	expect(t, "user in an edited message", user(), any(`a"b`))
	if !strings.Contains(p.Value("message"), `"MINE"`) {
		t.Errorf("the edit is lost: %s", p.Value("message"))
	}
	p.Fill("target", "")
	expect(t, "user after it was cleared", user(), nil)
	p.Fill("message", "{bad")
	p.Fill("target", "1")
	expect(t, "message that is no envelope", p.Value("message"), "{bad")
}

func testCodes(t *testing.T, b *Browser, g *Gateway) {
	p := b.Open(t, g.URL)
	codes := Eval[[]string](p, `Array.from(document.getElementById("code").options, (option) => option.value)`)
	if len(codes) < 5 {
		t.Errorf("codes: got %v, want five at least", codes)
	}
	for _, code := range codes {
		p.Fill("code", code)
		var envelope struct{ Type, Code string }
		if err := json.Unmarshal([]byte(p.Value("message")), &envelope); err != nil {
			t.Fatal(err)
		}
		expect(t, "code of the sample", envelope.Code, code)
		expect(t, "type of the sample", envelope.Type, "BIZ")
	}
}
