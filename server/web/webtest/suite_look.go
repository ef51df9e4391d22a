package webtest

import (
	"fmt"
	"strings"
	"testing"
)

func testPhone(t *testing.T, b *Browser, g *Gateway) {
	for _, width := range []int{320, 390, 768} {
		t.Run(fmt.Sprint(width), func(t *testing.T) {
			p := openAndConnect(t, b, g, WithViewport(width, 780))
			g.Push(strings.Repeat("unbroken", 100))
			p.WaitLog("the long word", contains("in", "unbroken"))
			expect(t, "scroll width", Eval[int](p, "document.documentElement.scrollWidth"), width)
			narrow := Eval[[]string](p, `Array.from(document.querySelectorAll("button, input, select, textarea"))
				.filter((control) => !control.hidden)
				.filter((control) => { const box = control.getBoundingClientRect();
					return box.width < 14 || box.left < 0 || box.right > innerWidth; })
				.map((control) => control.id)`)
			if len(narrow) != 0 {
				t.Errorf("controls out of view: %v", narrow)
			}
		})
	}
}

func testLabels(t *testing.T, b *Browser, g *Gateway) {
	p := b.Open(t, g.URL)
	unlabelled := Eval[[]string](p, `Array.from(document.querySelectorAll("input, select, textarea"))
		.filter((control) => control.labels.length === 0).map((control) => control.id)`)
	if len(unlabelled) != 0 {
		t.Errorf("controls without a label: %v", unlabelled)
	}
	expect(t, "role of the status", Eval[string](p, `document.getElementById("status").role`), "status")
	expect(t, "role of the log", Eval[string](p, `document.getElementById("log").role`), "log")
	expect(t, "requests to elsewhere", Eval[int](p, `performance.getEntriesByType("resource")
		.filter((entry) => new URL(entry.name).origin !== location.origin).length`), 0)
}
