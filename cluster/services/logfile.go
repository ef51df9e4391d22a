package services

import (
	"io"
	"os"
	"strings"
)

// tailBytes is how much of a log an error shows.
const tailBytes = 4 << 10

// logFile is the log of a server. Secrets do not leave it by tail.
type logFile struct {
	path    string
	secrets []string
}

func (l *logFile) open() (*os.File, error) {
	return os.OpenFile(l.path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
}

// tail returns the last lines, "" when there is no log.
func (l *logFile) tail() string {
	f, err := os.Open(l.path)
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	cut := false
	if size, err := f.Seek(0, io.SeekEnd); err == nil {
		cut = size > tailBytes
		_, _ = f.Seek(max(0, size-tailBytes), io.SeekStart)
	}
	text, _ := io.ReadAll(io.LimitReader(f, tailBytes))
	lines := string(text)
	if cut {
		if _, whole, ok := strings.Cut(lines, "\n"); ok {
			lines = whole
		}
	}
	for _, s := range l.secrets {
		if s != "" {
			lines = strings.ReplaceAll(lines, s, "***")
		}
	}
	return strings.TrimSpace(lines)
}
