package supervise

import (
	"bytes"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// pieces reads text in pieces of the given lengths, over and over.
type pieces struct {
	text    []byte
	lengths []byte
	n       int
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.text) == 0 {
		return 0, io.EOF
	}
	want := len(p.text)
	if len(p.lengths) > 0 {
		want = int(p.lengths[p.n%len(p.lengths)]) + 1
		p.n++
	}
	n := copy(b, p.text[:min(want, len(p.text))])
	p.text = p.text[n:]
	return n, nil
}

// passed is what passLines makes of r: every pass, whole.
func passed(t testing.TB, r io.Reader) (all []byte) {
	t.Helper()
	passLines(r, func(lines []byte) {
		if len(lines) == 0 || lines[len(lines)-1] != '\n' {
			t.Errorf("torn: got %.80q", lines)
		}
		all = append(all, lines...)
	})
	return all
}

func TestPassLines(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", maxLineBytes)
	for name, tt := range map[string]struct{ in, want string }{
		"nothing":          {"", ""},
		"lines":            {"a\n\nbc\n", "a\n\nbc\n"},
		"no newline":       {"a\nb", "a\nb\n"},
		"longest":          {"a\n" + long[1:] + "\nb\n", "a\n" + long[1:] + "\nb\n"},
		"longer by one":    {"a\n" + long + "\nb\n", "a\n" + long + " [cut]\nb\n"},
		"much longer":      {long + long + long + "y\nb\n", long + " [cut]\nb\n"},
		"longer, then end": {long + "yy", long + " [cut]\n"},
		"two of them":      {long + "y\n" + long + "y\n", long + " [cut]\n" + long + " [cut]\n"},
	} {
		for how, r := range map[string]io.Reader{
			"whole":          strings.NewReader(tt.in),
			"in pieces":      &pieces{text: []byte(tt.in), lengths: []byte{0, 254, 3}},
			"with its error": iotest.DataErrReader(strings.NewReader(tt.in)),
		} {
			if got := passed(t, r); string(got) != tt.want {
				t.Errorf("%s, %s: got %d bytes, want %d: %.40q ... %q", name, how, len(got), len(tt.want), got, got[max(0, len(got)-40):])
			}
		}
	}
}

// FuzzPassLines wants what came out to be what went in, in whatever pieces it came.
func FuzzPassLines(f *testing.F) {
	f.Add([]byte("a\nbc\n\n"), []byte{0})
	f.Add([]byte("no end"), []byte{3, 1})
	f.Add([]byte(`{"level":"INFO"}`+"\n"), []byte{})
	f.Add(bytes.Repeat([]byte("0123456789abcde\n"), 5000), []byte{255})
	f.Fuzz(func(t *testing.T, text, lengths []byte) {
		want := bytes.Clone(text)
		if len(want) > 0 && want[len(want)-1] != '\n' {
			want = append(want, '\n')
		}
		if len(want) > maxLineBytes {
			return // TestPassLines has lines that are cut
		}
		if got := passed(t, &pieces{text: text, lengths: lengths}); !bytes.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// textsOf starts passTexts on a pipe. The texts end after the pipe.
func textsOf(t *testing.T, pause time.Duration) (w *os.File, texts <-chan string) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	c := make(chan string, 10)
	go func() {
		defer r.Close()
		defer close(c)
		passTexts(r, pause, func(text []byte) { c <- string(text) })
	}()
	return w, c
}

// TestPassTextsInOnePiece writes a trace bit by bit, far more than a pipe holds.
func TestPassTextsInOnePiece(t *testing.T) {
	t.Parallel()
	w, texts := textsOf(t, time.Hour)
	want := "panic: boom\n" + strings.Repeat("goroutine 1 [running]:\n", 20000) + "exit status 2"
	for rest := []byte(want); len(rest) > 0; {
		n, err := w.Write(rest[:min(100, len(rest))])
		if err != nil {
			t.Fatal(err)
		}
		rest = rest[n:]
	}
	_ = w.Close()
	if got := <-texts; got != want+"\n" {
		t.Errorf("got %d bytes: %.80q", len(got), got)
	}
	if rest, open := <-texts; open {
		t.Errorf("got %q too", rest)
	}
}

// TestPassTextsDoesNotWaitForMore wants a text although nothing follows and the pipe does not end.
func TestPassTextsDoesNotWaitForMore(t *testing.T) {
	t.Parallel()
	w, texts := textsOf(t, time.Millisecond)
	for _, text := range []string{"a warning\n", "another\n"} {
		if _, err := io.WriteString(w, text); err != nil {
			t.Fatal(err)
		}
		if got := <-texts; got != text {
			t.Errorf("got %q", got)
		}
	}
	_ = w.Close()
	<-texts
}

// TestPassTextsIsBounded writes more than stays in one piece.
func TestPassTextsIsBounded(t *testing.T) {
	t.Parallel()
	for name, line := range map[string]string{"lines": strings.Repeat("x", 99) + "\n", "no line": "x"} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		sent := strings.Repeat(line, (2*maxTextBytes+1000)/len(line))
		go func() {
			defer w.Close()
			_, _ = io.WriteString(w, sent)
		}()
		var got []string
		passTexts(r, time.Minute, func(text []byte) { got = append(got, string(text)) })
		_ = r.Close()
		for _, text := range got {
			if len(text) > maxTextBytes+8192 || !strings.HasSuffix(text, "\n") {
				t.Errorf("%s: a text of %d bytes, ends with %q", name, len(text), text[len(text)-1:])
			}
		}
		whole := strings.Join(got, "")
		if line == "x" {
			whole = strings.ReplaceAll(whole, "\n", "")
		}
		if len(got) < 2 || whole != sent {
			t.Errorf("%s: got %d bytes in %d pieces, want %d", name, len(whole), len(got), len(sent))
		}
	}
}

func TestPrefix(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"": "", "a\n": "w a\n", "a\n\nb\n": "w a\nw \nw b\n"} {
		if got := string(Prefix("w ", []byte(in))); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}
