package inline

import (
	"testing"
	"testing/fstest"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestElements(t *testing.T) {
	html, sources := Elements("script", "", "a < b && c")
	if want := "<script></script>\n<script>a < b && c</script>\n"; string(html) != want {
		t.Errorf("got %q, want %q", html, want)
	}
	// The first sum is that of nothing, which everybody knows.
	if want := "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=' 'sha256-utQp/tNR5pLN51qgX2CHuY7l3VqhWnEovrzaSf41FJ8='"; sources != want {
		t.Errorf("got %s, want %s", sources, want)
	}
}

func TestFile(t *testing.T) {
	files := fstest.MapFS{"page/x.css": {Data: []byte("p{}")}}
	if got := File(files, "page/x.css"); got != "p{}" {
		t.Errorf("got %q", got)
	}
	defer func() {
		if recover() == nil {
			t.Error("a file that is not embedded is no panic")
		}
	}()
	File(files, "page/y.css")
}
