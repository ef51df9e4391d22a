package browsertest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"carillon/bench/internal/await"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(Main{m}) }

var light = Look{Scheme: "light", Width: 800}

// serve serves a page under a policy, at its own address alone.
func serve(t *testing.T, policy, page string) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Security-Policy", policy)
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, `<!doctype html><link rel=icon href=data:,>`+page)
	}))
	t.Cleanup(s.Close)
	return s
}

// errorsOf notes errors, and lets the test pass.
type errorsOf struct {
	testing.TB
	said []string
}

func (e *errorsOf) Errorf(format string, args ...any) {
	e.said = append(e.said, fmt.Sprintf(format, args...))
}

// complaints opens a page, does something with it, and returns what the end of
// the test found.
func complaints(t *testing.T, url string, do func(p *Tab)) []string {
	var e errorsOf
	t.Run("tab", func(t *testing.T) {
		e.TB = t
		p := Start(t).Open(&e, url, light)
		p.Until("it is loaded", `document.readyState === "complete"`)
		do(p)
	})
	return e.said
}

func TestQuiet(t *testing.T) {
	const open = "default-src 'self' 'unsafe-inline' data:"
	elsewhere := serve(t, open, "")
	for _, tt := range []struct {
		name, policy, page string
		want               []string // how complaints begin; none: it is quiet
	}{
		{"quiet", open, "<script>fetch('/')</script>", nil},
		{"console", open, "<script>console.log('hi')</script>", []string{"console: log"}},
		{"exception", open, "<script>throw new Error('oops')</script>", []string{"console: exception"}},
		{"missing file", open, "<script src=/none.js></script>", []string{"console: error: Failed to load"}},
		{"request elsewhere", "", "<img src=" + elsewhere.URL + ">", []string{"request: " + elsewhere.URL}},
		{"policy", "img-src data:", "<img src=/x.png>", []string{"violation of the Content-Security-Policy: img-src", "console: error"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := serve(t, tt.policy, tt.page)
			got := complaints(t, s.URL, func(*Tab) {})
			if len(tt.want) == 0 && len(got) > 0 {
				t.Fatalf("got %q", got)
			}
			for _, want := range tt.want {
				if !strings.Contains("\n"+strings.Join(got, "\n"), "\n"+want) {
					t.Errorf("got %q, want %q", got, want)
				}
			}
		})
	}
}

// What a test expects of a page is no complaint.
func TestAllowances(t *testing.T) {
	elsewhere := serve(t, "", "")
	s := serve(t, "", "<img id=there>")
	for name, do := range map[string]func(p *Tab){
		"MayReach": func(p *Tab) {
			p.MayReach("http://127.0.0.1:")
			Eval[int](p, "fetch('"+elsewhere.URL+"', { mode: 'no-cors' }).then((r) => r.status)")
		},
		"MayLose": func(p *Tab) {
			p.MayLose()
			gone := serve(t, "", "")
			gone.Close()
			p.MayReach("http://127.0.0.1:")
			Eval[bool](p, "fetch('"+gone.URL+"', { mode: 'no-cors' }).then(() => false, () => true)")
		},
		"Forgive": func(p *Tab) {
			Eval[bool](p, "(console.log('hi'), true)")
			await.Until(t, "the console said it", func() bool {
				p.mu.Lock()
				defer p.mu.Unlock()
				return len(p.complain) > 0
			})
			p.Forgive()
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := complaints(t, s.URL, do); len(got) > 0 {
				t.Errorf("got %q", got)
			}
		})
	}
}

func TestTab(t *testing.T) {
	page := `<button id=b onclick="document.title = 'clicked'">b</button><a id=save download=x.txt href=data:text/plain,saved>s</a>`
	p := Start(t).Open(t, serve(t, "", page).URL, Look{Scheme: "dark", Width: 400})
	if got := Eval[[]int](p, `[innerWidth, matchMedia("(prefers-color-scheme: dark)").matches, matchMedia("print").matches].map(Number)`); fmt.Sprint(got) != "[400 1 0]" {
		t.Errorf("width, dark, print: %v", got)
	}
	p.Media("print", "light")
	p.Until("it is printed", `matchMedia("print").matches && matchMedia("(prefers-color-scheme: light)").matches`)
	p.Media("screen", "light")
	p.Click("b")
	p.Until("it is clicked", `document.title === "clicked"`)
	dir := t.TempDir()
	p.Downloads(dir)
	p.Click("save")
	await.Until(t, "the file is saved", func() bool {
		b, err := os.ReadFile(filepath.Join(dir, "x.txt"))
		return err == nil && string(b) == "saved"
	})
	t.Setenv("CARILLON_SCREENSHOTS", dir)
	p.Keep("look")
	if b, err := os.ReadFile(filepath.Join(dir, "look-01.png")); err != nil || !strings.HasPrefix(string(b), "\x89PNG") {
		t.Errorf("no picture: %v", err)
	}
}
