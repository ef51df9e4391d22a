package watch

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// root is the directory in which /proc, /sys and /etc are looked for: "" on the
// real machine, a directory of files in tests.
type root string

// path is where the file of an absolute name lies.
func (r root) path(name string) string {
	if r == "" {
		return name
	}
	return filepath.Join(string(r), name)
}

// text returns a small file without its outer white space; "" when it can not
// be read.
func (r root) text(name string) string {
	b, err := os.ReadFile(r.path(name))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// numbers returns the whole numbers of a file that consists of nothing else, as
// sysctls do.
func (r root) numbers(name string) []int64 {
	var ns []int64
	for _, f := range strings.Fields(r.text(name)) {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return nil
		}
		ns = append(ns, n)
	}
	return ns
}

// number returns number i of a file of numbers.
func (r root) number(name string, i int) (int64, bool) {
	ns := r.numbers(name)
	if i >= len(ns) {
		return 0, false
	}
	return ns[i], true
}

// member returns the value of "key: value" in a file of such lines.
func (r root) member(name, key string) string { return member(r.text(name), key) }

// member returns the value of the first line "key: value" of s.
func member(s, key string) string {
	for line := range strings.Lines(s) {
		k, v, ok := strings.Cut(line, ":")
		if ok && strings.TrimSpace(k) == key {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// kilobytes reads the "123 kB" of /proc as bytes.
func kilobytes(s string) (int64, bool) {
	digits, ok := strings.CutSuffix(s, " kB")
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
	if err != nil || n < 0 || n > 1<<53 {
		return 0, false
	}
	return n << 10, true
}
