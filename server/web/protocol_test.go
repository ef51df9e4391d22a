package web_test

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"carillon/codec"
	"carillon/server/web/webtest"
)

// readProtocol returns the page for client authors.
func readProtocol(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// adviceWords are how the page says what codec.Advice says.
var adviceWords = map[codec.Advice]string{
	codec.ReconnectNow:   "at once",
	codec.ReconnectLater: "after a delay",
	codec.ReconnectNever: "never",
}

// closeTable is the table of close codes as the page must have it.
func closeTable() string {
	var b strings.Builder
	b.WriteString("| code | name | reason on the wire | meaning | reconnect |\n|---|---|---|---|---|\n")
	for _, row := range codec.CloseTable() {
		reason := "varies, or none"
		if row.Reason != "" {
			reason = "`" + row.Reason + "`"
		}
		fmt.Fprintf(&b, "| %d | %s | %s | %s | %s |\n", row.Code, row.Name, reason, row.Meaning, adviceWords[row.Advice])
	}
	return b.String()
}

func TestProtocolCloseTable(t *testing.T) {
	t.Parallel()
	const open, end = "<!-- close-codes -->\n", "<!-- /close-codes -->"
	_, rest, found := strings.Cut(readProtocol(t), open)
	got, _, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatalf("docs/protocol.md: no %q and %q", open, end)
	}
	if want := closeTable(); got != want {
		t.Errorf("docs/protocol.md, close codes: got\n%s\nwant, from codec.CloseTable:\n%s", got, want)
	}
}

// TestProtocolCodeLists checks the codes that the examples hold against the
// table, each of them being a copy that a client author will take.
func TestProtocolCodeLists(t *testing.T) {
	t.Parallel()
	want := map[codec.Advice][]string{}
	for _, row := range codec.CloseTable() {
		code := fmt.Sprint(uint16(row.Code))
		if !slices.Contains(want[row.Advice], code) {
			want[row.Advice] = append(want[row.Advice], code)
		}
	}
	for _, list := range []struct {
		pattern string
		advice  codec.Advice
		copies  int
	}{
		{`(?:NEVER|never) +=[^0-9\n]*([0-9, ]+)`, codec.ReconnectNever, 5},
		{`(?:AT_ONCE|atOnce) +=[^0-9\n]*([0-9, ]+)`, codec.ReconnectNow, 4},
	} {
		matches := regexp.MustCompile(list.pattern).FindAllStringSubmatch(readProtocol(t), -1)
		expect(t, "examples with a list of codes to reconnect "+list.advice.String(), len(matches), list.copies)
		for _, match := range matches {
			expect(t, match[0], match[1], strings.Join(want[list.advice], ", "))
		}
	}
}

// example returns the code of an example in the page.
func example(t testing.TB, name string) string {
	t.Helper()
	_, rest, found := strings.Cut(readProtocol(t), "<!-- example: "+name+" -->\n```")
	_, rest, _ = strings.Cut(rest, "\n")
	code, _, closed := strings.Cut(rest, "```\n")
	if !found || !closed {
		t.Fatalf("docs/protocol.md: no example %q", name)
	}
	return code
}

// TestProtocolBrowserExample runs the example for browsers in one.
func TestProtocolBrowserExample(t *testing.T) {
	g := newGateway(t)
	p := webtest.NewBrowser(t).Open(t, g.URL)
	address := strings.Replace(g.URL, "http", "ws", 1) + g.Endpoint
	code := strings.Replace(example(t, "browser"), "ws://localhost:18001/ws", address, 1)
	code = strings.Replace(code, "console.log(text)", "messages.push(text)", 1)
	p.Do(`window.messages = []; ` + code + `; Object.assign(window, { keepSession, leave })`)

	connected := func(handshakes int) {
		t.Helper()
		webtest.Eventually(t, fmt.Sprintf("session %d is there and has sent its heartbeat", handshakes), func() bool {
			beats := 0
			for _, m := range g.Received() {
				if m.Text == heartbeat {
					beats++
				}
			}
			return len(g.Handshakes()) == handshakes && g.Sessions() == 1 && beats == handshakes
		})
		text := fmt.Sprint("push ", handshakes)
		g.Push(text)
		p.Eventually(text+" arrives", fmt.Sprintf("messages.at(-1) === %q", text))
	}
	connected(1)
	g.Cut()
	connected(2)
	for i, code := range []int{4401, 4500, 1001, 1013} {
		g.Close(code, "")
		connected(3 + i)
	}
	expect(t, "messages", webtest.Eval[int](p, "messages.length"), 6)

	g.Close(1008, "")
	webtest.Eventually(t, "the session has ended", func() bool { return g.Sessions() == 0 })
	webtest.Never(t, 1500*time.Millisecond, "a further handshake", func() bool { return len(g.Handshakes()) != 6 })

	// Leaving ends the session for good.
	p.Do(fmt.Sprintf(`window.leave = keepSession(%q, () => "Admin@123", () => {})`, address))
	webtest.Eventually(t, "a new session is there", func() bool { return g.Sessions() == 1 })
	p.Do("leave()")
	webtest.Eventually(t, "the session has ended", func() bool { return g.Sessions() == 0 })
	webtest.Never(t, 1500*time.Millisecond, "a further handshake", func() bool { return len(g.Handshakes()) != 7 })
}
