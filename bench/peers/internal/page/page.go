// Package page puts tables into a page of documentation, each between two lines
// that name its place.
package page

import (
	"fmt"
	"os"
	"strings"
)

// Begin and End are the lines around the part of a name.
func Begin(name string) string { return "<!-- " + name + " -->\n" }

// End is the line behind a part.
const End = "<!-- end -->\n"

// Fill replaces parts of a file, by their names. A part that the file has no place
// for is an error, and nothing is written then.
func Fill(file string, parts map[string]string) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	text := string(b)
	for name, part := range parts {
		if text, err = replace(text, name, part); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	return os.WriteFile(file, []byte(text), 0o644)
}

func replace(text, name, part string) (string, error) {
	before, rest, found := strings.Cut(text, Begin(name))
	if !found {
		return "", fmt.Errorf("no line %q", strings.TrimSpace(Begin(name)))
	}
	_, after, found := strings.Cut(rest, End)
	if !found {
		return "", fmt.Errorf("no line %q behind %q", strings.TrimSpace(End), strings.TrimSpace(Begin(name)))
	}
	return before + Begin(name) + "\n" + strings.TrimSpace(part) + "\n\n" + End + after, nil
}
