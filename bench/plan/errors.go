package plan

import (
	"fmt"
	"strings"
)

// Error is one thing that is wrong with a plan.
type Error struct {
	Key     string // as in the file: "scenarios[0].publish.url"; "" when the whole is wrong
	File    string // where the key stands; "" when it does not come from a file
	Line    int
	Flag    string // "--rate", when flags made the plan; takes the place of Key
	Problem string
}

// Error is one line: file and line, or flag, or neither; key; problem.
func (e *Error) Error() string {
	var b strings.Builder
	if e.File != "" {
		b.WriteString(e.File + ":")
		if e.Line > 0 {
			fmt.Fprintf(&b, "%d:", e.Line)
		}
		b.WriteByte(' ')
	}
	switch {
	case e.Flag != "":
		b.WriteString(e.Flag + ": ")
	case e.Key != "":
		b.WriteString(e.Key + ": ")
	}
	b.WriteString(e.Problem)
	return b.String()
}

// Errors is everything that is wrong with a plan. It is never empty as an error.
type Errors []*Error

// Error is one line for each error.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, one := range e {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap gives errors.As each single error.
func (e Errors) Unwrap() []error {
	all := make([]error, len(e))
	for i, one := range e {
		all[i] = one
	}
	return all
}

// err is e, or nil when it is empty.
func (e Errors) err() error {
	if len(e) == 0 {
		return nil
	}
	return e
}

// add notes a problem with a key.
func (e *Errors) add(key, format string, args ...any) {
	*e = append(*e, &Error{Key: key, Problem: fmt.Sprintf(format, args...)})
}
