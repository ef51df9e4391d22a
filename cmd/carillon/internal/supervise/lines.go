package supervise

import (
	"bytes"
	"errors"
	"io"
	"os"
	"time"
)

const (
	// pieceBytes is what is read at a time: the size of a pipe.
	pieceBytes = 64 << 10
	// maxLineBytes is the longest line that stays whole.
	maxLineBytes = 256 << 10
	// maxTextBytes is the longest text that stays in one piece: the stacks of some
	// thousand goroutines.
	maxTextBytes = 1 << 20
	// quiet ends a text: a runtime that dies pauses for shorter, and then its pipe
	// ends.
	quiet = time.Second
)

var (
	newline = []byte("\n")
	// cutMark ends a line that was longer than maxLineBytes.
	cutMark = []byte(" [cut]\n")
)

// passLines reads lines until r ends and passes on as many whole ones at a time as
// have come. Of a line that is too long the rest is left out.
func passLines(r io.Reader, pass func(lines []byte)) {
	buf := make([]byte, 0, pieceBytes)
	skip := false // to the end of a line that was cut
	for {
		if len(buf) == cap(buf) {
			buf = append(make([]byte, 0, min(2*cap(buf), maxLineBytes)), buf...)
		}
		seen := len(buf) // it has no newline
		n, err := r.Read(buf[seen:cap(buf)])
		buf = buf[:seen+n]
		if skip {
			i := bytes.IndexByte(buf, '\n')
			if skip = i < 0; skip {
				i = len(buf) - 1
			}
			buf = append(buf[:0], buf[i+1:]...)
		}
		if i := bytes.LastIndexByte(buf[min(seen, len(buf)):], '\n'); i >= 0 {
			end := seen + i + 1
			pass(bytes.Clone(buf[:end]))
			buf = append(buf[:0], buf[end:]...)
		}
		switch {
		case len(buf) == maxLineBytes:
			pass(append(bytes.Clone(buf), cutMark...))
			buf, skip = buf[:0], true
		case err != nil && len(buf) > 0:
			pass(append(buf, '\n'))
		}
		if err != nil {
			return
		}
	}
}

// deadlineReader is a pipe.
type deadlineReader interface {
	io.Reader
	SetReadDeadline(time.Time) error
}

// passTexts reads until r ends and passes on, each in one piece, the texts between
// which nothing came for a while: traces of a panic, mostly. Each is whole lines.
func passTexts(r deadlineReader, pause time.Duration, pass func(text []byte)) {
	var text []byte
	buf := make([]byte, 4096)
	flush := func(end int) {
		if end > 0 {
			pass(text[:end:end])
			text = bytes.Clone(text[end:])
		}
	}
	for {
		var deadline time.Time // none, as long as nothing waits
		if len(text) > 0 {
			deadline = time.Now().Add(pause)
		}
		_ = r.SetReadDeadline(deadline)
		n, err := r.Read(buf)
		text = append(text, buf[:n]...)
		if len(text) >= maxTextBytes {
			if i := bytes.LastIndexByte(text, '\n'); i >= 0 {
				flush(i + 1)
			} else {
				text = append(text, '\n')
				flush(len(text))
			}
		}
		if err != nil {
			if len(text) > 0 && text[len(text)-1] != '\n' {
				text = append(text, '\n')
			}
			flush(len(text))
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				return
			}
		}
	}
}

// Prefix puts prefix before each line of text.
func Prefix(prefix string, text []byte) []byte {
	var b bytes.Buffer
	for line := range bytes.Lines(text) {
		b.WriteString(prefix)
		b.Write(line)
	}
	return b.Bytes()
}
